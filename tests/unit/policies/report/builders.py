"""Reports for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from moorage.manifests.model import Where
from moorage.policies.model import Action, Engine, GroupVersionKind, Mend, Policy, Reference, Scope
from moorage.policies.report.model import Report, Result, Thing
from moorage.reports.findings import Severity

NOW = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)


def policy(name: str = "privileged-containers", **changed: Any) -> Policy:
    return Policy(
        **{
            "name": name,
            "library": "moorage",
            "title": "Containers are not privileged",
            "severity": Severity.CRITICAL,
            "category": "pod-security",
            "scope": Scope.NAMESPACED,
            "what": "What it judges.",
            "why": "Why it matters.",
            "mend": Mend("Leave `privileged` out.", "a: before\n", "a: after\n"),
            "references": (Reference("Standards", "https://example.com/pss"),),
            "inventory": (),
            "engine": Engine.CEL,
            "template": {"spec": {"crd": {"spec": {"names": {"kind": "MoorageTest"}}}}},
            "constraint": {},
            **changed,
        }
    )


def thing(name: str = "web", file: str = "deploy/web.yaml", line: int | None = 4) -> Thing:
    return Thing(GroupVersionKind("apps", "v1", "Deployment"), "shop", name, Where(file, line))


def result(of: Thing | None = None, **changed: Any) -> Result:
    return Result(
        **{
            "thing": of or thing(),
            "policy": policy(),
            "message": 'container "web": securityContext.privileged is true; must not be set or be false',
            "action": Action.ENFORCE,
            "made": "Pod",
            "sets": ("baseline",),
            "spot": Where("deploy/web.yaml", 23, 13),
            **changed,
        }
    )


def report(*results: Result, **changed: Any) -> Report:
    things = {id(each.thing): each.thing for each in results}
    clean = thing("clean", "deploy/clean.yaml", 1)
    return Report(
        results,
        **{
            "things": (*things.values(), clean),
            "policies": {each.policy.name: each.policy for each in results},
            "time": NOW,
            **changed,
        },
    )
