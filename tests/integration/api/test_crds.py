"""A real API server takes the CRDs, holds their rules with their words, and fills in their defaults."""

from __future__ import annotations

import copy
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightkube import AsyncClient
from lightkube.core.exceptions import ApiError

from moorage.api.conditions import condition
from moorage.api.crd import KINDS, custom_resource_definition
from moorage.api.kubernetescluster import POOLS_MAX, KubernetesCluster, KubernetesClusterStatus, NodesStatus
from moorage.api.local import LocalControlPlane
from moorage.api.models import Resource
from moorage.api.names import LABELS_MAX, TAINTS_MAX
from moorage.api.project import Project
from moorage.kube import kinds
from moorage.kube.kinds import CRD, Kind, Object
from moorage.kube.objects import apply, apply_status, get
from moorage.policies.cluster import gatekeeper_kinds

HERE = Path(__file__).parent
KIND_OF = {
    kind.kind: kind
    for kind in (*vars(kinds).values(), *vars(gatekeeper_kinds).values())
    if isinstance(kind, Kind) and kind.group.endswith("moorage.dev")
}
# The API server's own words beside an error of the schema.
NOT_LOOKED_AT = "some validation rules were not checked because the object was invalid"

GOOD: dict[str, Object] = {
    obj["kind"]: obj for obj in yaml.safe_load_all((HERE / "good.yaml").read_text("utf-8"))
}
REFUSED: list[Object] = yaml.safe_load((HERE / "refused.yaml").read_text("utf-8"))
CHANGES: list[Object] = yaml.safe_load((HERE / "changes.yaml").read_text("utf-8"))


def good(kind: str) -> Object:
    """A good object with a name of its own."""
    obj = copy.deepcopy(GOOD[kind])
    obj["metadata"]["name"] = f"{kind.lower()[:18]}-{secrets.token_hex(4)}"
    return obj


def changed(obj: Object, fields: Object) -> Object:
    """The object with some fields set (``spec.nodePools.0.name``) or, for None, left out."""
    result = copy.deepcopy(obj)
    for path, value in fields.items():
        *steps, last = path.split(".")
        at: Any = result
        for step in steps:
            at = at[int(step)] if step.isdigit() else at.setdefault(step, {})
        if value is None:
            del at[last]
        else:
            at[last] = value
    return result


def contains(stored: Any, said: Any) -> bool:
    """Whether all that was said is stored; more may be."""
    if isinstance(said, dict):
        return all(name in stored and contains(stored[name], value) for name, value in said.items())
    if isinstance(said, list):
        return len(stored) == len(said) and all(map(contains, stored, said))
    return bool(stored == said)


async def put_there(client: AsyncClient, obj: Object, *, dry_run: bool = False) -> Object:
    return await apply(client, KIND_OF[obj["kind"]], obj, field_manager="test", dry_run=dry_run)


async def refusal(client: AsyncClient, obj: Object) -> str:
    with pytest.raises(ApiError) as caught:
        await put_there(client, obj, dry_run=True)
    causes = [cause for cause in caught.value.status.details.causes if NOT_LOOKED_AT not in cause.message]
    assert len(causes) == 1, f"more than one thing is said to be wrong: {causes}"
    return f"{causes[0].field}: {causes[0].message}"


def case_id(case: Object) -> str:
    fields = case.get("with") or case["becomes"]
    return f"{case['kind']}:" + ",".join(f"{path}={value}" for path, value in fields.items())[:60]


# --- The CRDs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resource", KINDS, ids=lambda resource: resource.__name__)
async def test_an_api_server_accepts_the_crd_as_structural(api_client: AsyncClient, resource: type[Resource]):
    declared = custom_resource_definition(resource)
    crd = await get(api_client, CRD, declared["metadata"]["name"])
    conditions = {c["type"]: c["status"] for c in crd["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    # Nothing of what is declared was dropped on the way.
    assert crd["spec"]["versions"][0]["schema"] == declared["spec"]["versions"][0]["schema"]


@pytest.mark.parametrize("resource", KINDS, ids=lambda resource: resource.__name__)
async def test_a_good_object_is_taken_and_read_back(api_client: AsyncClient, resource: type[Resource]):
    said = good(resource.__name__)
    stored = await put_there(api_client, said)
    read = resource.parse(stored)
    assert read.kind == resource.__name__
    # What was said is what is stored.
    assert contains(stored, {key: value for key, value in said.items() if key != "metadata"})
    # What we would write for it is taken as the same.
    again = {**read.wire(), "metadata": said["metadata"]}
    taken = resource.parse(await put_there(api_client, again))
    assert taken.model_copy(update={"metadata": read.metadata}) == read


def test_every_kind_of_the_api_has_its_coordinates():
    for resource in KINDS:
        served, kind = resource.definition, KIND_OF[resource.__name__]
        assert (kind.group, kind.version, kind.plural, kind.namespaced) == (
            served.group,
            served.version,
            served.plural,
            served.namespaced,
        )


# --- Defaults ----------------------------------------------------------------------------------------------


async def test_defaults_are_filled_in(api_client: AsyncClient):
    said = good("KubernetesCluster")
    said["spec"] = {
        "version": "1.36",
        "provider": "local",
        "nodePools": [{"name": "workers", "machineType": "m1.small", "replicas": 1}],
        "maintenanceWindow": {"days": ["Monday"], "start": "02:00"},
    }
    stored = await put_there(api_client, said)
    assert stored["spec"] == {
        "version": "1.36",
        "provider": "local",
        "controlPlane": {"replicas": 1},
        "nodePools": [
            {
                "name": "workers",
                "machineType": "m1.small",
                "replicas": 1,
                "maxSurge": 1,
                "maxUnavailable": 0,
            }
        ],
        "maintenanceWindow": {"days": ["Monday"], "start": "02:00", "durationHours": 4, "timeZone": "UTC"},
        "paused": False,
    }


async def test_the_model_has_the_same_defaults_as_the_api_server(api_client: AsyncClient):
    said = good("KubernetesCluster")
    stored = await put_there(api_client, said)
    assert KubernetesCluster.parse(stored).spec == KubernetesCluster.parse(said).spec


async def test_a_member_is_a_user_unless_it_says_otherwise(api_client: AsyncClient):
    shop = good("Project")
    stored = await put_there(api_client, shop)
    assert stored["spec"]["members"] == [{"name": "ann@example.org", "role": "owner", "kind": "User"}]
    # A user and a group of one name are two members.
    shop["spec"]["members"].append({"name": "ann@example.org", "role": "viewer", "kind": "Group"})
    assert len((await put_there(api_client, shop))["spec"]["members"]) == 2


async def test_an_empty_project_is_a_project(api_client: AsyncClient):
    stored = await put_there(api_client, changed(good("Project"), {"spec": None}))
    assert Project.parse(stored).spec.members == []


async def test_a_local_cluster_has_three_zones(api_client: AsyncClient):
    stored = await put_there(api_client, good("LocalCluster"))
    assert stored["spec"] == {"zones": ["a", "b", "c"]}


async def test_the_largest_cluster_is_within_what_an_api_server_spends_on_rules(api_client: AsyncClient):
    said = good("KubernetesCluster")
    pool = said["spec"]["nodePools"][0]
    pool["labels"] = {f"{'d' * 200}.example.org/{'k' * 60}{n}": "v" * 63 for n in range(LABELS_MAX)}
    pool["taints"] = [
        {"key": f"{'d' * 200}.example.org/{'k' * 60}{n}", "value": "v" * 63, "effect": "NoSchedule"}
        for n in range(TAINTS_MAX)
    ]
    said["spec"]["nodePools"] = [{**pool, "name": f"pool-{n}"} for n in range(POOLS_MAX)]
    for replicas in (3, 4):  # made, and changed: rules for changes count as well
        for each in said["spec"]["nodePools"]:
            each["replicas"] = replicas
        assert contains((await put_there(api_client, said))["spec"], said["spec"])


# --- Rules -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", REFUSED, ids=case_id)
async def test_what_breaks_a_rule_is_refused_with_one_clear_sentence(api_client: AsyncClient, case: Object):
    assert await refusal(api_client, changed(good(case["kind"]), case["with"])) == case["says"]


@pytest.mark.parametrize("case", CHANGES, ids=case_id)
async def test_a_change_is_taken_or_refused(api_client: AsyncClient, case: Object):
    before = changed(good(case["kind"]), case.get("was", {}))
    await put_there(api_client, before)
    after = changed(before, case["becomes"])
    if "says" in case:
        assert await refusal(api_client, after) == case["says"]
    else:
        assert contains((await put_there(api_client, after))["spec"], after["spec"])


SEEN_ELSEWHERE = {
    "a reason is one word in CamelCase",  # below
    # With the decisions of people, in the tests of advisors:
    "an advice stays one about its cluster",
    "who dismisses an advice says why: write a dismissal",
    "what was applied is written down: write an application",
    "until is later than the dismissal",
}
"""Rules that no case here breaks: those of a status, and one that never is alone."""


def test_every_rule_is_broken_by_a_case_above():
    """A rule that no case breaks is one that nobody has seen work."""
    told = " ".join(case.get("says", "") for case in (*REFUSED, *CHANGES))
    rules = {
        words(rule): resource for resource in KINDS for rule in rules_of(custom_resource_definition(resource))
    }
    unseen = [message for message in rules if message not in told]
    assert set(unseen) == SEEN_ELSEWHERE


def rules_of(node: Any) -> Iterator[Object]:
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from rules_of(value)
    if isinstance(node, dict):
        yield from node.get("x-kubernetes-validations", ())


def words(rule: Object) -> str:
    """The message of a rule, or the longest text in one that is computed."""
    return str(rule.get("message") or max(re.findall("'([^']*)'", rule["messageExpression"]), key=len))


# --- Status ------------------------------------------------------------------------------------------------


async def test_a_status_is_written_apart_from_the_spec(api_client: AsyncClient):
    web = await put_there(api_client, good("KubernetesCluster"))
    parsed = KubernetesCluster.parse(web)
    now = parsed.metadata.creation_timestamp
    status = KubernetesClusterStatus(
        observed_generation=1,
        nodes=NodesStatus(desired=3, ready=2, summary="2/3"),
        conditions=[condition("Ready", False, "NodesNotReady", "2 of 3 nodes are ready", now=now)],
    )
    obj = {"metadata": {key: web["metadata"][key] for key in ("name", "namespace")}, "status": status.wire()}
    stored = await apply_status(api_client, KIND_OF["KubernetesCluster"], obj, field_manager="test")
    assert KubernetesCluster.parse(stored).status == status
    assert stored["metadata"]["generation"] == 1


async def test_a_reason_is_one_word(api_client: AsyncClient):
    web = await put_there(api_client, good("KubernetesCluster"))
    bad = {
        "type": "Ready",
        "status": "False",
        "reason": "two words",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    obj = {
        "metadata": {key: web["metadata"][key] for key in ("name", "namespace")},
        "status": {"conditions": [bad]},
    }
    with pytest.raises(ApiError, match="a reason is one word in CamelCase"):
        await apply_status(api_client, KIND_OF["KubernetesCluster"], obj, field_manager="test")


async def test_a_control_plane_can_be_scaled_as_cluster_api_does(api_client: AsyncClient):
    plane = await put_there(api_client, good("LocalControlPlane"))
    kind = KIND_OF["LocalControlPlane"]
    meta = {key: plane["metadata"][key] for key in ("name", "namespace")}
    status = {"replicas": 3, "readyReplicas": 3, "selector": "a=b", "version": "v1.36.0"}
    await apply_status(api_client, kind, {"metadata": meta, "status": status}, field_manager="test")
    read = LocalControlPlane.parse(await get(api_client, kind, meta["name"], meta["namespace"]) or {})
    assert (read.status and read.status.ready_replicas) == 3


async def test_two_can_each_hold_some_of_the_pools(api_client: AsyncClient):
    """Pools are told apart by name: who declares one does not take away the others."""
    web = good("KubernetesCluster")
    await put_there(api_client, web)
    other = {
        "metadata": web["metadata"],
        "spec": {"nodePools": [{"name": "gpu", "machineType": "g1", "replicas": 1}]},
    }
    stored = await apply(
        api_client, KIND_OF["KubernetesCluster"], other, field_manager="another", force=False
    )
    assert [pool["name"] for pool in stored["spec"]["nodePools"]] == ["workers", "burst", "gpu"]
