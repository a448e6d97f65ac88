"""What a live cluster has, without one: releases, metrics, managed fields, CRDs."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest

from moorage.advisors.apis import applied
from moorage.advisors.apis.cluster import wanted
from moorage.advisors.apis.crds import apis_of, stored
from moorage.advisors.apis.metrics import read_metrics
from moorage.advisors.apis.model import How
from moorage.advisors.apis.releases import BrokenReleaseError, decode, read_releases
from moorage.advisors.apis.table import State, table

from .helpers import AHEAD, TABLE

CRON: dict[str, Any] = {
    "apiVersion": "batch/v1beta1",
    "kind": "CronJob",
    "metadata": {"name": "report", "namespace": "shop"},
    "spec": {"schedule": "@daily"},
}


def release(
    *objects: Any,
    name: str = "web",
    revision: int = 1,
    status: str = "deployed",
    kind: str = "Secret",
    hooks: Any = (),
) -> dict[str, Any]:
    told = {
        "name": name,
        "namespace": "shop",
        "version": revision,
        "info": {"status": status},
        "chart": {"metadata": {"name": "shop", "version": "1.0"}},
        "manifest": "\n---\n".join(json.dumps(each) for each in objects),
        "hooks": [{"manifest": json.dumps(each)} for each in hooks],
    }
    text = base64.b64encode(gzip.compress(json.dumps(told).encode()))
    if kind == "Secret":
        text = base64.b64encode(text)
    return {"kind": kind, "metadata": {"name": f"{name}.v{revision}"}, "data": {"release": text.decode()}}


@pytest.mark.parametrize("kind", ["Secret", "ConfigMap"])
def test_a_release_is_read_as_helm_stores_it(kind: str) -> None:
    found = decode(release(CRON, kind=kind, revision=7, hooks=[CRON]))
    assert (str(found), found.revision, found.chart) == ("Helm release shop/web", 7, "shop 1.0")
    assert found.manifest.count("batch/v1beta1") == 2


def test_what_a_release_has_installed_is_found_with_the_release() -> None:
    [found] = read_releases([release(CRON, {**CRON, "apiVersion": "batch/v1"})], TABLE).sightings
    assert (found.how, found.thing) == (How.RELEASED, "CronJob shop/report")
    assert found.evidence == {"release": "web", "revision": 1, "status": "deployed", "chart": "shop 1.0"}
    assert str(found.location) == "Helm release shop/web, CronJob shop/report"


def test_only_what_is_deployed_and_what_is_newest_count() -> None:
    current = {**CRON, "apiVersion": "batch/v1"}
    upgraded = read_releases([release(CRON, revision=1), release(current, revision=2)], TABLE)
    assert (upgraded.sightings, upgraded.facts) == ((), {"helmReleases": 1})
    failed = [release(CRON, revision=2), release(current, revision=3, status="failed")]
    assert len(read_releases(failed, TABLE).sightings) == 1


@pytest.mark.parametrize("data", [None, {}, {"release": "!"}, {"release": base64.b64encode(b"x").decode()}])
def test_what_is_no_release_is_said(data: Any) -> None:
    content = {"kind": "Secret", "metadata": {"name": "a"}, "data": data}
    with pytest.raises(BrokenReleaseError):
        decode(content)
    [problem] = read_releases([content], TABLE).unread
    assert "Secret a" in problem


def test_a_release_that_is_cut_off_is_said() -> None:
    whole = release(CRON)
    packed = base64.b64decode(base64.b64decode(whole["data"]["release"]))
    whole["data"]["release"] = base64.b64encode(base64.b64encode(packed[:-20])).decode()
    with pytest.raises(BrokenReleaseError):
        decode(whole)


def test_the_metric_is_read() -> None:
    text = """\
# HELP apiserver_requested_deprecated_apis [STABLE] Gauge of deprecated APIs that have been requested
# TYPE apiserver_requested_deprecated_apis gauge
apiserver_requested_deprecated_apis{group="batch",removed_release="1.25",resource="cronjobs",subresource="",version="v1beta1"} 1
apiserver_requested_deprecated_apis{group="batch",removed_release="1.25",resource="cronjobs",subresource="status",version="v1beta1"} 1
apiserver_requested_deprecated_apis{group="",removed_release="",resource="things",subresource="",version="v1"} 1
apiserver_requested_deprecated_apis{group="policy",removed_release="1.25",resource="poddisruptionbudgets",subresource="",version="v1beta1"} 0
apiserver_request_total{group="batch",version="v1beta1",resource="cronjobs"} 5
"""  # noqa: E501 - as it is
    found = list(read_metrics(text, TABLE))
    assert [(each.thing, str(each.api.name)) for each in found] == [
        ("cronjobs.v1beta1.batch", "batch/v1beta1 CronJob"),
        ("cronjobs.v1beta1.batch/status", "batch/v1beta1 CronJob"),
        ("things.v1", "v1 things"),
    ]
    assert found[2].api.state(AHEAD) is State.DEPRECATED


def entry(manager: str, version: str, **fields: Any) -> dict[str, Any]:
    return {
        "manager": manager,
        "apiVersion": version,
        "operation": "Apply",
        "time": "2026-10-01T00:00:00Z",
        **fields,
    }


def live(*entries: dict[str, Any], last: Any = None) -> dict[str, Any]:
    metadata = {"name": "report", "namespace": "shop", "managedFields": list(entries)}
    if last is not None:
        text = last if isinstance(last, str) else json.dumps(last)
        metadata["annotations"] = {applied.LAST_APPLIED: text}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata}


def test_who_wrote_an_object_in_a_version_that_goes_is_found() -> None:
    content = live(
        entry("flux", "batch/v1beta1"), entry("helm", "batch/v1"), entry("kubelet", "batch/v1beta1")
    )
    [found] = applied.look(content, TABLE)
    assert (found.how, found.who, found.content) == (How.APPLIED, "flux", None)
    assert found.evidence["time"] == "2026-10-01T00:00:00Z"


def test_what_kubectl_has_applied_is_known_whole_and_told_once() -> None:
    content = live(entry(applied.CLIENT_SIDE, "batch/v1beta1", operation="Update"), last=CRON)
    [found] = applied.look(content, TABLE)
    assert (found.who, found.content) == (applied.CLIENT_SIDE, CRON)
    assert found.evidence["time"] == "2026-10-01T00:00:00Z"


@pytest.mark.parametrize("last", ["", "{", "[]", "{}", '{"apiVersion": 1, "kind": "CronJob"}'])
def test_an_annotation_that_says_nothing_is_nothing(last: str) -> None:
    assert list(applied.look(live(last=last), TABLE)) == []


def crd(*versions: dict[str, Any], stored: list[str]) -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [{"served": True, "storage": False, **each} for each in versions],
        },
        "status": {"storedVersions": stored},
    }


@pytest.mark.parametrize(
    ("old", "state"),
    [
        ({"served": False}, State.REMOVED),
        ({"deprecated": True}, State.DEPRECATED),
        ({"served": False, "deprecated": True}, State.REMOVED),
        ({}, None),
    ],
)
def test_a_version_that_is_still_stored_and_goes_is_found(old: dict[str, Any], state: State | None) -> None:
    widgets = crd({"name": "v1beta1", **old}, {"name": "v1", "storage": True}, stored=["v1beta1", "v1"])
    known = TABLE.extended(apis_of([widgets]))
    found = list(stored([widgets], known))
    assert [each.api.state(AHEAD) for each in found] == ([state] if state else [])
    if found:
        assert str(found[0].api.replacement) == "example.com/v1 Widget"


def test_a_version_in_which_nothing_is_stored_any_more_is_none() -> None:
    widgets = crd({"name": "v1beta1", "served": False}, {"name": "v1", "storage": True}, stored=["v1"])
    assert list(stored([widgets], TABLE.extended(apis_of([widgets])))) == []


def test_only_resources_that_may_tell_something_are_looked_through() -> None:
    served = {
        "pods",
        "deployments.apps",
        "cronjobs.batch",
        "events",
        "events.events.k8s.io",
        "widgets.example.com",
    }
    assert wanted(served, table()) == ["cronjobs.batch", "deployments.apps"]
