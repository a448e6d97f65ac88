"""What the operator asks about clusters, of a child that is a fake here."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from moorage.advisors.advice import Advice
from moorage.advisors.automatic.asking import ResourcesProposer
from moorage.advisors.cluster.resources import ResourcesTopic
from moorage.advisors.cluster.topic import Found, Silent, Situation
from moorage.advisors.resources import wire
from moorage.advisors.resources.child import ChildError
from moorage.kube.controller import Key
from moorage.local.metrics import MetricsEndpoint

KEY = Key("project-shop", "web")
AT = datetime(2026, 9, 22, tzinfo=UTC)
NEW = wire.Newcomer("shop", "Deployment", "web", "app", "nginx")


class FakeHost:
    def metrics(self) -> MetricsEndpoint:
        return MetricsEndpoint("https://127.0.0.1:1", Path("/pki/ca.crt"), {"Authorization": "Basic secret"})


class FakeChild:
    def __init__(self, answer: wire.Answer) -> None:
        self.answer = answer
        self.asked: list[wire.Question] = []

    async def ask(self, question: wire.Question) -> wire.Answer:
        self.asked.append(wire.decode(wire.encode(question), wire.Question))
        return self.answer


def topic(child: FakeChild, monkeypatch: pytest.MonkeyPatch, **prices: str) -> ResourcesTopic:
    async def offered(*_: Any) -> list[dict[str, Any]]:
        price = {name: {"pricePerHour": {"amount": amount}} for name, amount in prices.items()}
        return [{"metadata": {"name": name}, "spec": price.get(name, {})} for name in ("a", "b", "c")]

    monkeypatch.setattr("moorage.advisors.cluster.resources.list_objects", offered)
    return ResourcesTopic(cast("Any", None), cast("Any", FakeHost()), cast("Any", child))


def situation(access: Any = Path("/k")) -> Situation:
    pools = [{"name": "p", "machineType": "b"}]
    nothing = cast("Any", None)
    return Situation(
        KEY, 'id"1', {"spec": {"nodePools": pools}}, access, nothing, None, timedelta(days=30), AT
    )


async def test_a_cluster_is_asked_about_with_its_own_metrics_and_prices(monkeypatch: pytest.MonkeyPatch):
    child = FakeChild(wire.Answer(Advice("resources", ()), "clean", frozenset({"x"})))
    found = await topic(child, monkeypatch, a="1", b="2").look(situation())
    assert found == Found(Advice("resources", ()), "clean", frozenset({"x"}))
    (question,) = child.asked
    assert question.store.selector == 'cluster_id="id\\"1"'
    assert question.store.headers == {"Authorization": "Basic secret"}
    assert [each["metadata"]["name"] for each in question.machine_types] == ["b"]
    assert (question.kubeconfig_file, question.kubeconfig) == ("/k", {})
    await topic(child, monkeypatch, a="1", c="2").look(situation({"a": "kubeconfig"}))
    assert [each["metadata"]["name"] for each in child.asked[1].machine_types] == ["a", "c"]
    assert child.asked[1].kubeconfig == {"a": "kubeconfig"}


async def test_what_cannot_be_said_yet_is_not_said(monkeypatch: pytest.MonkeyPatch):
    quiet = FakeChild(wire.Answer(quiet=wire.Quiet("Collecting", "not yet", AT)))
    assert await topic(quiet, monkeypatch).look(situation()) == Silent("Collecting", "not yet", AT)
    with pytest.raises(ChildError, match="not asked"):
        await topic(FakeChild(wire.Answer()), monkeypatch).look(situation())


async def test_who_asks_again_about_the_same_newcomers_starts_no_other_process():
    expected = (wire.Proposed(NEW, "100m", "", wire.Source.SIBLINGS),)
    child = FakeChild(wire.Answer(proposed=expected))
    member = SimpleNamespace(id="one", obj={"metadata": {}}, access=Path("/k"))

    class Roster:
        def object(self, key: Key) -> Any:
            return member.obj if key == KEY else None

        async def find(self, *_: Any) -> Any:
            return member

    proposer = ResourcesProposer(cast("Any", Roster()), cast("Any", FakeHost()), cast("Any", child))
    assert await proposer.propose(KEY, [NEW]) == expected
    assert await proposer.propose(KEY, [NEW]) == expected
    assert len(child.asked) == 1
    assert child.asked[0].newcomers == (NEW,)
    await proposer.propose(KEY, [NEW, replace(NEW, container="other")])
    assert len(child.asked) == 2
    assert await proposer.propose(Key("project-shop", "gone"), [NEW]) == ()
    assert await proposer.propose(KEY, []) == ()
    assert len(child.asked) == 2


async def test_what_thinks_about_history_is_not_in_the_operator():
    """Numbers of ten thousand containers, and what reckons with them, belong into the child."""
    program = "import sys, moorage.operator.main; sys.exit('numpy' in sys.modules)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    assert await process.wait() == 0
