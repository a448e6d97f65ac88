"""What made a pod: by its owner references while it is there, by its name when it is gone. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from moorage.advisors.resources.model import Workload

_PASSED: Final = frozenset({"ReplicaSet", "Job"})
"""Kinds that others make for each rollout or run: a person edits what is above them."""
_GENERATES: Final = frozenset({"ReplicaSet", "DaemonSet", "Job"})
"""Kinds whose pods have five random characters at the end of their names."""
_DEEPEST: Final = 8

# What k8s.io/apimachinery/pkg/util/rand makes names of: no vowels and nothing that reads like one. A
# template's hash is the decimal digits of a number, each as one of ten of these.
_RANDOM: Final = "[bcdfghjklmnpqrstvwxz2456789]"
_HASH: Final = "[456789bcdf]{6,10}"
_GENERATED: Final = re.compile(f"(.+)-{_RANDOM}{{5}}", re.ASCII)
_OF_DEPLOYMENT: Final = re.compile(f"(.+)-{_HASH}", re.ASCII)
_OF_CRONJOB: Final = re.compile(r"(.+)-\d{8,10}", re.ASCII)
_INDEXED: Final = re.compile(r"(.+)-(?:0|[1-9]\d*)", re.ASCII)

_LONGEST: Final = 63
_LONGEST_BASE: Final = 58
"""An API server cuts what it puts five random characters behind."""


class Owners:
    """Knows who made pods.

    A pod that is there tells it by its references. One that is gone is known by its name alone: it counts as
    a workload's where its name can be that of a pod of this one, and of no other that there is.

    Args:
        objects: the workloads, ReplicaSets and Jobs that there are, and what controls each.
        pods: the pods that there are, by namespace and name, and what controls each.
    """

    def __init__(
        self,
        objects: Mapping[Workload, Workload | None],
        pods: Mapping[tuple[str, str], Workload | None],
    ) -> None:
        self._objects = objects
        self._pods = pods
        self._cut: dict[tuple[str, str], set[Workload]] = {}
        for each in objects:
            if each.kind in _GENERATES and len(each.name) >= _LONGEST_BASE:
                self._cut.setdefault((each.namespace, each.name[:_LONGEST_BASE]), set()).add(each)

    def of(self, namespace: str, pod: str) -> Workload | None:
        """Return what a person would edit to change a pod; ``None`` where that is not known for sure."""
        key = (namespace, pod)
        if key not in self._pods:
            return self._by_name(namespace, pod)
        owner = self._pods[key]
        if owner is None or owner.kind == "Node":  # a static pod: what runs it is a file on that node
            return None
        if owner.kind in _PASSED and owner not in self._objects:  # it went between two lists
            return self._by_name(namespace, pod)
        return self._above(owner)

    def managed_by(self) -> dict[Workload, Workload]:
        """Return what keeps workloads as they are, of those that are not their own masters."""
        return {
            workload: owner
            for workload, owner in self._objects.items()
            if owner is not None and workload.kind not in _PASSED
        }

    def _above(self, owner: Workload) -> Workload:
        for _ in range(_DEEPEST):
            above = self._objects.get(owner) if owner.kind in _PASSED else None
            if above is None:
                break
            owner = above
        return owner

    def _by_name(self, namespace: str, pod: str) -> Workload | None:
        found = {self._above(each) for each in self._candidates(namespace, pod)}
        return found.pop() if len(found) == 1 else None

    def _candidates(self, namespace: str, pod: str) -> Iterable[Workload]:
        def there(kind: str, name: str) -> Iterable[Workload]:
            found = Workload(namespace, kind, name)
            return (found,) if found in self._objects else ()

        if match := _INDEXED.fullmatch(pod):
            yield from there("StatefulSet", match[1])
        if len(pod) == _LONGEST:
            yield from self._cut.get((namespace, pod[:_LONGEST_BASE]), ())
        if match := _GENERATED.fullmatch(pod):
            base = match[1]
            for kind in _GENERATES:
                yield from there(kind, base)
            if above := _OF_DEPLOYMENT.fullmatch(base):
                yield from there("Deployment", above[1])
            index = _INDEXED.fullmatch(base)
            for job in (base, index[1]) if index else (base,):
                yield from there("Job", job)
                if above := _OF_CRONJOB.fullmatch(job):
                    yield from there("CronJob", above[1])
