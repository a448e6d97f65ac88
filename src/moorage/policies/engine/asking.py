"""Asking the engine: runs side by side; what fails is narrowed down, so that the rest is judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path

from moorage.policies.compiled import Compiled
from moorage.policies.engine.gator import (
    EngineError,
    ObjectRefusedError,
    Outcome,
    RuleRefusedError,
    Run,
    execute,
)
from moorage.policies.engine.rules import Rule, RuleId
from moorage.policies.engine.trouble import does_not_compile, reads_namespace, refused
from moorage.policies.model import PolicyError


@dataclass(frozen=True, slots=True)
class Trouble:
    """What could not be judged.

    Args:
        error: says it to a person.
        subjects: which objects, by their digests.
        rule: which rule could not judge; ``None`` where the object is at fault.
    """

    error: PolicyError
    subjects: tuple[bytes, ...]
    rule: Rule | None = None


@dataclass(slots=True)
class Answer:
    """What a run, or a part of it, came to.

    Args:
        settled: what is known now, by the object's digest and the rule's id.
        messages: what is wrong, by the same; nothing where nothing is.
        troubles: what could not be judged.
    """

    settled: list[tuple[bytes, RuleId]] = field(default_factory=list)
    messages: dict[tuple[bytes, RuleId], tuple[str, ...]] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)


class Asker:
    """Asks the engine.

    Args:
        compiled: what judges, to say what is wrong with it.
        gator: the engine's executable.
    """

    def __init__(self, compiled: Compiled, gator: Path) -> None:
        self._policies = compiled.policies
        self._gator = gator

    def ask(self, runs: Sequence[Run], workers: int) -> Iterator[Answer]:
        """Yield the answers to runs as they come, several to a run that had to be taken apart.

        Raises:
            PolicyError: the engine does not run.
        """
        if len(runs) == 1:
            yield from self._answers(runs[0])
            return
        with ThreadPoolExecutor(workers) as pool:
            futures = [pool.submit(self._answer_list, run) for run in runs]
            try:
                for future in as_completed(futures):
                    yield from future.result()
            finally:
                for future in futures:
                    future.cancel()

    def _answer_list(self, run: Run) -> list[Answer]:
        return list(self._answers(run))

    def _answers(self, run: Run) -> Iterator[Answer]:
        if blind := [rule for rule in run.rules if reads_namespace(rule)]:
            yield self._refusal(
                run,
                blind[0],
                "it reads namespaceObject, which there is only in a cluster",
                said_by_engine=False,
            )
            yield from self._without(run, blind[0])
            return
        if not run.rules or not run.subjects:
            return
        try:
            outcome = execute(run, self._gator)
        except (RuleRefusedError, ObjectRefusedError) as error:
            if run.packed:  # by itself, each says what is wrong with it
                yield from self._answers(replace(run, packed=False))
            elif isinstance(error, RuleRefusedError):
                rule = run.rules[error.rule]
                yield self._refusal(run, rule, error.message)
                yield from self._without(run, rule)
            else:
                yield from self._narrowed(run, error)
        else:
            yield self._sound(run, outcome)
            yield from self._again(run, outcome.doubts)

    def _again(self, run: Run, doubts: frozenset[tuple[int, int]]) -> Iterator[Answer]:
        """Hold rules against objects by themselves, where the pack that they were in leaves doubt."""
        by_rules: dict[frozenset[int], list[int]] = {}
        doubted: dict[int, set[int]] = {}
        for subject, rule in doubts:
            doubted.setdefault(subject, set()).add(rule)
        for subject, rules in doubted.items():
            by_rules.setdefault(frozenset(rules), []).append(subject)
        for places, subjects in by_rules.items():
            yield from self._answers(
                replace(
                    run,
                    rules=tuple(run.rules[place] for place in sorted(places)),
                    subjects=tuple(run.subjects[place] for place in sorted(subjects)),
                    packed=False,
                )
            )

    def _sound(self, run: Run, outcome: Outcome) -> Answer:
        """Return what is settled, without the rules that turn out not to compile: each object is told so."""
        broken: dict[int, str] = {}
        for (_, rule), said in outcome.messages.items():
            for message in said:
                if rule not in broken and run.rules[rule].is_cel and does_not_compile(message):
                    broken[rule] = message
        answer = Answer()
        for subject, each in enumerate(run.subjects):
            for place, own in enumerate(run.rules):
                if place in broken or (subject, place) in outcome.doubts:
                    continue
                key = each.digest, own.id
                answer.settled.append(key)
                if messages := outcome.messages.get((subject, place)):
                    answer.messages[key] = messages
        for place, message in broken.items():
            answer.troubles.extend(self._refusal(run, run.rules[place], message).troubles)
        return answer

    def _refusal(self, run: Run, rule: Rule, why: str, *, said_by_engine: bool = True) -> Answer:
        policy = self._policies[rule.policy]
        error: PolicyError
        if said_by_engine:
            error = refused(policy, why)
        else:
            error = EngineError(f"{policy.at('template')}: policy {policy.name} cannot judge here: {why}")
        return Answer(troubles=[Trouble(error, tuple(subject.digest for subject in run.subjects), rule)])

    def _without(self, run: Run, rule: Rule) -> Iterator[Answer]:
        yield from self._answers(replace(run, rules=tuple(other for other in run.rules if other is not rule)))

    def _narrowed(self, run: Run, error: ObjectRefusedError) -> Iterator[Answer]:
        """Judge what can be judged, when the engine gave up because of one object."""
        if len(run.subjects) == 1:
            subject = run.subjects[0]
            said = EngineError(f"{subject.identity}: the engine cannot judge it: {error.message}")
            yield Answer(troubles=[Trouble(said, (subject.digest,))])
            return
        half = len(run.subjects) // 2
        for part in (run.subjects[:half], run.subjects[half:]):
            yield from self._answers(replace(run, subjects=part))
