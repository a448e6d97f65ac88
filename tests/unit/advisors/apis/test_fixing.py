"""One change for each object, with everything in it that goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from moorage.advisors.apis.files import read_files
from moorage.advisors.apis.fixing import Fixes, replaced, value_at
from moorage.advisors.apis.mechanical import Conversion
from moorage.advisors.apis.model import How, Seen, Sighting
from moorage.advisors.apis.plan import plan
from moorage.advisors.apis.table import read_changes, table

from .helpers import AHEAD

BOTH = """\
apiVersion: batch/v1beta1
kind: CronJob
metadata:
  name: report
  ownerReferences:
  - {apiVersion: extensions/v1beta1, kind: Deployment, name: x, uid: y}
spec: {schedule: "@daily"}
"""
HOOK = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: guard}
webhooks:
- name: a.example.com
  rules:
  - {apiGroups: [policy], apiVersions: [v1beta1], resources: [poddisruptionbudgets]}
- name: b.example.com
  rules:
  - {apiGroups: [extensions], apiVersions: [v1beta1], resources: [ingresses]}
"""
HOLDER = """\
apiVersion: example.com/v1
kind: Holder
metadata: {name: all}
spec:
  cron: {apiVersion: batch/v1beta1, kind: CronJob, metadata: {name: a}, spec: {schedule: "@daily"}}
  ingress: {apiVersion: extensions/v1beta1, kind: Ingress, spec: {backend: {serviceName: web}}}
"""


def seen_in(folder: Path, text: str) -> Seen:
    (folder / "a.yaml").write_text(text)
    return read_files([str(folder)], table())


def by_schema(sightings: Iterable[Sighting]) -> Fixes:
    fixes = Fixes(sightings, read_changes())
    fixes.by_schema()
    return fixes


def test_all_that_goes_in_an_object_is_one_change(tmp_path: Path) -> None:
    seen = seen_in(tmp_path, BOTH)
    advice = plan(seen, AHEAD, table(), convert=by_schema(seen.sightings))
    assert [finding.code for finding in advice.findings] == ["manifest-removed", "reference-removed"]
    first, second = (finding.change for finding in advice.findings)
    assert first == second
    [change] = first
    assert change.content["apiVersion"] == "batch/v1"
    assert change.content["metadata"]["ownerReferences"][0]["apiVersion"] == "apps/v1"
    assert seen.sightings[0].content is not None
    assert seen.sightings[0].content["apiVersion"] == "batch/v1beta1", "what was read is not changed"


def test_a_rule_of_admission_gets_the_version_that_stays(tmp_path: Path) -> None:
    seen = seen_in(tmp_path, HOOK)
    fixes = by_schema(seen.sightings)
    budgets, ingresses = seen.sightings
    found = fixes(budgets)
    assert found is not None
    assert found.content is not None
    assert found.content["webhooks"][0]["rules"][0]["apiVersions"] == ["v1beta1", "v1"]
    assert found.attention
    other = fixes(ingresses)
    assert other is not None
    assert other.content is None
    assert "a rule of its own" in other.ground


def test_an_object_in_an_object_is_converted_where_that_is_mechanical(tmp_path: Path) -> None:
    seen = seen_in(tmp_path, HOLDER)
    cron, ingress = sorted(seen.sightings, key=lambda each: each.field)
    fixes = by_schema(seen.sightings)
    found = fixes(cron)
    assert found is not None
    assert found.content is not None
    assert found.content["spec"]["cron"]["apiVersion"] == "batch/v1"
    assert found.content["spec"]["ingress"]["apiVersion"] == "extensions/v1beta1"
    other = fixes(ingress)
    assert other is not None
    assert other.content is None
    assert "spec.backend is gone" in other.ground


async def test_a_server_gets_what_is_in_it_changed_already(tmp_path: Path) -> None:
    seen = seen_in(tmp_path, BOTH)
    given: list[Any] = []

    async def server(
        sightings: Iterable[Sighting], by_schema: Callable[[Sighting], Conversion]
    ) -> Mapping[int, Conversion]:
        given.extend(each.content for each in sightings)
        return {
            id(each): Conversion(
                {**(each.content or {}), "apiVersion": "batch/v1", "by": "server"}, "it says so"
            )
            for each in sightings
        }

    fixes = Fixes(seen.sightings, read_changes())
    await fixes.by_server(server)
    assert given[0]["metadata"]["ownerReferences"][0]["apiVersion"] == "apps/v1"
    for each in seen.sightings:
        found = fixes(each)
        assert found is not None
        assert found.content is not None
        assert found.content["by"] == "server"
        assert found.content["metadata"]["ownerReferences"][0]["apiVersion"] == "apps/v1"


def test_what_takes_a_person_is_left_and_the_rest_is_changed(tmp_path: Path) -> None:
    text = BOTH.replace("batch/v1beta1", "extensions/v1beta1").replace("CronJob", "Ingress")
    seen = seen_in(tmp_path, text.replace('schedule: "@daily"', "backend: {serviceName: web}"))
    fixes = by_schema(seen.sightings)
    changes = {each.how: fixes(each) for each in seen.sightings}
    written, named = changes[How.WRITTEN], changes[How.NAMED]
    assert written is not None
    assert written.content is None
    assert named is not None
    assert named.content is not None
    assert named.content["apiVersion"] == "extensions/v1beta1"


def test_a_value_at_a_path_is_replaced_in_a_copy() -> None:
    before = {"a": [{"b": 1}, {"b": 2}], "c": 3}
    after = replaced(before, ("a", 1, "b"), 5)
    assert (value_at(before, ("a", 1, "b")), value_at(after, ("a", 1, "b"))) == (2, 5)
    assert after == {"a": [{"b": 1}, {"b": 5}], "c": 3}
