"""Advice about APIs that go, as the platform makes it: seen in a real cluster, applied, resolved."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lightkube import AsyncClient

from moorage.advisors.advice import Finding
from moorage.advisors.applying.act import Person, follow, prepare, undo
from moorage.advisors.applying.plan import ApplyError
from moorage.advisors.audit.counts import Counts
from moorage.advisors.audit.events import parse
from moorage.advisors.audit.folding import Recent, fold
from moorage.advisors.cluster.apis import ROLE, ApisTopic
from moorage.advisors.cluster.topic import Found, Situation
from moorage.advisors.evidence import engine
from moorage.advisors.keeping import keep
from moorage.advisors.keeping.written import change_of
from moorage.api.advice import Advice, AdviceState
from moorage.kube.client import connect
from moorage.kube.controller import Key
from moorage.kube.kinds import ADVICE, CLUSTER_ROLE, CRD, KUBERNETES_CLUSTER, SECRET, Kind, Object
from moorage.kube.objects import apply, create, delete, get, list_objects
from moorage.local.manifests import load

from .advice import install, new_project, without_bookkeeping
from .conftest import AuditedApiServer

CLUSTER = "web-0123456789"
NOW = datetime.now(UTC).replace(microsecond=0)
GROUP = "shop.example.com"


def crd(plural: str, kind: str, *, after: dict[str, Any] | None = None) -> Object:
    """A custom resource of a team's own: v1beta1 is deprecated, v1 is what is stored."""
    fields = {
        "size": {"type": "integer"},
        "tags": {"type": "object", "additionalProperties": {"type": "string"}},
        "items": {"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}}}},
    }

    def version(name: str, properties: dict[str, Any], **more: Any) -> Object:
        spec = {"type": "object", "properties": properties}
        schema = {"type": "object", "properties": {"spec": spec, "status": {"type": "object"}}}
        return {"name": name, "served": True, "schema": {"openAPIV3Schema": schema}, **more}

    return {
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [
                version("v1", fields if after is None else after, storage=True),
                version("v1beta1", fields, storage=False, deprecated=True),
            ],
        },
    }


OLD = Kind(GROUP, "v1beta1", "Parcel", "parcels")
NEW = replace(OLD, version="v1")
OLD_CRATE = Kind(GROUP, "v1beta1", "Crate", "crates")


def parcel(name: str, *, version: str = "v1beta1", kind: str = "Parcel", **spec: Any) -> Object:
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec or {"size": 3, "tags": {"a": "b"}, "items": [{"sku": "x"}]},
    }


@dataclass(frozen=True)
class World:
    """A cluster with custom resources, and what the platform knows of it; one API server is both."""

    server: AuditedApiServer
    client: AsyncClient
    namespace: str
    counts: Counts
    topic: ApisTopic

    async def situation(self) -> Situation:
        obj = await get(self.client, KUBERNETES_CLUSTER, "web", self.namespace)
        assert obj is not None
        return Situation(
            Key(self.namespace, "web"),
            CLUSTER,
            obj,
            self.server.as_user("moorage:advisor"),
            self.counts,
            self.counts.signals().get(CLUSTER),
            timedelta(days=1),
            datetime.now(UTC),
        )

    async def look(self) -> list[Finding]:
        found = await self.topic.look(await self.situation())
        assert isinstance(found, Found)
        assert not [note for note in found.advice.notes if note.startswith("not judged")]
        await keep(
            self.client,
            project_namespace=self.namespace,
            cluster="web",
            advice=found.advice,
            now=datetime.now(UTC),
            unjudged=found.unjudged,
        )
        return [
            each for each in found.advice.findings if each.subject.split()[0] in ("Parcel", "Crate", "User")
        ]

    async def advice(self, subject: str) -> list[Advice]:
        objects = map(Advice.parse, await list_objects(self.client, ADVICE, self.namespace))
        return [each for each in objects if each.spec.subject == subject]

    async def apply(self, item: Advice) -> None:
        who = Person("admin", self.client, self.client)
        prepared = await prepare(who, item, [change_of(each) for each in item.spec.change])
        await follow(who, item, prepared, now=NOW, progress=lambda _: None)

    async def versions(self, name: str) -> set[tuple[str, str, str]]:
        found = await get(self.client, NEW, name, "default")
        assert found is not None
        return {
            (each["manager"], each["operation"], each["apiVersion"].rpartition("/")[2])
            for each in found["metadata"]["managedFields"]
        }

    async def hear(self) -> None:
        """Count what the API server has written into its audit log, as if it had sent it."""
        events = [json.loads(line) for line in self.server.audit_log.read_text().splitlines()]
        body = {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": events}
        folded = fold(parse(json.dumps(body).encode()).lines, Recent())
        self.counts.store(CLUSTER, secrets.token_hex(4), folded, now=datetime.now(UTC))


@pytest.fixture
async def world(audited: AuditedApiServer, client: AsyncClient, tmp_path: Path) -> AsyncIterator[World]:
    await install(client)
    for obj in load("user-cluster.yaml"):
        if obj["kind"] in ("ClusterRole", "ClusterRoleBinding"):
            kind = Kind(
                "rbac.authorization.k8s.io", "v1", obj["kind"], f"{obj['kind'].lower()}s", namespaced=False
            )
            await apply(client, kind, obj, field_manager="test")
    for each in (crd("parcels", "Parcel"), crd("crates", "Crate", after={"size": {"type": "string"}})):
        await apply(client, CRD, each, field_manager="test")

    async def served() -> None:
        await list_objects(client, OLD)
        await list_objects(client, OLD_CRATE)

    await persist_served(served)
    namespace = f"project-{await new_project(client)}"
    value = base64.b64encode(json.dumps(_absolute(audited)).encode()).decode()
    secret = {"metadata": {"name": "web-kubeconfig", "namespace": namespace}, "data": {"value": value}}
    await create(client, SECRET, secret, field_manager="test")
    yield World(audited, client, namespace, Counts(engine(tmp_path / "counts.db")), ApisTopic(client))
    for each in await list_objects(client, NEW):
        await delete(client, NEW, each["metadata"]["name"], "default")
    for each in await list_objects(client, OLD_CRATE):
        await delete(client, OLD_CRATE, each["metadata"]["name"], "default")


async def persist_served(served: Any) -> None:
    for _ in range(100):
        try:
            await served()
        except Exception:  # noqa: BLE001 - it is not served yet
            await asyncio.sleep(0.1)
        else:
            return
    await served()


def _absolute(server: AuditedApiServer) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(json.dumps(server.config(server.port)))
    for part in (config["clusters"][0]["cluster"], config["users"][0]["user"]):
        for key in ("certificate-authority", "client-certificate", "client-key"):
            if key in part:
                part[key] = str(server.root / part[key])
    return config


async def test_an_object_written_in_a_deprecated_version_is_found_applied_and_resolved(world: World) -> None:
    text = json.dumps(parcel("box"), separators=(",", ":"))
    annotated = parcel("box")
    annotated["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": f"{text}\n"}
    await create(world.client, OLD, annotated, field_manager="kubectl-client-side-apply")
    await apply(world.client, OLD, parcel("box", size=4), field_manager="deployer")
    before = await get(world.client, NEW, "box", "default")

    found = await world.look()
    mine = [each for each in found if each.subject == "Parcel default/box"]
    assert {each.code for each in mine} == {"applied-deprecated"}
    assert {each.evidence["manager"] for each in mine} == {"kubectl-client-side-apply", "deployer"}
    items = await world.advice("Parcel default/box")
    assert [len(item.spec.change) for item in items] == [1, 1]
    assert "-  - apiVersion: shop.example.com/v1beta1" in items[0].spec.change[0].diff
    await world.apply(items[0])

    assert await world.versions("box") == {
        ("kubectl-client-side-apply", "Update", "v1"),
        ("deployer", "Apply", "v1"),
        ("moorage-advice", "Update", "v1"),
    }
    after = await get(world.client, NEW, "box", "default")
    assert after is not None
    told = json.loads(after["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"])
    assert told == {**parcel("box"), "apiVersion": f"{GROUP}/v1"}
    assert without_bookkeeping(before)["spec"] == without_bookkeeping(after)["spec"]
    # Each goes on to have its fields, in the new version too.
    await apply(world.client, NEW, parcel("box", version="v1", tags={"c": "d"}), field_manager="deployer")
    now = await get(world.client, NEW, "box", "default")
    assert now is not None
    assert now["spec"]["tags"] == {"a": "b", "c": "d"}

    assert not [each for each in await world.look() if each.subject == "Parcel default/box"]
    assert {item.state for item in await world.advice("Parcel default/box")} == {AdviceState.RESOLVED}

    # Whoever goes on to write in the old version is told again.
    await apply(world.client, OLD, parcel("box", size=5), field_manager="deployer")
    assert [each for each in await world.look() if each.subject == "Parcel default/box"]
    assert AdviceState.OPEN in {item.state for item in await world.advice("Parcel default/box")}


async def test_it_is_taken_back_exactly(world: World) -> None:
    await create(world.client, OLD, parcel("crate-1"), field_manager="deployer")
    before, versions = await get(world.client, NEW, "crate-1", "default"), await world.versions("crate-1")
    await world.look()
    [item] = await world.advice("Parcel default/crate-1")
    await world.apply(item)
    assert await world.versions("crate-1") == {("deployer", "Update", "v1")}
    [item] = await world.advice("Parcel default/crate-1")
    assert item.state is AdviceState.APPLIED
    who = Person("admin", world.client, world.client)
    await undo(who, item, now=NOW, progress=lambda _: None)
    assert await world.versions("crate-1") == versions
    after = await get(world.client, NEW, "crate-1", "default")
    assert without_bookkeeping(before) == without_bookkeeping(after)
    assert [each for each in await world.look() if each.subject == "Parcel default/crate-1"]


async def test_what_changes_meanwhile_is_not_overwritten(world: World) -> None:
    await create(world.client, OLD, parcel("moving"), field_manager="deployer")
    await world.look()
    [item] = await world.advice("Parcel default/moving")
    await apply(world.client, NEW, parcel("moving", version="v1", size=9), field_manager="somebody")
    await world.apply(item)
    now = await get(world.client, NEW, "moving", "default")
    assert now is not None
    assert now["spec"] == {"size": 9, "tags": {"a": "b"}, "items": [{"sku": "x"}]}
    await delete(world.client, NEW, "moving", "default")
    with pytest.raises(ApplyError):
        await world.apply(replace_status(item))


def replace_status(item: Advice) -> Advice:
    return item.model_copy(update={"status": None})


async def test_fields_that_are_others_in_the_new_version_are_left_to_a_person(world: World) -> None:
    await create(world.client, OLD_CRATE, parcel("big", kind="Crate"), field_manager="deployer")
    found = [each for each in await world.look() if each.subject == "Crate default/big"]
    assert [each.code for each in found] == ["applied-deprecated"]
    assert found[0].change == ()
    assert "spec.size" in found[0].evidence["conversion"]


async def test_who_calls_is_told_as_soon_as_events_come_in_and_the_metric_only_until_then(
    world: World,
) -> None:
    await create(world.client, OLD, parcel("called"), field_manager="deployer")
    situation = await world.situation()
    first = await world.topic.look(situation)
    assert isinstance(first, Found)
    codes = {each.code for each in first.advice.findings}
    assert "requested-deprecated" in codes
    assert "call-deprecated" not in codes

    await asyncio.sleep(0.5)  # the audit log is written behind the answers
    await world.hear()
    assert world.topic.stirred(await world.situation()) != world.topic.stirred(situation)
    found = (await world.topic.look(await world.situation())).advice.findings  # type: ignore[union-attr]
    calls = [each for each in found if each.code == "call-deprecated" and GROUP in str(each.parts)]
    assert {each.subject for each in calls} == {"User admin"}  # and not of the advisor, which looks, too
    assert "create" in calls[0].evidence["verbs"] + calls[-1].evidence["verbs"]
    assert "requested-deprecated" not in {each.code for each in found}

    later = replace(await world.situation(), now=datetime.now(UTC) + timedelta(days=2))
    over = (await world.topic.look(later)).advice.findings  # type: ignore[union-attr]
    assert not [each for each in over if each.code.startswith("call")]


async def test_the_advisor_may_list_what_goes_and_nothing_else(world: World) -> None:
    await create(world.client, OLD, parcel("right"), field_manager="deployer")
    await world.look()
    role = await get(world.client, CLUSTER_ROLE, ROLE)
    assert role is not None
    rules = {rule["apiGroups"][0]: rule for rule in role["rules"]}
    assert rules[GROUP] == {"apiGroups": [GROUP], "resources": ["crates", "parcels"], "verbs": ["list"]}
    version = role["metadata"]["resourceVersion"]
    situation = await world.situation()
    async with connect(situation.access) as advisor:
        assert await list_objects(advisor, NEW)
        with pytest.raises(Exception, match="cannot list resource"):
            await list_objects(advisor, SECRET)
    await world.look()
    again = await get(world.client, CLUSTER_ROLE, ROLE)
    assert again is not None
    assert again["metadata"]["resourceVersion"] == version  # it is not written again and again
