"""Judging: what is remembered, what is not and must be asked, and the verdict on all."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from moorage.cache import Cache
from moorage.policies.compiled import Compiled
from moorage.policies.engine.asking import Answer, Asker
from moorage.policies.engine.expanding import ExpansionError
from moorage.policies.engine.gator import can_be_judged
from moorage.policies.engine.judgement import Effort, Failure, Finding, Judgement
from moorage.policies.engine.needs import ITSELF, Need, NeedList, Needs
from moorage.policies.engine.partition import Case, partition
from moorage.policies.engine.rules import Rule, RuleId
from moorage.policies.engine.subjects import Subject
from moorage.policies.model import PolicyError
from moorage.policies.remembered import VERDICTS, engine_digest

_ID_SIZE: Final = 16
_decode: Final = msgspec.json.Decoder(dict[str, list[str]]).decode
_encode: Final = msgspec.json.encode


class JudgingError(PolicyError):
    """Something cannot be judged.

    Args:
        failure: what, and why.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.error.message, hint=failure.error.hint)
        self.failure = failure


def judge(
    compiled: Compiled,
    subjects: Sequence[Subject],
    *,
    namespaces: Mapping[str, Mapping[str, str]],
    gator: Path,
    inventory: Sequence[Subject] = (),
    cache: Cache | None = None,
    workers: int | None = None,
    keep_going: bool = False,
) -> Judgement:
    """Let Gatekeeper's engine judge objects, as it would in a cluster that `compiled` is applied to.

    Blocks, and starts processes: call it in a thread where something else is going on.

    Args:
        compiled: what judges.
        subjects: what is judged.
        namespaces: the labels of namespaces, by name; one that is not there has none.
        gator: the engine's executable.
        inventory: what policies can read that read other objects, beside the subjects.
        cache: what was found before; what is found now is added.
        workers: how many processes there are at once; as many as there are processors unless given.
        keep_going: whether what cannot be judged is reported beside the verdict on the rest, not raised.

    Raises:
        JudgingError: a policy cannot judge, or an object cannot be judged (unless told to keep going).
        PolicyError: the engine does not run; nothing can be judged.
    """
    needs = Needs(compiled, namespaces, subjects, inventory)
    lists = [needs.of(subject) for subject in subjects]
    memory = _Memory(cache, engine_digest(gator, cache))
    rows = memory.recall(
        {subject.digest for subject, wanted in zip(subjects, lists, strict=True) if wanted.ids}
    )
    work = _Work(needs, Asker(compiled, gator), rows, keep_going=keep_going)
    for place, (subject, wanted) in enumerate(zip(subjects, lists, strict=True)):
        work.add(place, subject, wanted)
    runs = work.do(workers or os.cpu_count() or 1)
    memory.keep(rows, work.changed)
    findings = [
        finding
        for place, (subject, wanted) in enumerate(zip(subjects, lists, strict=True))
        if wanted.ids
        for finding in _findings(place, wanted, rows[subject.digest])
    ]
    effort = Effort(judged=len(work.changed), remembered=len(rows) - len(work.changed), runs=runs)
    return Judgement(
        tuple(findings),
        tuple(work.failures),
        policies=frozenset(need.bound.constraint.policy for wanted in set(lists) for need in wanted.needs),
        strangers=tuple(
            place
            for place, (subject, wanted) in enumerate(zip(subjects, lists, strict=True))
            if not wanted.ids and not needs.is_for(subject.identity.kind)
        ),
        effort=effort,
    )


@dataclass(slots=True)
class _Row:
    """What is known about a subject: which needs are settled, and the messages of those that it fails."""

    settled: frozenset[RuleId] = frozenset()
    broken: dict[str, list[str]] = field(default_factory=dict)


def _findings(place: int, wanted: NeedList, row: _Row) -> list[Finding]:
    if not row.broken:
        return []
    return sorted(
        Finding(
            subject=place,
            policy=need.bound.constraint.policy,
            made=need.expansion.makes.kind if need.expansion else "",
            message=message,
            constraint=need.bound.constraint.name,
            action=(need.expansion.action if need.expansion else None) or need.bound.constraint.action,
            severity=need.bound.constraint.severity,
            sets=need.bound.constraint.sets,
        )
        for key, messages in row.broken.items()
        for need in wanted.by_key.get(key, ())
        for message in messages
    )


class _Memory:
    """Rows in a cache."""

    def __init__(self, cache: Cache | None, engine: bytes) -> None:
        self._cache = cache
        self._engine = engine
        self._alike: dict[bytes, frozenset[RuleId]] = {}

    def recall(self, digests: set[bytes]) -> dict[bytes, _Row]:
        """Return the rows of subjects; an empty one where nothing is known."""
        rows = {digest: _Row() for digest in digests}
        if self._cache is not None and digests:
            keys = {self._key(digest): digest for digest in digests}
            for key, value in self._cache.read(VERDICTS, keys).items():
                rows[keys[key]] = self._row(value)
        return rows

    def keep(self, rows: Mapping[bytes, _Row], changed: set[bytes]) -> None:
        """Remember rows."""
        if self._cache is not None:
            self._cache.write(VERDICTS, {self._key(digest): _written(rows[digest]) for digest in changed})

    def _key(self, digest: bytes) -> bytes:
        return self._engine + digest

    def _row(self, value: bytes) -> _Row:
        size = int.from_bytes(value[:4], "big")
        settled = value[4 : 4 + size]
        known = self._alike.get(settled)
        if known is None:
            ids = (settled[start : start + _ID_SIZE] for start in range(0, size, _ID_SIZE))
            known = self._alike[settled] = frozenset(ids)
        return _Row(known, _decode(value[4 + size :]))


def _written(row: _Row) -> bytes:
    settled = b"".join(sorted(row.settled))
    return len(settled).to_bytes(4, "big") + settled + _encode(row.broken)


class _Work:
    """What is not known yet, and finding it out."""

    def __init__(self, needs: Needs, asker: Asker, rows: Mapping[bytes, _Row], *, keep_going: bool) -> None:
        self._needs = needs
        self._asker = asker
        self._rows = rows
        self._keep_going = keep_going
        self._cases: dict[bytes, tuple[Subject, dict[RuleId, Rule], bool]] = {}
        # Whose needs a rule that is held against an object settles: by the object's digest and the rule.
        self._waiting: dict[tuple[bytes, RuleId], list[tuple[bytes, RuleId]]] = {}
        self._places: dict[bytes, list[int]] = {}
        self.failures: list[Failure] = []
        self.changed: set[bytes] = set()

    def add(self, place: int, subject: Subject, wanted: NeedList) -> None:
        """Take in what is not known about a subject."""
        if not wanted.ids or wanted.ids <= (row := self._rows[subject.digest]).settled:
            return
        known = subject.digest in self._places
        self._places.setdefault(subject.digest, []).append(place)
        if known:
            return
        if not can_be_judged(subject.identity):
            self._fail(PolicyError(f"{str(subject.identity)!a}: no object is called that"), {subject.digest})
            return
        missing = [need for need in wanted.needs if need.id not in row.settled]
        self._ask(subject, [need for need in missing if need.made == ITSELF], subject)
        if made := [need for need in missing if need.made != ITSELF]:
            self._ask_about_made(subject, made)

    def _ask_about_made(self, subject: Subject, needs: list[Need]) -> None:
        try:
            found = self._needs.expander.expand(subject.content(), subject.identity.kind)
        except ExpansionError as error:
            self._fail(error, {subject.digest})
            return
        for place, made in enumerate(found):
            self._ask(subject, [need for need in needs if need.made == place], Subject.of(made.content))

    def _ask(self, owner: Subject, needs: list[Need], judged: Subject) -> None:
        if not needs:
            return
        _, rules, _ = self._cases.setdefault(judged.digest, (judged, {}, judged is not owner))
        for need in needs:
            rule = need.bound.rule
            rules[rule.id] = rule
            self._waiting.setdefault((judged.digest, rule.id), []).append((owner.digest, need.id))

    def do(self, workers: int) -> int:
        """Find it out; return how many runs it was to take.

        Raises:
            JudgingError: something cannot be judged (unless told to keep going).
        """
        inventory = self._needs.inventory
        cases = [
            Case(subject, tuple(rules.values()), alone=made and subject.identity.kind in inventory)
            for subject, rules, made in self._cases.values()
        ]
        runs = partition(cases, inventory, workers=workers)
        for answer in self._asker.ask(runs, workers):
            self._take(answer)
        return len(runs)

    def _take(self, answer: Answer) -> None:
        for trouble in answer.troubles:
            keys = [
                (digest, rule)
                for digest in trouble.subjects
                for rule in ([trouble.rule.id] if trouble.rule else self._cases[digest][1])
            ]
            owners = {owner for key in keys for owner, _ in self._waiting.get(key, ())}
            self._fail(trouble.error, owners, trouble.rule.policy if trouble.rule else "")
        settled: dict[bytes, set[RuleId]] = {}
        for key in answer.settled:
            for owner, need in self._waiting.get(key, ()):
                settled.setdefault(owner, set()).add(need)
                if messages := answer.messages.get(key):
                    self._rows[owner].broken[need.hex()] = list(messages)
        for owner, needs in settled.items():
            self._rows[owner].settled |= needs
        self.changed.update(settled)

    def _fail(self, error: PolicyError, owners: set[bytes], policy: str = "") -> None:
        places = sorted(place for owner in owners for place in self._places[owner])
        same = next((failure for failure in self.failures if str(failure.error) == str(error)), None)
        if same is not None:  # one policy that cannot judge is one failure, however many runs meet it
            self.failures.remove(same)
            places = sorted({*places, *same.subjects})
        failure = Failure(error, tuple(places), policy)
        if not self._keep_going:
            raise JudgingError(failure)
        self.failures.append(failure)
