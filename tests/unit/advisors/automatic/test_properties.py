"""Whatever happens: one at a time, only in the window, only where somebody wants it, no harm twice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from moorage.advisors.applying.images import Position
from moorage.advisors.automatic.health import Condition
from moorage.advisors.automatic.model import (
    Done,
    Item,
    Live,
    Opening,
    Place,
    Snapshot,
    Thing,
)
from moorage.advisors.automatic.plan import (
    Apply,
    Finish,
    LetGo,
    Settle,
    TakeBack,
    plan,
)
from moorage.advisors.keeping.life import AUTO
from moorage.api.advice import AdviceState, ApplicationPhase, Watch, WatchedWorkload

from .builders import NOW, POLICY, WELL, thing

NAMES = ("api", "web")
CPU = "requests.cpu"
BAD = Condition(wanted=2, ready=0, settled=True)
KILLED = Condition(wanted=2, ready=2, settled=True, failing=1)


def _in_hand(items: Iterable[Item]) -> list[Item]:
    """What is begun and not brought to its end, by other words than the plan's."""
    return [
        each
        for each in items
        if each.done is not None
        and each.done.phase is not ApplicationPhase.REVERTED
        and not (
            each.done.phase is ApplicationPhase.APPLIED
            and not each.done.harm
            and each.done.watch is not None
            and each.done.watch.over
        )
    ]


@dataclass
class Workload:
    cpu: Decimal = Decimal(8)
    before: Decimal = Decimal(8)
    opted_in: bool = True
    condition: Condition = WELL


@dataclass
class World:
    """A cluster with two workloads, in which the platform is killed now and then."""

    now: timedelta = timedelta()
    opens_until: timedelta | None = timedelta(hours=4)
    workloads: dict[str, Workload] = field(default_factory=lambda: {name: Workload() for name in NAMES})
    items: dict[str, Item] = field(default_factory=dict)
    harmed: set[tuple[Thing, Decimal]] = field(default_factory=set)

    def advise(self, name: str, cpu: Decimal) -> None:
        """The advisor says that a workload should ask for so much."""
        old, has = self.items.get(name), self.workloads[name].cpu
        if has == cpu:
            self.items.pop(name, None) if old is None or old.done is None else None
            return
        state = AdviceState.OPEN if old is None or old.done is None or not self._stands(old) else old.state
        self.items[name] = Item(
            name=name,
            state=state,
            rank=1,
            confidence=90,
            thing=thing(name),
            container="app",
            amounts=self._of(name, cpu),
            seen={CPU: has},
            done=old.done if old is not None else None,
        )

    def turn(self, *, killed: bool) -> None:
        """The platform does one thing; it may be killed when it has begun."""
        lives = {thing(name): self._live(name) for name in NAMES}
        opening = Opening(declared=True, until=self._until())
        step = plan(Snapshot(tuple(self.items.values()), lives, opening, NOW + self.now), POLICY)
        match step:
            case Apply(name):
                self._apply(name, killed=killed)
            case Finish(name):
                self._finish_what_was_begun(name, killed=killed)
            case TakeBack(name, harm):
                self._take_back(name, harm, killed=killed)
            case Settle(name, _):
                self._settle(name)
            case LetGo(name, _):
                self._phase(name, ApplicationPhase.REVERTED)
        assert len(_in_hand(self.items.values())) <= 1 + self._left_to_people()

    def _until(self) -> datetime | None:
        return NOW + self.opens_until if self.opens_until is not None else None

    def _apply(self, name: str, *, killed: bool) -> None:
        workload, cpu, until = self.workloads[name], self._cpu(self.items[name]), self._until()
        assert until is not None
        assert NOW + self.now + POLICY.watch <= until
        assert workload.opted_in
        assert all(not self.workloads[each.name].opted_in for each in _in_hand(self.items.values()))
        assert all(cpu > was * Decimal("1.09") for of, was in self.harmed if of == thing(name))
        workload.before = workload.cpu
        self._done(name, ApplicationPhase.APPLYING)
        if not killed:
            self._finish(name)

    def _finish_what_was_begun(self, name: str, *, killed: bool) -> None:
        workload = self.workloads[name]
        moves = workload.cpu != self._cpu_done(name)
        assert not moves or (workload.opted_in and self._until() is not None)
        if killed:
            workload.cpu = self._cpu_done(name)
        else:
            self._finish(name)

    def _take_back(self, name: str, harm: str, *, killed: bool) -> None:
        workload, done = self.workloads[name], self.items[name].done
        assert done is not None
        assert workload.opted_in or workload.cpu == workload.before
        if harm or done.harm:
            self.harmed.add((thing(name), self._cpu_done(name)))
        self.items[name] = replace(self.items[name], done=replace(done, harm=harm or done.harm))
        self._phase(name, ApplicationPhase.REVERTING)
        if not killed:
            workload.cpu = workload.before
            self._phase(name, ApplicationPhase.REVERTED)

    def _settle(self, name: str) -> None:
        done = self.items[name].done
        assert done is not None
        assert done.watch is not None
        watch = done.watch.model_copy(update={"over": True})
        self.items[name] = replace(self.items[name], done=replace(done, watch=watch))

    def _finish(self, name: str) -> None:
        self.workloads[name].cpu = self._cpu_done(name)
        self._done(name, ApplicationPhase.APPLIED)

    def _done(self, name: str, phase: ApplicationPhase) -> None:
        found = self.items[name]
        watched = WatchedWorkload(
            namespace="shop",
            kind="Deployment",
            name=name,
            wanted=2,
            ready=2,
            settled=True,
            failing=0,
            oom_killed=0,
        )
        watch = Watch(until=NOW + self.now + POLICY.watch, before=[watched])
        amounts = (
            found.done.amounts
            if phase is ApplicationPhase.APPLIED and found.done is not None
            else found.amounts
        )
        done = Done(phase, AUTO, NOW + self.now, "", amounts, watch)
        state = AdviceState.APPLIED if phase is ApplicationPhase.APPLIED else found.state
        self.items[name] = replace(found, state=state, done=done)

    def _phase(self, name: str, phase: ApplicationPhase) -> None:
        found = self.items[name]
        assert found.done is not None
        state = AdviceState.OPEN if phase is ApplicationPhase.REVERTED else found.state
        self.items[name] = replace(found, state=state, done=replace(found.done, phase=phase))

    def _live(self, name: str) -> Live:
        workload = self.workloads[name]
        positions = {}
        if name in self.items and self.items[name].done is not None:
            if workload.cpu == self._cpu_done(name):
                positions[name] = Position.AFTER
            elif workload.cpu == workload.before:
                positions[name] = Position.BEFORE
            else:
                positions[name] = Position.ELSEWHERE
        return Live(workload.opted_in, self._of(name, workload.cpu), workload.condition, positions=positions)

    def _left_to_people(self) -> int:
        """How many the platform cannot go on with, as their owners have opted out since."""
        return sum(not self.workloads[each.name].opted_in for each in _in_hand(self.items.values()))

    def _stands(self, found: Item) -> bool:
        return found.done is not None and found.done.phase is not ApplicationPhase.REVERTED

    def _of(self, name: str, cpu: Decimal) -> dict[Place, Decimal]:
        return {(thing(name), "app", CPU): cpu}

    def _cpu(self, found: Item) -> Decimal:
        return next(iter(found.amounts.values()))

    def _cpu_done(self, name: str) -> Decimal:
        done = self.items[name].done
        assert done is not None
        return next(iter(done.amounts.values()))


NAME = st.sampled_from(NAMES)


class Cluster(RuleBasedStateMachine):
    """A world, and what may happen in it."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @rule(name=NAME, cpu=st.sampled_from([Decimal(n) / 10 for n in range(1, 60, 3)]))
    def advise(self, name: str, cpu: Decimal) -> None:
        self.world.advise(name, cpu)

    @rule(killed=st.sampled_from([False, False, True]))
    def turn(self, killed: bool) -> None:
        self.world.turn(killed=killed)

    @rule(minutes=st.integers(1, 12))
    def wait(self, minutes: int) -> None:
        self.world.now += timedelta(minutes=minutes)
        until = self.world.opens_until
        if until is not None and self.world.now >= until:
            self.world.opens_until = None

    @rule(name=NAME, wanted=st.booleans())
    def opt(self, name: str, wanted: bool) -> None:
        self.world.workloads[name].opted_in = wanted

    @rule(name=NAME, condition=st.sampled_from([WELL, BAD, KILLED]))
    def become(self, name: str, condition: Condition) -> None:
        self.world.workloads[name].condition = condition

    @rule(name=NAME, cpu=st.sampled_from([Decimal(7), Decimal(9)]))
    def change(self, name: str, cpu: Decimal) -> None:
        self.world.workloads[name].cpu = cpu

    @rule(minutes=st.sampled_from([5, 60, 240, 240]))
    def open(self, minutes: int) -> None:
        self.world.opens_until = self.world.now + timedelta(minutes=minutes)

    def teardown(self) -> None:
        """Left alone with all well and wanted, it comes to rest: nothing is in hand for ever."""
        for workload in self.world.workloads.values():
            workload.opted_in, workload.condition = True, WELL
        self.world.opens_until = None
        for _ in range(12):
            self.world.turn(killed=False)
            self.world.now += POLICY.watch
        assert not _in_hand(self.world.items.values())


TestCluster = Cluster.TestCase
TestCluster.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
