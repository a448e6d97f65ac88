"""What holds for any RBAC and any traffic."""

from __future__ import annotations

import json
import random
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moorage.advisors.advice import Advice
from moorage.advisors.permissions.evaluate import allows
from moorage.advisors.permissions.model import Request, Usage, Who
from moorage.advisors.permissions.plan import Wanted, plan
from moorage.advisors.permissions.scan import scan

from .helpers import (
    BACKGROUND,
    GROUPS,
    NAMES,
    NAMESPACES,
    NOW,
    PATHS,
    REQUESTS,
    RESOURCES,
    SUBRESOURCES,
    USERS,
    VERBS,
    applied,
    event_of,
    lines,
    rbac,
    worlds,
)

Traffic = list[tuple[Who, Request]]
TRAFFIC = st.lists(st.tuples(st.sampled_from(USERS), REQUESTS), max_size=12)
EVERY_REQUEST = [
    Request(verb, group, resource, subresource, namespace, name)
    for verb, group, resource, subresource, namespace, name in product(
        VERBS, GROUPS, (*RESOURCES, "jobs"), SUBRESOURCES, ("", *NAMESPACES), (*NAMES, "c")
    )
] + [Request(verb, path=path) for verb, path in product(("get", "post"), (*PATHS, "/other"))]


def _read(text: str) -> Usage:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "audit.log")
        path.write_text(text)
        return scan([str(path)], workers=1)


def _advise(objects: list[dict[str, Any]], text: str) -> Advice:
    return plan(_read(text), rbac(*objects), Wanted(), now=NOW)


def _events(traffic: Traffic) -> list[dict[str, Any]]:
    return [*BACKGROUND, *(event_of(who, request) for who, request in traffic)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds(), TRAFFIC, st.randoms(use_true_random=False))
def test_whichever_changes_are_carried_out_nothing_used_is_lost_and_nothing_is_new(
    objects: list[dict[str, Any]], traffic: Traffic, rnd: random.Random
) -> None:
    before = rbac(*objects)
    traffic = [(who, request) for who, request in traffic if allows(before, who, request)]
    findings = list(_advise(objects, lines(_events(traffic))).findings)
    rnd.shuffle(findings)
    for chosen in (findings, findings[: len(findings) // 2]):
        after = rbac(*applied(objects, chosen))
        lost = [(who, request) for who, request in traffic if not allows(after, who, request)]
        assert not lost
        new = [
            (who.name, request)
            for who in USERS
            for request in EVERY_REQUEST
            if allows(after, who, request) and not allows(before, who, request)
        ]
        assert not new


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds(), TRAFFIC)
def test_when_the_advice_is_followed_there_is_no_more_to_change(
    objects: list[dict[str, Any]], traffic: Traffic
) -> None:
    text = lines(_events(traffic))
    after = applied(objects, _advise(objects, text).findings)
    assert [finding.summary for finding in _advise(after, text).findings if finding.change] == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds(), TRAFFIC, st.randoms(use_true_random=False))
def test_a_shuffled_duplicated_and_broken_log_changes_nothing_but_counts(
    objects: list[dict[str, Any]], traffic: Traffic, rnd: random.Random
) -> None:
    events = _events(traffic)
    other = [json.dumps(each) for each in events + rnd.choices(events, k=5)]
    rnd.shuffle(other)
    other.insert(rnd.randrange(len(other)), other[0][: rnd.randrange(1, len(other[0]))])
    shuffled = list(objects)
    rnd.shuffle(shuffled)
    one, two = _advise(objects, lines(events)), _advise(shuffled, "\n".join(other) + "\n" + other[0][:40])
    assert [_what(each) for each in one.findings] == [_what(each) for each in two.findings]
    assert two.facts["events"] == one.facts["events"] == len(events)
    assert two.facts["corruptLines"] + two.facts["foreignLines"] == 1
    assert two.facts["duplicates"] == 5


def _what(finding: Any) -> tuple[Any, ...]:
    return finding.identity(), finding.severity, finding.summary, finding.change, finding.evidence["requests"]
