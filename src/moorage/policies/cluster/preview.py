"""What a change would refuse, before it is made: the live objects and the recent requests, judged by the new.

The requests are those that the audit log of the cluster's API server kept with their objects; what was
refused then is among them, also what nobody tried again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from moorage.manifests.model import Object
from moorage.policies.cluster.resources import known_kind, known_kinds
from moorage.policies.cluster.wanted import wanted
from moorage.policies.compiled import Compiled
from moorage.policies.engine import Cache, Failure, NotAnObjectError, Subject, judge
from moorage.policies.engine.judgement import Finding
from moorage.policies.levels import EXEMPT_NAMESPACES
from moorage.policies.model import SET_LABEL_PREFIX, Action, GroupVersionKind

NOT_JUDGED_GROUPS: Final = frozenset({"system:masters", "system:nodes"})
"""Whose requests the webhooks leave out."""

_VERBS: Final = frozenset({"create", "update", "patch"})
_SUBRESOURCES: Final = frozenset({"", "ephemeralcontainers", "resize"})


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was made.

    Args:
        at: when.
        user: by whom.
        verb: create, update or patch.
        content: the object as it was to be.
    """

    at: datetime
    user: str
    verb: str
    content: Object = field(repr=False)


@dataclass(frozen=True, slots=True)
class AuditLog:
    """What an audit log kept.

    Args:
        requests: that would be judged.
        without_object: how many of those there are whose object was not kept.
        since: when the first line was written; ``None`` of an empty log.
    """

    requests: tuple[Request, ...]
    without_object: int
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Row:
    """What one policy would say in one namespace.

    Args:
        namespace: where; empty for what is in none.
        policy: which.
        action: what would happen.
        objects: how many objects that are there now are meant: they stay, and can no more be changed.
        requests: how many of the requests would have been refused (or warned of).
        users: who made them, and how many each.
        example: one message, with what it is about.
    """

    namespace: str
    policy: str
    action: Action
    objects: int
    requests: int
    users: Mapping[str, int]
    example: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change would mean.

    Args:
        rows: the worst first.
        objects: how many live objects were judged.
        requests: how many requests were.
        failures: what could not be judged.
        already: how many verdicts on objects and requests are left out: they are the same now.
    """

    rows: tuple[Row, ...]
    objects: int
    requests: int
    failures: tuple[Failure, ...]
    already: int = 0

    @property
    def refused(self) -> int:
        """How many refusals there would have been."""
        return sum(row.requests for row in self.rows if row.action is Action.ENFORCE)


def read_audit_log(lines: Iterable[str]) -> AuditLog:
    """Read an audit log; lines that are none are passed over: the last one may be half written. Pure."""
    requests: list[Request] = []
    without, since = 0, None
    for line in lines:
        try:
            event = json.loads(line)
            at = datetime.fromisoformat(event["requestReceivedTimestamp"])
            reference, user = event.get("objectRef") or {}, event.get("user") or {}
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        since = min(since, at) if since else at
        if not _counts(event, reference, user):
            continue
        content = _object(event)
        if content is None:
            without += 1
        else:
            requests.append(Request(at, str(user.get("username", "")), event["verb"], content))
    return AuditLog(tuple(requests), without, since)


def audit_log_files(path: Path) -> list[Path]:
    """Return an audit log and what was rotated away from it, the oldest first."""
    older = sorted(path.parent.glob(f"{path.stem}-*{path.suffix}"))
    return [*older, path]


def read_files(paths: Iterable[Path]) -> Iterator[str]:
    """Yield the lines of files, one at a time: an audit log may be larger than the memory.

    Raises:
        OSError: one cannot be read.
    """
    for path in paths:
        with path.open(encoding="utf-8", errors="replace") as file:
            yield from file


def kinds_of(compiled: Compiled) -> list[GroupVersionKind]:
    """Return the kinds of live objects that policies judge or read, as far as they are Kubernetes' own."""
    needed = wanted(compiled)
    found = {GroupVersionKind(kind.group, kind.version, kind.kind) for kind in known_kinds(needed.read)}
    return sorted({*found, *needed.inventory})


def labels_of(namespaces: Iterable[Object]) -> dict[str, dict[str, str]]:
    """Return the labels of namespaces, by name. Pure."""
    return {str(item["metadata"]["name"]): dict(item["metadata"].get("labels") or {}) for item in namespaces}


def opted_in(
    namespaces: Mapping[str, Mapping[str, str]], asked: Mapping[str, Action], only: Collection[str]
) -> dict[str, dict[str, str]]:
    """Return the labels of namespaces as they would be after an opt-in. Pure.

    Args:
        namespaces: their labels, as they are.
        asked: the sets that are opted in to, and with which action.
        only: the namespaces that do; all of them when empty.
    """
    labels = {f"{SET_LABEL_PREFIX}{name}": str(action) for name, action in asked.items()}
    return {
        name: {**own, **labels} if not only or name in only else dict(own) for name, own in namespaces.items()
    }


def preview(
    compiled: Compiled,
    *,
    live: Sequence[Object],
    log: AuditLog,
    namespaces: Mapping[str, Mapping[str, str]],
    gator: Path,
    before: Mapping[str, Mapping[str, str]] | None = None,
    only: Collection[str] = (),
    cache: Cache | None = None,
) -> Preview:
    """Judge what is there and what was asked for by what would judge. Blocks, and starts processes.

    What a workload makes is left aside when the workload itself is judged: it would be counted twice.

    Args:
        compiled: what would judge.
        live: what is there.
        log: what was asked for.
        namespaces: the labels of namespaces as they would be.
        gator: the engine.
        before: their labels as they are: what is found with these already, and no weaker, is left out.
        only: the namespaces that are looked at; all of them, and what is in none, when empty.
        cache: of verdicts.

    Raises:
        PolicyError: the engine does not run.
    """
    there = [item for item in live if not _is_made(item) and _is_looked_at(item, only)]
    asked = [item for item in log.requests if _is_looked_at(item.content, only)]
    contents = [*((item, None) for item in there), *((item.content, item) for item in asked)]
    everything = _Judge(compiled, [Subject.of(item) for item in live], gator, cache)
    then, failures = everything.judge(contents, namespaces)
    now: set[tuple[Any, ...]] = set()
    if before is not None:
        strengths = [
            (place, finding.policy, finding.message, finding.made, finding.action.strength)
            for place, (findings, _, _) in enumerate(everything.judge(contents, before)[0])
            for finding in findings
        ]
        # What is enforced now is also not new where it would be warned of.
        now = {
            (*about, action)
            for *about, strength in strengths
            for action in Action
            if action.strength <= strength
        }
    already = 0
    fresh: list[tuple[Finding, Subject, Request | None]] = []
    for place, (findings, subject, source) in enumerate(then):
        for finding in findings:
            if (place, finding.policy, finding.message, finding.made, finding.action) in now:
                already += 1
            else:
                fresh.append((finding, subject, source))
    return Preview(tuple(_rows(fresh)), len(there), len(asked), tuple(failures), already)


@dataclass(frozen=True, slots=True)
class _Judge:
    """What would judge, and what it reads beside what it judges."""

    compiled: Compiled
    inventory: Sequence[Subject]
    gator: Path
    cache: Cache | None

    def judge(
        self,
        contents: Iterable[tuple[Object, Request | None]],
        namespaces: Mapping[str, Mapping[str, str]],
    ) -> tuple[list[tuple[list[Finding], Subject, Request | None]], Sequence[Failure]]:
        """Return what is found in each object, and what could not be judged."""
        subjects: list[Subject] = []
        sources: list[Request | None] = []
        for content, request in contents:
            try:
                subjects.append(Subject.of(_labelled(content, namespaces)))
                sources.append(request)
            except NotAnObjectError:
                continue
        # The same object asked for again gets the same verdict; it is judged once.
        first: dict[bytes, int] = {}
        unique = [first.setdefault(subject.digest, place) for place, subject in enumerate(subjects)]
        places = sorted(set(unique))
        judgement = judge(
            self.compiled,
            [subjects[place] for place in places],
            namespaces=namespaces,
            gator=self.gator,
            inventory=self.inventory,
            cache=self.cache,
            keep_going=True,
        )
        found: dict[int, list[Finding]] = {}
        for finding in judgement.findings:
            found.setdefault(places[finding.subject], []).append(finding)
        judged = [
            (found.get(unique[place], []), subjects[place], source) for place, source in enumerate(sources)
        ]
        return judged, tuple(judgement.failures)


def _rows(found: Iterable[tuple[Finding, Subject, Request | None]]) -> list[Row]:
    objects: Counter[tuple[str, str, Action]] = Counter()
    requests: Counter[tuple[str, str, Action]] = Counter()
    users: dict[tuple[str, str, Action], Counter[str]] = {}
    examples: dict[tuple[str, str, Action], str] = {}
    seen: set[tuple[int, str, str, Action]] = set()
    for finding, subject, request in found:
        identity = subject.identity
        is_namespace = identity.kind.kind == "Namespace" and not identity.kind.group
        where = identity.name if is_namespace else identity.namespace
        key = where, finding.policy, finding.action
        examples.setdefault(key, f"{identity}: {finding.message}")
        # One request is refused once, however many containers are at fault.
        once = (id(request) if request is not None else id(subject), *key)
        if once in seen:
            continue
        seen.add(once)
        if request is None:
            objects[key] += 1
        else:
            requests[key] += 1
            users.setdefault(key, Counter())[request.user] += 1
    return sorted(
        (
            Row(*key, objects[key], requests[key], dict(users.get(key, Counter()).most_common()), example)
            for key, example in examples.items()
        ),
        key=lambda row: (-row.action.strength, -row.requests, -row.objects, row.namespace, row.policy),
    )


def _counts(event: Mapping[str, Any], reference: Mapping[str, Any], user: Mapping[str, Any]) -> bool:
    """Say whether a request is one that would be judged."""
    return (
        event.get("stage") == "ResponseComplete"
        and event.get("verb") in _VERBS
        and reference.get("subresource", "") in _SUBRESOURCES
        and NOT_JUDGED_GROUPS.isdisjoint(user.get("groups") or ())
        and _kind(reference) is not None
        and "dryRun=" not in str(event.get("requestURI", ""))
    )


def _kind(reference: Mapping[str, Any]) -> str | None:
    """Return what kind a resource is, among those that policies are about."""
    group, resource = reference.get("apiGroup", ""), reference.get("resource", "")
    for name in _KIND_NAMES:
        found = known_kind(group, name)
        if found is not None and found.plural == resource:
            return name
    return None


_KIND_NAMES: Final = (
    "CronJob",
    "DaemonSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "Ingress",
    "Job",
    "NetworkPolicy",
    "Pod",
    "PodDisruptionBudget",
    "ReplicaSet",
    "ReplicationController",
    "Service",
    "StatefulSet",
)
"""Those whose objects the audit log of a user cluster keeps (`moorage.local.material`)."""


def _object(event: Mapping[str, Any]) -> Object | None:
    """Return what the object was to be: as it was stored, or as it was sent when it was refused."""
    reference = event["objectRef"]
    kind = _kind(reference)
    for part in ("responseObject", "requestObject"):
        found = event.get(part)
        if isinstance(found, dict) and found.get("kind") == kind:
            metadata = {"namespace": reference.get("namespace"), **(found.get("metadata") or {})}
            return {**found, "metadata": {key: value for key, value in metadata.items() if value}}
    return None


def _is_made(content: Object) -> bool:
    owners = (content.get("metadata") or {}).get("ownerReferences") or ()
    return any(owner.get("controller") and known_kind(None, str(owner.get("kind"))) for owner in owners)


def _is_looked_at(content: Object, only: Collection[str]) -> bool:
    metadata = content.get("metadata") or {}
    named = metadata.get("name") if content.get("kind") == "Namespace" else metadata.get("namespace")
    return named not in EXEMPT_NAMESPACES and (not only or named in only)


def _labelled(content: Object, namespaces: Mapping[str, Mapping[str, str]]) -> Object:
    """Return a Namespace with the labels that it would have; anything else as it is."""
    if content.get("kind") != "Namespace" or content.get("apiVersion") != "v1":
        return content
    metadata = content["metadata"]
    labels = namespaces.get(metadata.get("name", ""))
    return {**content, "metadata": {**metadata, "labels": dict(labels)}} if labels is not None else content
