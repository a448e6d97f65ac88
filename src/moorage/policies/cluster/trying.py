"""Trying policies before a cluster gets them.

Gatekeeper takes a template whose CEL does not compile, and from then on answers every question with an
error, which refuses all that the policy is about. So each policy first judges one object here; what cannot is
left out, and what the cluster had of it before stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from moorage.manifests.model import Object
from moorage.policies.cluster.plan import Invalid
from moorage.policies.cluster.resources import known_kind
from moorage.policies.compiled import Compiled, CompiledConstraint
from moorage.policies.compiling import compile_policies
from moorage.policies.engine import Subject, judge
from moorage.policies.model import Library

_NAMESPACE = "default"


def invalid_policies(libraries: Sequence[Library], gator: Path, now: datetime) -> tuple[Invalid, ...]:
    """Return the policies of libraries that cannot judge, and why. Blocks, and starts processes.

    Raises:
        PolicyError: the engine does not run, or the libraries contradict each other.
    """
    compiled = compile_policies(libraries, now=now, everything=True)
    subjects = list(_one_of_each(compiled))
    judgement = judge(
        compiled, subjects, namespaces={_NAMESPACE: {}}, gator=gator, workers=1, keep_going=True
    )
    found = {
        failure.policy: Invalid(failure.policy, "its template", failure.error.message)
        for failure in judgement.failures
        if failure.policy
    }
    return tuple(found[name] for name in sorted(found))


def _one_of_each(compiled: Compiled) -> Iterable[Subject]:
    """Yield as few objects as let each policy judge one."""
    seen: set[tuple[str, str]] = set()
    for constraint in compiled.constraints:
        group, kind = _first_kind(constraint)
        if (group, kind) not in seen:
            seen.add((group, kind))
            yield Subject.of(_bare(group, kind))


def _first_kind(constraint: CompiledConstraint) -> tuple[str, str]:
    for match in constraint.object["spec"]["match"].get("kinds") or ():
        groups, kinds = match.get("apiGroups") or ["*"], match.get("kinds") or ["*"]
        if "*" not in (groups[0], kinds[0]):
            return groups[0], kinds[0]
    return "", "ConfigMap"


def _bare(group: str, kind: str) -> Object:
    known = known_kind(group, kind)
    namespaced = known is None or known.namespaced
    version = known.api_version if known is not None else f"{group}/v1" if group else "v1"
    metadata = {"name": "moorage", **({"namespace": _NAMESPACE} if namespaced else {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata}
