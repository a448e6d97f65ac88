"""From what API servers send to counts: in any order, twice, cut short, interrupted; the same as one scan."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.advisors.audit import counts as counting
from moorage.advisors.audit import folding
from moorage.advisors.audit.counts import Counts
from moorage.advisors.audit.events import BatchError, parse
from moorage.advisors.audit.folding import Recent, fold
from moorage.advisors.audit.service import Folder
from moorage.advisors.audit.spool import Spool
from moorage.advisors.evidence import DatabaseError, engine
from moorage.advisors.permissions.model import MANY, Request, Usage, Who
from moorage.advisors.permissions.scan import scan

from ..permissions.helpers import NOW, account, event, write

CLUSTER = "web-0123456789"


def body(events: list[Any], **fields: Any) -> bytes:
    content = {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": events}
    return json.dumps({**content, **fields}).encode()


def counts(folder: Path) -> Counts:
    return Counts(engine(folder / "counts.db"))


def shape(usage: Usage) -> dict[Any, Any]:
    """What must be the same, however the events came."""
    return {
        "seen": {key: (seen.count, seen.first, seen.last) for key, seen in usage.seen.items()},
        "denied": usage.denied,
        "events": usage.tally.events,
        "days": usage.days,
    }


WHOS = [account(), account("api"), Who("ada", ("moorage:members", "system:authenticated"))]
EVENTS = st.lists(
    st.builds(
        lambda who, verb, what, name, code, days, stage: event(
            verb, what, who=who, name=name, code=code, days_ago=days, stage=stage
        ),
        st.sampled_from(WHOS),
        st.sampled_from(["get", "list", "create", "patch", "delete"]),
        st.sampled_from(["pods", "pods:log", "apps/deployments", "secrets", "/metrics", "/api%20s?x=1"]),
        st.sampled_from(["", "a", "b", "ü\u2028\x00"]),
        st.sampled_from([200, 201, 404, 403, 401, 409]),
        st.floats(0, 3),
        st.sampled_from(["ResponseComplete", "ResponseComplete", "ResponseStarted", "Panic"]),
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.randoms(use_true_random=False), st.integers(1, 7), st.booleans())
def test_lists_in_any_order_and_more_than_once_count_as_one_scan_of_the_log(
    tmp_path_factory: pytest.TempPathFactory,
    events: list[Any],
    chance: random.Random,
    pieces: int,
    torn: bool,
) -> None:
    """Lists are sent twice, in any order; a process ends in the middle of writing one, and begins again."""
    folder = tmp_path_factory.mktemp("property")
    cuts = sorted(chance.randrange(len(events) + 1) for _ in range(pieces))
    lists = [events[a:b] for a, b in pairwise([0, *cuts, len(events)])]
    sent = lists + chance.sample(lists, chance.randrange(len(lists) + 1))
    chance.shuffle(sent)
    stored, spool = counts(folder), Spool(folder / "spool")
    work = Folder(spool, stored, lambda _: True, clock=lambda: NOW)
    for each in sent:
        batch = parse(body(each))
        if not batch.events:
            continue
        if torn and chance.random() < 0.3:
            # What was being written when the power went: nobody was told that it is kept.
            spool.append([(CLUSTER, batch.lines[: chance.randrange(len(batch.lines))])])
            spool.close()
            spool = Spool(folder / "spool")
            work = Folder(spool, stored, lambda _: True, clock=lambda: NOW)
        spool.append([(CLUSTER, batch.lines)])
        if chance.random() < 0.4:
            work.fold()
    work.fold()
    assert spool.size() == 0
    expected = scan([write(folder / "audit.log", events)], workers=1)
    assert shape(stored.usage(CLUSTER, since=NOW - timedelta(days=9))) == shape(expected)


def test_a_segment_counts_once_though_its_file_comes_back(tmp_path: Path, stored: Counts) -> None:
    spool = Spool(tmp_path / "spool")
    spool.append([(CLUSTER, parse(body([event(), event("list")])).lines)])
    [segment] = spool.cut()
    content = segment.path.read_bytes()
    work = Folder(spool, stored, lambda _: True, clock=lambda: NOW)
    work.fold()
    segment.path.write_bytes(content)  # stored, and killed before the file was removed
    again = Folder(Spool(tmp_path / "spool"), stored, lambda _: True, clock=lambda: NOW)
    again.fold()
    assert stored.usage(CLUSTER, since=NOW).tally.events == 2
    assert not segment.path.exists()


def test_counts_that_could_not_be_stored_are_counted_later_and_are_no_duplicates(
    tmp_path: Path, stored: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path / "spool")
    spool.append([(CLUSTER, parse(body([event(), event("list")])).lines)])
    work = Folder(spool, stored, lambda _: True, clock=lambda: NOW)

    def full(*_: object, **__: object) -> None:
        raise DatabaseError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(stored, "_add_day", full)
        with pytest.raises(DatabaseError):
            work.fold()
    assert stored.clusters() == []  # all or nothing
    assert spool.size() > 0
    work.fold()
    tally = stored.usage(CLUSTER, since=NOW).tally
    assert (tally.events, tally.duplicates) == (2, 0)


def test_duplicates_are_known_again_after_a_restart(tmp_path: Path, stored: Counts) -> None:
    lines = parse(body([event()])).lines
    for _ in range(2):
        spool = Spool(tmp_path / "spool")
        spool.append([(CLUSTER, lines)])
        Folder(spool, stored, lambda _: True, clock=lambda: NOW).fold()
    tally = stored.usage(CLUSTER, since=NOW).tally
    assert (tally.events, tally.duplicates) == (1, 1)


def test_a_request_that_borrows_the_audit_id_of_another_is_still_seen(tmp_path: Path, stored: Counts) -> None:
    """Clients may choose audit IDs: nobody loses a permission by somebody's choice."""
    mine = event("get", "secrets", auditID="a" * 36)
    other = event("list", "pods", auditID="a" * 36)
    spool = Spool(tmp_path / "spool")
    for each in (mine, other):
        spool.append([(CLUSTER, parse(body([each])).lines)])
    Folder(spool, stored, lambda _: True, clock=lambda: NOW).fold()
    requests = {request.resource for _, request, _ in stored.usage(CLUSTER, since=NOW).seen}
    assert requests == {"secrets", "pods"}


def test_very_many_names_are_given_up_over_segments_as_in_one_scan(tmp_path: Path, stored: Counts) -> None:
    events = [event(name=f"pod-{number}") for number in range(200)]
    spool = Spool(tmp_path / "spool")
    work = Folder(spool, stored, lambda _: True, clock=lambda: NOW)
    for at in range(0, 200, 20):
        spool.append([(CLUSTER, parse(body(events[at : at + 20])).lines)])
        work.fold()
    usage = stored.usage(CLUSTER, since=NOW)
    assert {request.name for _, request, _ in usage.seen} == {MANY}
    assert usage.tally.events == 200


@pytest.mark.parametrize("sizes", [(3, 100), (100, 3), (40, 40), (1, 64, 1), (100, 100)])
def test_names_that_a_segment_gives_up_are_given_up_with_those_before(
    tmp_path: Path, stored: Counts, sizes: tuple[int, ...]
) -> None:
    """Each segment is folded by itself: how the events were split makes no difference."""
    events = [event(name=f"pod-{number}") for number in range(sum(sizes))]
    spool = Spool(tmp_path / "spool")
    work = Folder(spool, stored, lambda _: True, clock=lambda: NOW)
    at = 0
    for size in sizes:
        spool.append([(CLUSTER, parse(body(events[at : at + size])).lines)])
        work.fold()
        at += size
    expected = scan([write(tmp_path / "audit.log", events)], workers=1)
    assert shape(stored.usage(CLUSTER, since=NOW - timedelta(days=3))) == shape(expected)


def test_names_that_no_database_takes_for_text_are_counted_too(tmp_path: Path, stored: Counts) -> None:
    """Anybody who may ask may ask for this; it must not stop the counting."""
    odd = "a\x00b\u2028\ud7ff\U0001f980"
    whos = [Who(odd, (odd,)), account()]
    events = [event("get", "pods", who=who, name=odd, namespace=odd) for who in whos]
    events += [event(odd, f"/{odd}"), event("x" * 5000, "pods", code=403, name="y" * 5000)]
    spool = Spool(tmp_path / "spool")
    spool.append([(CLUSTER, parse(body(events)).lines)])
    Folder(spool, stored, lambda _: True, clock=lambda: NOW).fold()
    expected = scan([write(tmp_path / "audit.log", events)], workers=1)
    assert shape(stored.usage(CLUSTER, since=NOW - timedelta(days=3))) == shape(expected)
    assert stored.refused(CLUSTER, since=NOW - timedelta(days=3))


def test_more_users_than_can_be_kept_are_counted_and_said(
    tmp_path: Path, stored: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "ROWS", 5)
    spool = Spool(tmp_path / "spool")
    work = Folder(spool, stored, lambda _: True, clock=lambda: NOW)
    for at in range(0, 8, 2):
        events = [event(who=account(f"a{at + more}"), code=code) for more in (0, 1) for code in (200, 403)]
        spool.append([(CLUSTER, parse(body(events)).lines)])
        work.fold()
    usage = stored.usage(CLUSTER, since=NOW)
    assert (len(usage.seen), len(usage.denied)) == (5, 5)
    assert usage.tally.events == 16
    assert stored.left_out(CLUSTER, since=NOW) == 6
    # Who is known already goes on to be counted.
    spool.append([(CLUSTER, parse(body([event(who=account("a0"))])).lines)])
    work.fold()
    assert stored.left_out(CLUSTER, since=NOW) == 6
    counts_of_a0 = [seen.count for (who, _, _), seen in stored.usage(CLUSTER, since=NOW).seen.items()]
    assert max(counts_of_a0) == 2


def test_what_was_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "REMEMBERED", 100)
    recent = Recent()
    for number in range(50):
        found = fold(parse(body([event(auditID=f"{number}-{at}") for at in range(10)])).lines, recent)
        recent.add(found.digests)
    assert len(recent) <= 100


def test_refusals_are_kept_with_what_was_asked_for(tmp_path: Path, stored: Counts) -> None:
    def refused(name: str, days_ago: float) -> dict[str, Any]:
        annotations = {"authorization.k8s.io/decision": "forbid"}
        return event("delete", "pods", name=name, code=403, days_ago=days_ago, annotations=annotations)

    by_quota = event("create", "pods", code=403, annotations={"authorization.k8s.io/decision": "allow"})
    spool = Spool(tmp_path / "spool")
    work = Folder(spool, stored, lambda _: True, clock=lambda: NOW)
    events = [refused("old", 0.9), refused("new", 0.1), refused("new", 0.2), by_quota]
    spool.append([(CLUSTER, parse(body(events)).lines)])
    work.fold()
    before = stored.signals()[CLUSTER].denials
    [found] = stored.refused(CLUSTER, since=NOW - timedelta(days=0.5))
    assert found.who == account()
    [denial] = found.denials
    assert denial.request == Request("delete", "", "pods", "", "shop", "new")
    assert denial.count == 2
    spool.append([(CLUSTER, parse(body([event()])).lines)])
    work.fold()
    assert stored.signals()[CLUSTER].denials == before
    spool.append([(CLUSTER, parse(body([refused("again", 0)])).lines)])
    work.fold()
    assert stored.signals()[CLUSTER].denials == before + 1


@pytest.mark.parametrize(
    ("told", "changes"),
    [
        (event("patch", "rbac.authorization.k8s.io/roles", name="web"), 1),
        (event("delete", "rbac.authorization.k8s.io/clusterrolebindings", name="web"), 1),
        (event("create", "serviceaccounts", name="web", code=201), 1),
        (event("create", "serviceaccounts:token", name="web", code=201), 0),
        (event("get", "rbac.authorization.k8s.io/roles", name="web"), 0),
        (event("patch", "rbac.authorization.k8s.io/roles", name="web", code=409), 0),
        (event("patch", "apps/deployments", name="web"), 0),
    ],
)
def test_it_is_noticed_when_grants_change(
    tmp_path: Path, stored: Counts, told: dict[str, Any], changes: int
) -> None:
    spool = Spool(tmp_path / "spool")
    spool.append([(CLUSTER, parse(body([told])).lines)])
    Folder(spool, stored, lambda _: True, clock=lambda: NOW).fold()
    assert stored.signals()[CLUSTER].changes == changes


def test_old_days_go_and_the_users_of_whom_nothing_is_left(tmp_path: Path, stored: Counts) -> None:
    spool = Spool(tmp_path / "spool")
    moments = iter([NOW - timedelta(days=100), NOW])
    for who in (account("gone"), account("here")):
        spool.append([(CLUSTER, parse(body([event(who=who)])).lines)])
        at = next(moments)
        Folder(spool, stored, lambda _: True, clock=lambda at=at: at).fold()
    stored.prune(now=NOW, keep=timedelta(days=92))
    usage = stored.usage(CLUSTER, since=NOW - timedelta(days=365))
    assert {who.name for who, _, _ in usage.seen} == {account("here").name}
    with stored._database.connect() as connection:
        users = connection.exec_driver_sql("SELECT count(*) FROM audit_user").scalar()
    assert users == 1


def test_a_cluster_that_is_gone_leaves_nothing(tmp_path: Path, stored: Counts) -> None:
    spool = Spool(tmp_path / "spool")
    there = {CLUSTER, "other"}
    work = Folder(spool, stored, there.__contains__, clock=lambda: NOW)
    for cluster in sorted(there):
        spool.append([(cluster, parse(body([event()])).lines)])
    work.fold()
    spool.append([(CLUSTER, parse(body([event()])).lines)])
    there.remove(CLUSTER)
    assert work.tidy() == [CLUSTER]
    assert stored.clusters() == ["other"]
    assert not stored.usage(CLUSTER, since=NOW).seen
    assert not (tmp_path / "spool" / CLUSTER).exists()
    work.fold()
    assert stored.clusters() == ["other"]


def test_what_is_no_event_costs_the_others_of_its_list_nothing() -> None:
    batch = parse(body([event(), {"stage": 5}, "nonsense", None, event("list")]))
    assert (batch.events, batch.broken) == (2, 3)
    assert batch.problem


def test_only_what_advice_needs_is_kept() -> None:
    told = event(
        "create",
        "pods",
        requestURI="/api/v1/namespaces/shop/pods?dryRun=All",
        sourceIPs=["10.0.0.1"],
        userAgent="kubectl",
        requestObject={"spec": {"secret": "hunter2"}},
        responseObject={"spec": {"secret": "hunter2"}},
        futureField={"a": 1},
    )
    lines = parse(body([told], futureField=1)).lines
    assert b"hunter2" not in lines
    assert b"10.0.0.1" not in lines
    assert b"dryRun" not in lines


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff\xfe",
        b"null",
        body([], kind="PodList"),
        body([], apiVersion="v1"),
        body([])[:-1],
        b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":{"a":1}}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_list_of_events_is_refused(text: bytes) -> None:
    with pytest.raises(BatchError):
        parse(text)


def test_a_time_without_events_is_known_to_be_one(stored: Counts) -> None:
    since = datetime(2026, 11, 1, 12, tzinfo=UTC)
    stored.enter(CLUSTER, now=since)
    stored.enter(CLUSTER, now=since + timedelta(days=1))
    assert stored.signals()[CLUSTER].since == since
