"""Who calls versions that go: counted of what API servers send, in any order, once."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.advisors.apis.calls import read_calls
from moorage.advisors.apis.counting import Call, Times
from moorage.advisors.apis.table import table
from moorage.advisors.applying.record import FIELD_MANAGER
from moorage.advisors.audit import called, schema
from moorage.advisors.audit.counts import Counts
from moorage.advisors.audit.events import FOLLOWED, parse
from moorage.advisors.audit.folding import Recent, fold
from moorage.advisors.audit.service import Folder
from moorage.advisors.audit.spool import Spool
from moorage.advisors.evidence import engine, migrate
from moorage.advisors.permissions.model import Who

from ..permissions.helpers import NOW, account, event, write

CLUSTER = "web-0123456789"
LONG_AGO = NOW - timedelta(days=80)
ANNOTATED = {"k8s.io/deprecated": "true", "k8s.io/removed-release": "1.99"}
WIDGETS = Call("example.com", "v1beta1", "widgets", account().name, "deployer/1.0", "1.99")


def call(
    verb: str = "create",
    what: str = "example.com/widgets",
    *,
    version: str = "v1beta1",
    agent: str = "deployer/1.0",
    annotations: dict[str, str] | None = ANNOTATED,
    **fields: Any,
) -> dict[str, Any]:
    found = event(verb, what, userAgent=agent, annotations=annotations or {}, **fields)
    found["objectRef"]["apiVersion"] = version
    return found


def body(events: list[Any]) -> bytes:
    content = {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": events}
    return json.dumps(content).encode()


class Receiving:
    """A receiver without a network: what is sent is spooled and counted."""

    def __init__(self, folder: Path, counts: Counts) -> None:
        self.counts, self.spool = counts, Spool(folder / "spool")
        self.folder = Folder(self.spool, counts, lambda _: True, clock=lambda: NOW)

    def take(self, *events: Any) -> None:
        self.spool.append([(CLUSTER, parse(body(list(events))).lines)])
        self.folder.fold()

    def calls(self, *, days: float = 80) -> dict[Call, Times]:
        return self.counts.calls(CLUSTER, since=NOW - timedelta(days=days))

    @property
    def news(self) -> int:
        return self.counts.signals()[CLUSTER].deprecated


@pytest.fixture
def receiving(tmp_path: Path, stored: Counts) -> Receiving:
    return Receiving(tmp_path, stored)


def test_calls_of_versions_that_go_are_counted_by_caller_and_program(receiving: Receiving) -> None:
    receiving.take(
        call(), call("patch", days_ago=2), call(agent="kubectl/1.37"), call(who=account("api"), code=404)
    )
    receiving.take(call(days_ago=3, namespace="bank"))
    found = receiving.calls()
    assert {(each.username, each.agent): times.count for each, times in found.items()} == {
        (account().name, "deployer/1.0"): 3,
        (account().name, "kubectl/1.37"): 1,
        (account("api").name, "deployer/1.0"): 1,
    }
    times = found[WIDGETS]
    assert (times.first[:10], times.last[:10]) == ("2026-10-29", "2026-10-31")
    assert (times.verbs, times.namespaces) == ({"create", "patch"}, {"shop", "bank"})
    assert [times.failed for each, times in found.items() if each.username == account("api").name] == [1]


def test_what_the_table_knows_is_counted_though_the_api_server_does_not_say_so_yet(
    receiving: Receiving,
) -> None:
    old = {"what": "resource.k8s.io/resourceclaims", "version": "v1beta1", "annotations": None}
    receiving.take(call(**old), call(**{**old, "version": "v1"}), event("get", "/metrics"))
    assert [(each.group, each.version) for each in receiving.calls()] == [("resource.k8s.io", "v1beta1")]


def test_of_other_requests_neither_program_nor_version_is_kept() -> None:
    lines = parse(body([call(annotations=None), event(userAgent="kubectl/1.37")])).lines
    assert b"kubectl" not in lines
    assert b"deployer" not in lines
    assert b"v1beta1" not in lines


def test_who_stopped_calling_is_not_in_the_window_any_more(receiving: Receiving) -> None:
    receiving.take(call(days_ago=9), call(who=account("api"), days_ago=1))
    assert {each.username for each in receiving.calls(days=7)} == {account("api").name}


def test_whoever_begins_to_call_or_does_something_new_is_news_and_nobody_else(receiving: Receiving) -> None:
    receiving.take(event())
    assert receiving.news == 0
    receiving.take(call("list"))
    receiving.take(call("list"), call("list", namespace="bank"))
    assert receiving.news == 1
    receiving.take(call("create"))
    assert receiving.news == 2
    receiving.take(call("list", who=account("api")), call("list", agent="kubectl/1.37"))
    assert receiving.news == 4


def test_it_is_noticed_when_somebody_follows_an_advice(receiving: Receiving) -> None:
    assert f"fieldManager={FIELD_MANAGER}" == FOLLOWED
    path = "/apis/example.com/v1/namespaces/shop/widgets/one"
    for query, news in (
        ("fieldManager=kubectl", 0),
        (f"dryRun=All&fieldManager={FIELD_MANAGER}", 0),
        (f"fieldManager={FIELD_MANAGER}&force=true", 1),
    ):
        receiving.take(event("patch", "example.com/widgets", name="one", requestURI=f"{path}?{query}"))
        assert receiving.counts.signals()[CLUSTER].followed == news


def test_a_segment_that_is_counted_already_adds_no_calls(receiving: Receiving) -> None:
    folded = fold(parse(body([call()])).lines, Recent())
    assert receiving.counts.store(CLUSTER, "one", folded, now=NOW)
    assert not receiving.counts.store(CLUSTER, "one", folded, now=NOW)
    assert receiving.calls()[WIDGETS].count == 1
    assert receiving.news == 1


def test_invented_programs_and_users_fill_no_disk_and_lose_no_call(
    receiving: Receiving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(called, "CALLS", 5)
    for number in range(20):
        receiving.take(
            call(agent=f"agent-{number}" * 100, who=Who(f"user-{number}\x00\ud7ff", ())),
            call(what="example.com/gadgets", agent=f"a{number}"),
        )
    found = receiving.calls()
    assert len(found) <= 5 + 2  # and one for all others of each resource
    assert sum(times.count for times in found.values()) == 40
    assert all(len(each.agent) <= 253 for each in found)


def test_calls_go_with_their_days_and_with_the_cluster(receiving: Receiving) -> None:
    receiving.take(call())
    receiving.counts.prune(now=NOW + timedelta(days=50), keep=timedelta(days=92))
    assert receiving.calls()
    receiving.counts.prune(now=NOW + timedelta(days=100), keep=timedelta(days=92))
    assert not receiving.calls()
    receiving.take(call("patch"))
    receiving.counts.forget(CLUSTER)
    with receiving.counts._database.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM audit_call").scalar() == 0


def test_a_database_from_before_calls_were_counted_is_brought_up_to_date(url: str) -> None:
    database = engine(url)
    migrate(database, schema.PART, schema.MIGRATIONS[:1])
    with database.begin() as connection:
        for name in ("deprecated", "followed"):
            connection.exec_driver_sql(f"ALTER TABLE audit_cluster DROP COLUMN {name}")
        connection.execute(
            sqlalchemy.text("INSERT INTO audit_cluster VALUES (:cluster, '2026-10-01 00:00:00', 3, 4)"),
            {"cluster": CLUSTER},
        )
    for _ in range(2):
        counts = Counts(engine(url))
        signal = counts.signals()[CLUSTER]
        assert (signal.changes, signal.denials, signal.deprecated, signal.followed) == (3, 4, 0, 0)
    assert counts.store(CLUSTER, "one", fold(parse(body([call()])).lines, Recent()), now=NOW)
    assert counts.calls(CLUSTER, since=LONG_AGO)[WIDGETS].count == 1
    database.dispose()


EVENTS = st.lists(
    st.builds(
        lambda who, verb, resource, version, agent, code, days, stage, told: call(
            verb,
            f"resource.k8s.io/{resource}",
            version=version,
            agent=agent,
            who=who,
            code=code,
            days_ago=days,
            stage=stage,
            annotations=told,
        ),
        st.sampled_from([account(), account("api"), Who("ada", ("moorage:members",))]),
        st.sampled_from(["get", "list", "create", "patch", "watch"]),
        st.sampled_from(["resourceclaims", "deviceclasses", "pods"]),
        st.sampled_from(["v1beta1", "v1beta2", "v1"]),
        st.sampled_from(["", "kubectl/1.37", "a\x00b\u2028"]),
        st.sampled_from([200, 201, 404, 403]),
        st.floats(0, 3),
        st.sampled_from(["ResponseComplete", "ResponseComplete", "ResponseStarted", "Panic"]),
        st.sampled_from([None, {"k8s.io/deprecated": "true"}, ANNOTATED]),
    ),
    max_size=30,
)


@settings(max_examples=40, deadline=None)
@given(EVENTS, st.randoms(use_true_random=False), st.integers(0, 5))
def test_however_the_events_come_it_is_what_one_reading_of_the_log_finds(
    tmp_path_factory: pytest.TempPathFactory, events: list[Any], chance: random.Random, pieces: int
) -> None:
    """Lists are sent more than once, in any order, split anywhere; the log has each event once."""
    folder = tmp_path_factory.mktemp("property")
    receiving = Receiving(folder, Counts(engine(folder / "counts.db")))
    cuts = sorted(chance.randrange(len(events) + 1) for _ in range(pieces))
    lists = [events[at:to] for at, to in zip([0, *cuts], [*cuts, len(events)], strict=True)]
    sent = [each for each in lists for _ in range(chance.randint(1, 2))]
    chance.shuffle(sent)
    for each in sent:
        receiving.take(*each)
    expected = read_calls([write(folder / "audit.log", events)], table(), workers=1)
    assert _shape(receiving.calls()) == {
        (each.api.name.api_version, _name(each.thing), each.who, each.api.resource): tuple(
            each.evidence[key] for key in ("requests", "since", "last", "verbs")
        )
        for each in expected.sightings
    }


def _name(caller: str) -> str:
    return caller.rpartition(" ")[2].rpartition("/")[2]


def _shape(calls: dict[Call, Times]) -> dict[Any, Any]:
    """What must be the same: callers by program and version, whatever release the API server named."""
    found: dict[Any, Times] = {}
    for each, times in calls.items():
        name = each.username.rpartition(":")[2]
        key = (f"{each.group}/{each.version}", name, each.agent, each.resource)
        found.setdefault(key, Times()).add(times)
    return {
        key: (times.count, times.first or None, times.last or None, sorted(times.verbs))
        for key, times in found.items()
    }
