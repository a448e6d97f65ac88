"""Splitting work into runs of the engine. Pure.

What was measured of gator 3.23 decides. A process starts in 25 ms and takes 2 ms for each rule; it takes
0.6 ms to take in an object of an ordinary size; a rule takes 0.1 ms for it in CEL (in a pack) and 0.25 ms
in Rego; to see that a rule is not for an object takes 0.02 ms. It does one thing after the other. So
subjects that need the same rules go together, groups that have rules in common are made one where that
saves more than it costs, and what is too long for one process is split: by objects when there are many of
them, or else by rules, because then each process takes in fewer.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from moorage.policies.engine.gator import Run, by_identity
from moorage.policies.engine.inventory import Inventory, key_of
from moorage.policies.engine.rules import Rule
from moorage.policies.engine.subjects import Subject

START: Final = 0.025
RULE: Final = 0.002
READ: Final = 0.0006
SKIP: Final = 0.00002
CEL: Final = 0.0001
REGO: Final = 0.00025
WORTH_SPLITTING: Final = 0.15
BYTES_MAX: Final = 16_000_000
"""Of objects in one run: the engine takes ten times that in memory."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """An object, and the rules to hold against it.

    Args:
        subject: the object, or what an object makes.
        rules: the rules.
        alone: whether no other case may be in its run: rules read its kind, and it is not in the cluster.
    """

    subject: Subject
    rules: tuple[Rule, ...]
    alone: bool = False


@dataclass(slots=True)
class _Bucket:
    """What may become one run."""

    rules: dict[bytes, Rule]
    cases: list[Case]
    inventory: Inventory

    def beside(self, *others: _Bucket) -> int:
        """Return how many objects its rules (and those of others) read that are not judged there."""
        buckets = (self, *others)
        read = {key for bucket in buckets for rule in bucket.rules.values() for key in rule.inventory}
        if not read:
            return 0
        own = Counter(key_of(case.subject.identity.kind) for bucket in buckets for case in bucket.cases)
        return sum(max(0, self.inventory.count(key) - own[key]) for key in read)

    def more(self, other: _Bucket) -> float:
        """Return what it costs more to take in another."""
        new = [key for key in other.rules if key not in self.rules]
        foreign = len(self.rules) - (len(other.rules) - len(new))
        seen = len(self.cases) * len(new) + len(other.cases) * foreign
        before, after = self.beside(), self.beside(other)
        read = after * (len(self.rules) + len(new)) - before * len(self.rules)
        return RULE * len(new) + SKIP * (seen + read) + READ * (after - before)

    def take(self, other: _Bucket) -> None:
        """Take in another."""
        self.rules.update(other.rules)
        self.cases.extend(other.cases)


def partition(cases: Sequence[Case], inventory: Inventory, *, workers: int) -> list[Run]:
    """Return runs that together hold every case's rules against it, the longest first.

    A run may hold more against a subject than its case asks for; that is for the caller to leave aside.

    Args:
        cases: what there is to do.
        inventory: what rules may read, by kind.
        workers: how many runs there can be at once.
    """
    buckets = _buckets(cases, inventory)
    share = max(sum(map(_cost, buckets)) / workers, WORTH_SPLITTING)
    parts = [part for bucket in buckets for part in _split(bucket, share)]
    parts.sort(key=_cost, reverse=True)
    cores = max(1, workers // max(1, len(parts)))
    return [run for part in parts for run in _runs(part, inventory, cores)]


def _buckets(cases: Sequence[Case], inventory: Inventory) -> list[_Bucket]:
    def bucket(rules: Iterable[Rule], *own: Case) -> _Bucket:
        return _Bucket({rule.id: rule for rule in rules}, list(own), inventory)

    # Whatever is in a run can be read there. What is not in the cluster must not be.
    apart = any(case.alone for case in cases)
    groups: dict[frozenset[bytes], _Bucket] = {}
    alone: list[_Bucket] = []
    for case in cases:
        plain = [rule for rule in case.rules if not rule.inventory]
        reading = [rule for rule in case.rules if rule.inventory]
        for rules in [plain, reading] if apart else [case.rules]:
            if not rules:
                continue
            part = Case(case.subject, tuple(rules), alone=case.alone)
            if case.alone and rules is reading:
                alone.append(bucket(rules, part))
                continue
            key = frozenset(rule.id for rule in rules)
            if key not in groups:
                groups[key] = bucket(rules)
            groups[key].cases.append(part)
    return [*_merged(groups, apart=apart), *alone]


def _merged(groups: Mapping[frozenset[bytes], _Bucket], *, apart: bool) -> list[_Bucket]:
    """Make groups one where they have so much in common that it pays; the largest come first."""
    found: list[_Bucket] = []
    order = sorted(groups.items(), key=lambda item: (-len(item[1].cases) * len(item[0]), sorted(item[0])))
    for _, group in order:
        own = START + RULE * len(group.rules) + (READ + SKIP * len(group.rules)) * group.beside()
        like = [each for each in found if not apart or _reads(each) == _reads(group)]
        best = min(like, key=lambda each: each.more(group), default=None)
        if best is None or best.more(group) > own:
            found.append(group)
        else:
            best.take(group)
    return found


def _reads(bucket: _Bucket) -> bool:
    return any(rule.inventory for rule in bucket.rules.values())


def _weight(rule: Rule) -> float:
    return CEL if rule.is_cel else REGO


def _cost(bucket: _Bucket) -> float:
    needed = sum(_weight(rule) for case in bucket.cases for rule in case.rules)
    objects = len(bucket.cases) + bucket.beside()
    return START + RULE * len(bucket.rules) + READ * objects + needed


def _split(bucket: _Bucket, share: float) -> list[_Bucket]:
    """Split so that each part takes about a share."""
    cost = _cost(bucket)
    if cost < share * 1.25:
        return [bucket]
    count = math.ceil(cost / share - 0.25)
    if READ * len(bucket.cases) > RULE * len(bucket.rules):
        count = min(count, len(bucket.cases))
        order = sorted(bucket.cases, key=lambda case: len(case.subject.json))
        return [_Bucket(bucket.rules, order[start::count], bucket.inventory) for start in range(count)]
    return _split_by_rules(bucket, min(count, len(bucket.rules)))


def _split_by_rules(bucket: _Bucket, count: int) -> list[_Bucket]:
    load = dict.fromkeys(bucket.rules, 0.0)
    for case in bucket.cases:
        for rule in case.rules:
            load[rule.id] += _weight(rule)
    parts: list[list[bytes]] = [[] for _ in range(count)]
    sums = [0.0] * count
    for key in sorted(load, key=lambda key: (-load[key], key)):
        smallest = sums.index(min(sums))
        parts[smallest].append(key)
        sums[smallest] += load[key] + RULE
    return [_with_rules(bucket, frozenset(keys)) for keys in parts]


def _with_rules(bucket: _Bucket, keys: frozenset[bytes]) -> _Bucket:
    own = ((case, tuple(rule for rule in case.rules if rule.id in keys)) for case in bucket.cases)
    return _Bucket(
        rules={key: bucket.rules[key] for key in sorted(keys)},
        cases=[Case(case.subject, rules, alone=case.alone) for case, rules in own if rules],
        inventory=bucket.inventory,
    )


def _runs(bucket: _Bucket, inventory: Inventory, cores: int) -> Iterable[Run]:
    rules = tuple(bucket.rules.values())
    subjects = list({case.subject.digest: case.subject for case in bucket.cases}.values())
    for distinct in by_identity(subjects):
        for chunk in _chunks(distinct):
            beside = _beside(rules, chunk, inventory)
            yield Run(
                rules=rules,
                subjects=tuple(chunk),
                inventory=beside,
                keep_kinds=_kinds_pay(bucket, len(chunk), len(beside)),
                cores=cores,
            )


def _beside(rules: Sequence[Rule], subjects: Sequence[Subject], inventory: Inventory) -> tuple[Subject, ...]:
    """Return what rules read that are held against some subjects, without those."""
    everywhere = {key for rule in rules if not rule.local for key in rule.inventory}
    here = {key for rule in rules for key in rule.inventory} - everywhere
    namespaces = {subject.identity.namespace for subject in subjects}
    own = {subject.identity for subject in subjects}
    found = [subject for key in sorted(everywhere) for subject in inventory.read(key, None)]
    found += [subject for key in sorted(here) for subject in inventory.read(key, sorted(namespaces))]
    return tuple(subject for subject in found if subject.identity not in own)


def _kinds_pay(bucket: _Bucket, count: int, beside: int) -> bool:
    """Say whether to see what a rule is not for costs less than to hold it against all.

    The engine reviews the run's own templates and constraints too, and what is there to be read only.
    """
    rules, share = len(bucket.rules), count / max(1, len(bucket.cases))
    needed = sum(len(case.rules) for case in bucket.cases) * share
    every = rules * (count + beside + 2)
    return SKIP * every + CEL * needed < CEL * every


def _chunks(subjects: Sequence[Subject]) -> Iterable[list[Subject]]:
    chunk: list[Subject] = []
    size = 0
    for subject in subjects:
        if chunk and size + len(subject.json) > BYTES_MAX:
            yield chunk
            chunk, size = [], 0
        chunk.append(subject)
        size += len(subject.json)
    if chunk:
        yield chunk
