"""A cluster's way to other policies, played through with an engine that takes its time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from moorage.kube.kinds import Object
from moorage.policies.cluster import steps
from moorage.policies.cluster.plan import GRACE, Memory, Observed, Plan, Report, plan, remember
from moorage.policies.cluster.wanted import ConstraintKey, Meaning, Wanted
from moorage.policies.model import Action, GroupVersionKind

START = datetime(2026, 11, 24, tzinfo=UTC)
READING = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]


def wanted(*versions: str, exceptions: int = 0, inventory: Iterable[str] = ()) -> Wanted:
    """What there is to be for policies given as NAME/VERSION of their template and constraint."""
    templates, constraints, meanings, policies = {}, {}, {}, {}
    for text in versions:
        policy, version = text.split("/")
        kind = f"Kind{policy}{version}"
        templates[kind.lower()] = {"metadata": {"name": kind.lower()}, "spec": version}
        key = ConstraintKey(kind, f"{policy}-{version}")
        constraints[key] = {"metadata": {"name": key.name}, "spec": {"exceptions": exceptions}}
        meanings[key] = Meaning(policy, policy, ("all",), Action.ENFORCE, "low")
        policies[kind.lower()] = policy
    kinds = tuple(GroupVersionKind("", "v1", kind) for kind in inventory)
    return Wanted(templates, constraints, {}, kinds, ("all",), (), (), meanings, policies)


def hooks(name: str) -> Object:
    return {"metadata": {"name": "moorage-policies"}, "webhooks": [{"name": name}]}


@dataclass
class Cluster:
    """A cluster and its engine, that takes up what it is given some turns later."""

    seed: int
    broken: frozenset[str] = frozenset()
    now: datetime = START
    memory: Memory = field(default_factory=Memory)
    templates: dict[str, tuple[str, int]] = field(default_factory=dict)
    constraints: dict[ConstraintKey, tuple[str, int]] = field(default_factory=dict)
    taken: dict[object, Report] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)
    webhooks: list[Object] | None = None
    reading: list[Object] | None = None
    inventory: frozenset[GroupVersionKind] | None = None

    def __post_init__(self) -> None:
        self.chance = Random(self.seed).random  # noqa: S311 - the same each time

    def observed(self, want: Wanted) -> Observed:
        reports = {name: self.taken[name] for name in self.templates if name in self.taken}
        stale = set(reports) - set(want.templates)
        return Observed(
            templates=reports,
            constraints={key: self.taken[key] for key in self.constraints if key in self.taken},
            managed={name: self.policies[name] for name in self.templates} if stale else {},
            webhooks=self.webhooks,
            inventory=self.inventory,
            reading=self.reading,
        )

    def judging(self) -> set[str]:
        """The policies that judge now."""
        return {
            self.policies[key.kind.lower()]
            for key in self.constraints
            if self.taken.get(key) and self.taken[key].judges
        }

    def turn(self, want: Wanted, webhooks: Object) -> Plan:
        decided = plan(want, webhooks, READING, self.observed(want), self.memory, self.now)
        self.memory = decided.memory
        for step in decided.steps:
            self._do(step, want)
        self._work()
        self.now += timedelta(seconds=1)
        return decided

    def _do(self, step: steps.Step, want: Wanted) -> None:
        match step:
            case steps.ApplyReading(rules):
                self.reading = rules
            case steps.ApplySyncSet(inventory):
                assert self.inventory is None or inventory >= self.inventory
                self.inventory = inventory
            case steps.ApplyTemplate(name, _):
                self.policies[name] = want.policies[name]
                self._written(step, self.templates, name)
            case steps.ApplyConstraint(key, _):
                assert self.taken[key.kind.lower()].judges, "before its kind is there"
                self._written(step, self.constraints, key)
            case steps.ApplyWebhooks(configuration):
                self.webhooks = configuration["webhooks"]
            case steps.RemoveConstraint(key):
                del self.constraints[key]
            case steps.RemoveTemplate(name):
                del self.templates[name]
                self.constraints = {k: v for k, v in self.constraints.items() if k.kind.lower() != name}

    def _written(self, step: steps.Step, into: dict, key: object) -> None:
        uid, generation = into.get(key, (f"uid-{self.chance()}", 0))
        into[key] = uid, generation + 1
        metadata = {"uid": uid, "generation": generation + 1}
        self.memory = remember(self.memory, step, {"metadata": metadata}, self.now)

    def _work(self) -> None:
        for key, (uid, generation) in [*self.templates.items(), *self.constraints.items()]:
            if self.chance() < 0.4:
                errors = ("it does not compile",) if key in self.broken else ()
                self.taken[key] = Report(uid, generation, not errors, errors)

    def settle(self, want: Wanted, webhooks: Object, always: Iterable[str] = ()) -> Plan:
        for _ in range(200):
            decided = self.turn(want, webhooks)
            assert set(always) <= self.judging(), "at this moment nothing judges"
            if decided.settled:
                return decided
        pytest.fail(f"it does not settle: {decided.steps}")


@pytest.mark.parametrize("seed", range(20))
def test_while_policies_change_what_is_in_both_judges_at_every_moment(seed: int) -> None:
    cluster = Cluster(seed)
    cluster.settle(wanted("a/1", "b/1", "dropped/1"), hooks("old"))
    decided = cluster.settle(wanted("a/2", "b/1", "new/1"), hooks("new"), always=["a", "b"])
    assert cluster.judging() == {"a", "b", "new"}
    assert set(cluster.templates) == {"kinda2", "kindb1", "kindnew1"}
    assert cluster.webhooks == hooks("new")["webhooks"]
    assert decided.invalid == ()


@pytest.mark.parametrize("seed", range(5))
def test_the_webhooks_come_when_everything_judges_and_the_end_of_the_old_after_them(seed: int) -> None:
    cluster = Cluster(seed)
    cluster.settle(wanted("a/1"), hooks("old"))
    changed = removed = None
    for _ in range(100):
        decided = cluster.turn(wanted("a/2", "b/1"), hooks("new"))
        if any(isinstance(step, steps.ApplyWebhooks) for step in decided.steps):
            changed = cluster.now
            assert {"kinda1", "kinda2", "kindb1"} == set(cluster.templates)
        if any(isinstance(step, steps.RemoveTemplate) for step in decided.steps):
            removed = cluster.now
            break
    assert changed
    assert removed
    assert removed - changed >= GRACE


def test_a_template_that_is_not_taken_leaves_what_there_was_and_holds_up_nothing() -> None:
    cluster = Cluster(1, broken=frozenset({"kinda2"}))
    cluster.settle(wanted("a/1", "b/1"), hooks("old"))
    decided = cluster.settle(wanted("a/2", "b/2", "new/1"), hooks("new"), always=["a", "b"])
    assert [str(item) for item in decided.invalid] == ["policy a: its template: it does not compile"]
    assert cluster.judging() == {"a", "b", "new"}
    assert "kinda1" in cluster.templates
    assert "kindb1" not in cluster.templates


def test_an_exception_changes_a_constraint_in_place() -> None:
    cluster = Cluster(2)
    cluster.settle(wanted("a/1"), hooks("same"))
    [before] = cluster.constraints.values()
    cluster.settle(wanted("a/1", exceptions=1), hooks("same"), always=["a"])
    [after] = cluster.constraints.values()
    assert (after[0], after[1]) == (before[0], before[1] + 1)


def test_nothing_is_done_when_all_is_well() -> None:
    cluster = Cluster(3)
    want = wanted("a/1")
    cluster.settle(want, hooks("same"))
    decided = plan(want, hooks("same"), READING, cluster.observed(want), cluster.memory, cluster.now)
    assert (decided.steps, decided.settled) == ((), True)


def test_what_somebody_has_changed_by_hand_is_put_right() -> None:
    cluster = Cluster(4)
    want = wanted("a/1")
    cluster.settle(want, hooks("same"))
    [key] = cluster.constraints
    report = cluster.taken[key]
    cluster.taken[key] = replace(report, generation=report.generation + 1)
    decided = plan(want, hooks("same"), READING, cluster.observed(want), cluster.memory, cluster.now)
    assert decided.steps == (steps.ApplyConstraint(key, want.constraints[key]),)
    cluster.webhooks = []
    cluster.taken[key] = report
    decided = plan(want, hooks("same"), READING, cluster.observed(want), cluster.memory, cluster.now)
    assert decided.steps == (steps.ApplyWebhooks(hooks("same")),)


def test_another_process_of_the_operator_writes_everything_once_and_settles() -> None:
    cluster = Cluster(5)
    cluster.settle(wanted("a/1", "b/1"), hooks("same"))
    cluster.memory = Memory()
    cluster.settle(wanted("a/1", "b/1"), hooks("same"), always=["a", "b"])


def test_what_is_kept_at_hand_never_shrinks() -> None:
    """Taking a kind away makes the engine forget all of them for a moment."""
    cluster = Cluster(6)
    cluster.settle(wanted("a/1", inventory=["Pod", "Service"]), hooks("same"))
    cluster.settle(wanted("a/1", inventory=["Ingress"]), hooks("same"))
    assert {kind.kind for kind in cluster.inventory or ()} == {"Pod", "Service", "Ingress"}


def test_somebody_elses_constraint_of_our_kind_stays_and_is_looked_at_once() -> None:
    cluster = Cluster(7)
    want = wanted("a/1")
    cluster.settle(want, hooks("same"))
    stranger = ConstraintKey("Kinda1", "theirs")
    cluster.constraints[stranger] = ("uid", 1)
    cluster.taken[stranger] = Report("uid", 1, judges=True)
    seen = cluster.observed(want)
    decided = plan(want, hooks("same"), READING, seen, cluster.memory, cluster.now)
    assert decided.steps == (steps.RemoveConstraint(stranger),)
    # What carries it out has found that it is not ours, and returned it.
    memory = remember(cluster.memory, decided.steps[0], {"metadata": {"uid": "uid"}}, cluster.now)
    decided = plan(want, hooks("same"), READING, seen, memory, cluster.now)
    assert decided.settled
