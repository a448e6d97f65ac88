"""Audit logs: who calls, since when, how often; and what broken logs change."""

from __future__ import annotations

import gzip
import json
import random
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.advisors.apis import counting
from moorage.advisors.apis.calls import caller, read_calls
from moorage.advisors.apis.model import Seen
from moorage.advisors.apis.plan import plan
from moorage.advisors.apis.table import State
from moorage.advisors.auditlogs.logs import LogError

from .helpers import AHEAD, TABLE, event, lines


def read(text: str | bytes, **options: Any) -> Seen:
    with TemporaryDirectory() as folder:
        log = Path(folder, "audit.log")
        log.write_bytes(text.encode() if isinstance(text, str) else text)
        return read_calls([str(log)], TABLE, **options)


def test_a_caller_is_found_with_what_there_is_to_know() -> None:
    seen = read(lines([event(1), event(2, verb="list"), event(9, responseStatus={"code": 404})]))
    [found] = seen.sightings
    assert found.thing == "ServiceAccount shop/web"
    assert str(found.api.name) == "batch/v1beta1 CronJob"
    assert found.evidence == {
        "userAgent": "web/1.0",
        "requests": 3,
        "since": "2026-10-02T00:00:00.000000Z",
        "last": "2026-10-10T00:00:00.000000Z",
        "verbs": ["get", "list"],
        "namespaces": ["shop"],
        "notFound": 1,
        "window": {"from": "2026-10-02T00:00:00.000000Z", "to": "2026-10-10T00:00:00.000000Z"},
    }
    [finding] = plan(seen, AHEAD, TABLE).findings
    assert (finding.code, finding.subject) == ("call-removed", "ServiceAccount shop/web")


def test_callers_programs_and_versions_are_told_apart() -> None:
    other = {"resource": "poddisruptionbudgets", "apiGroup": "policy", "apiVersion": "v1beta1"}
    events = [
        event(1),
        event(2, user={"username": "jane"}),
        event(3, userAgent="web/2.0"),
        event(4, objectRef=other),
        event(5, objectRef={**other, "apiVersion": "v1"}),
        event(6, objectRef=None),
    ]
    assert {
        (each.thing, each.who, each.api.name.version, each.api.resource)
        for each in read(lines(events)).sightings
    } == {
        ("ServiceAccount shop/web", "web/1.0", "v1beta1", "cronjobs"),
        ("User jane", "web/1.0", "v1beta1", "cronjobs"),
        ("ServiceAccount shop/web", "web/2.0", "v1beta1", "cronjobs"),
        ("ServiceAccount shop/web", "web/1.0", "v1beta1", "poddisruptionbudgets"),
    }


def test_whoever_is_impersonated_is_the_caller() -> None:
    [found] = read(lines([event(1, impersonatedUser={"username": "jane"})])).sightings
    assert found.thing == "User jane"


def test_what_the_api_server_calls_deprecated_counts_although_the_table_has_it_not() -> None:
    ref = {"resource": "gadgets", "apiGroup": "example.io", "apiVersion": "v1beta1"}
    told = {"k8s.io/deprecated": "true", "k8s.io/removed-release": "1.39"}
    [found] = read(lines([event(1, objectRef=ref, annotations=told)])).sightings
    assert str(found.api.name) == "example.io/v1beta1 gadgets"
    assert found.api.removed == (1, 39)
    assert found.api.state(AHEAD) is State.DEPRECATED
    [finding] = plan(Seen((found,)), AHEAD, TABLE).findings
    assert "deprecated and removed in Kubernetes 1.39" in finding.summary
    [silent] = read(lines([event(1, objectRef=ref, annotations={"k8s.io/deprecated": "true"})])).sightings
    assert silent.api.removed is None


def test_parts_of_kubernetes_are_left_alone_and_said_so() -> None:
    events = [
        event(1, user={"username": "system:kube-controller-manager"}),
        event(2, user={"username": "system:node:a"}),
        event(
            3,
            user={"username": "system:serviceaccount:kube-system:cronjob-controller"},
            userAgent="kube-controller-manager/v1.24.0",
        ),
        event(4, user={"username": "system:serviceaccount:kube-system:addon"}),
    ]
    seen = read(lines(events))
    assert [each.thing for each in seen.sightings] == ["ServiceAccount kube-system/addon"]
    assert any("3 requests by parts of Kubernetes" in note for note in seen.notes)


def test_a_watch_that_has_not_ended_is_seen() -> None:
    [found] = read(lines([event(1, stage="ResponseStarted", verb="watch")])).sightings
    assert found.evidence["requests"] == 0
    assert found.evidence["last"]
    assert read(lines([event(1, stage="RequestReceived")])).sightings == ()


def test_corrupt_and_foreign_lines_are_counted_told_and_skipped() -> None:
    text = f'{lines([event(1)])}{{"broken\nnonsense\n{{"kind": "Other"}}\n\n{lines([event(2)])}'
    seen = read(text)
    assert seen.sightings[0].evidence["requests"] == 2
    assert (seen.facts["corruptLines"], seen.facts["foreignLines"]) == (2, 1)
    assert any("skipped 2 lines of the log that cannot be read" in note for note in seen.notes)
    assert seen.unread == ()


def test_a_user_that_cannot_be_read_is_counted() -> None:
    seen = read(lines([event(1), event(2, user=7)]))
    assert seen.facts["corruptLines"] == 1
    assert seen.sightings[0].evidence["requests"] == 1


def test_a_log_without_any_event_is_no_pass() -> None:
    assert read("{}\n").unread
    assert read("").unread


def test_what_log_services_wrap_is_read() -> None:
    wrapped = (
        json.dumps({"log": json.dumps(event(1))}) + "\n" + json.dumps({"items": [event(2), event(3)]}) + "\n"
    )
    assert read(wrapped).sightings[0].evidence["requests"] == 3


def test_gzip_folders_and_rotated_files_are_read_once(tmp_path: Path) -> None:
    (tmp_path / "audit.log").write_text(lines([event(1)]))
    (tmp_path / "audit-1.log.gz").write_bytes(gzip.compress(lines([event(2), event(1)]).encode()))
    seen = read_calls([str(tmp_path), str(tmp_path / "audit.log")], TABLE)
    assert seen.sightings[0].evidence["requests"] == 2
    assert seen.facts["duplicates"] == 1
    with pytest.raises(LogError):
        read_calls([str(tmp_path / "none")], TABLE)


def test_too_many_user_agents_are_not_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MOST", 3)
    seen = read(lines(event(n, userAgent=f"web/{n}") for n in range(50)))
    assert len(seen.sightings) == 4
    assert sum(each.evidence["requests"] for each in seen.sightings) == 50


@pytest.mark.parametrize("workers", [1, 3])
def test_all_processes_together_see_what_one_sees(tmp_path: Path, workers: int) -> None:
    for number in range(8):
        some = [event(number * 100 + n, userAgent=f"web/{n % 3}") for n in range(100)]
        (tmp_path / f"{number}.log").write_text(lines(some))
    seen = read_calls([str(tmp_path)], TABLE, workers=workers)
    assert seen.facts["requests"] == 800
    assert sorted(each.evidence["requests"] for each in seen.sightings) == [264, 264, 272]


@st.composite
def logs(draw: st.DrawFn) -> list[dict[str, Any]]:
    numbers = draw(st.lists(st.integers(0, 40), min_size=1, max_size=30, unique=True))
    return [
        event(
            number,
            verb=draw(st.sampled_from(["get", "list", "watch"])),
            userAgent=draw(st.sampled_from(["a", "b", ""])),
            user={"username": draw(st.sampled_from(["jane", "system:serviceaccount:shop:web"]))},
        )
        for number in numbers
    ]


def without_counts(seen: Seen) -> list[Any]:
    return [
        replace(each, evidence={key: each.evidence[key] for key in ("userAgent", "verbs", "namespaces")})
        for each in seen.sightings
    ]


@settings(deadline=None)
@given(logs(), st.randoms(use_true_random=False))
def test_order_and_duplicates_change_nothing(events: list[dict[str, Any]], rnd: random.Random) -> None:
    shuffled = [*events, *rnd.sample(events, len(events) // 2)]
    rnd.shuffle(shuffled)
    first, second = read(lines(events)), read(lines(shuffled))
    assert first.sightings == second.sightings
    assert second.facts["duplicates"] == len(events) // 2


@settings(deadline=None)
@given(logs(), st.lists(st.sampled_from(["{", "x", "[1,", '{"kind": 1}', "\x00"]), max_size=6), st.data())
def test_corrupt_lines_change_only_counts(
    events: list[dict[str, Any]], rubbish: list[str], data: st.DataObject
) -> None:
    mixed = [json.dumps(each) for each in events]
    for each in rubbish:
        mixed.insert(data.draw(st.integers(0, len(mixed))), each)
    mixed.append(json.dumps(events[0]))  # the last line is whole
    first, second = read(lines(events)), read("".join(f"{line}\n" for line in mixed))
    assert first.sightings == second.sightings
    assert second.facts["corruptLines"] + second.facts["foreignLines"] == len(rubbish)


@settings(deadline=None)
@given(logs(), st.floats(0, 1))
def test_a_log_that_is_cut_off_says_less_and_nothing_else(events: list[dict[str, Any]], part: float) -> None:
    text = lines(events)
    cut = read(text[: int(len(text) * part)])
    whole = {(each.thing, each.who, each.api.name) for each in read(text).sightings}
    assert {(each.thing, each.who, each.api.name) for each in cut.sightings} <= whole
    assert cut.facts["corruptLines"] == 0


def test_callers_are_called_as_people_know_them() -> None:
    assert caller("system:serviceaccount:shop:web") == "ServiceAccount shop/web"
    assert caller("") == "User (nobody)"


@pytest.mark.parametrize(
    ("username", "is_told"),
    [
        ("moorage:member-ada-fdee430d", True),
        ("moorage:advisor", False),
        ("moorage:gatekeeper", False),
        ("system:node:one", False),
        ("system:serviceaccount:kube-system:cilium", True),
    ],
)
def test_parts_of_the_platform_are_left_alone_and_its_members_are_not(username: str, is_told: bool) -> None:
    seen = read(lines([event(1, user={"username": username})]))
    assert bool(seen.sightings) is is_told
    assert bool(seen.notes) is not is_told
