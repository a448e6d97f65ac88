"""Builders: events of an audit log, RBAC objects, and random ones of both."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from moorage.advisors.advice import Advice, Finding
from moorage.advisors.permissions.model import ACCOUNT, Place, Rbac, Request, Usage, Who
from moorage.advisors.permissions.parsing import parse
from moorage.advisors.permissions.plan import Wanted, plan
from moorage.advisors.permissions.scan import scan
from moorage.reports.findings import Action

NOW = datetime(2026, 11, 1, tzinfo=UTC)
RBAC = "rbac.authorization.k8s.io"
WINDOW = timedelta(days=30)


def account(name: str = "web", namespace: str = "shop") -> Who:
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return Who(f"{ACCOUNT}{namespace}:{name}", groups)


def event(
    verb: str = "get",
    what: str = "pods",
    *,
    who: Who | None = None,
    namespace: str = "shop",
    name: str = "",
    code: int = 200,
    days_ago: float = 1,
    **fields: Any,
) -> dict[str, Any]:
    """An event; `what` is a path, or a resource with group and subresource: ``apps/deployments:scale``."""
    who = who or account()
    found: dict[str, Any] = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": str(uuid.uuid4()),
        "stage": "ResponseComplete",
        "verb": verb,
        "user": {"username": who.name, "groups": list(who.groups)},
        "responseStatus": {"metadata": {}, "code": code},
        "stageTimestamp": (NOW - timedelta(days=days_ago)).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
    if what.startswith("/"):
        found["requestURI"] = what
    else:
        resource, _, subresource = what.partition(":")
        group, _, resource = resource.rpartition("/")
        ref = {"apiGroup": group, "resource": resource, "subresource": subresource, "name": name}
        found["objectRef"] = {k: v for k, v in {**ref, "namespace": namespace}.items() if v}
        found["requestURI"] = f"/api/v1/namespaces/{namespace}/{resource}" + (f"/{name}" if name else "")
    return {**found, **fields}


def event_of(who: Who, request: Request, **fields: Any) -> dict[str, Any]:
    if request.path:
        return event(request.verb, request.path, who=who, **fields)
    what = f"{request.group}/{request.resource}" if request.group else request.resource
    what += f":{request.subresource}" if request.subresource else ""
    return event(request.verb, what, who=who, namespace=request.namespace, name=request.name, **fields)


def lines(events: Iterable[Any]) -> str:
    return "".join(json.dumps(each) + "\n" for each in events)


def write(path: Path, events: Iterable[Any]) -> str:
    path.write_text(lines(events))
    return str(path)


# The window is covered: somebody, who is granted nothing, was there at its beginning and does everything.
BACKGROUND = [
    event(verb, "pods", who=Who("nobody-special"), days_ago=days)
    for verb in ("get", "list", "watch")
    for days in range(31)
]


def usage(path: Path, events: Iterable[Any], *, workers: int = 1) -> Usage:
    return scan([write(path, [*BACKGROUND, *events])], workers=workers)


def rule(
    verbs: str, resources: str = "", groups: str = "", *, names: str = "", paths: str = ""
) -> dict[str, Any]:
    if paths:
        return {"verbs": verbs.split(), "nonResourceURLs": paths.split()}
    found = {"verbs": verbs.split(), "resources": resources.split(), "apiGroups": groups.split(" ")}
    return {**found, **({"resourceNames": names.split()} if names else {})}


def role(*rules: dict[str, Any], name: str = "r", namespace: str = "shop", **metadata: Any) -> dict[str, Any]:
    kind = "Role" if namespace else "ClusterRole"
    head = {"name": name, **({"namespace": namespace} if namespace else {}), **metadata}
    return {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": head, "rules": list(rules)}


def binding(
    *subjects: str,
    to: str = "r",
    kind: str = "Role",
    name: str = "b",
    namespace: str = "shop",
    **metadata: Any,
) -> dict[str, Any]:
    """A binding; a subject is ``sa:NAMESPACE/NAME``, ``user:NAME`` or ``group:NAME``."""
    head = {"name": name, **({"namespace": namespace} if namespace else {}), **metadata}
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": head,
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": to},
        "subjects": [_subject(each) for each in subjects or ("sa:shop/web",)],
    }


def _subject(told: str) -> dict[str, str]:
    kind, _, name = told.partition(":")
    if kind == "sa":
        namespace, _, name = name.partition("/")
        return {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return {"kind": {"user": "User", "group": "Group"}[kind], "apiGroup": RBAC, "name": name}


def rbac(*objects: dict[str, Any], complete: bool = False) -> Rbac:
    return parse([(each, Place("rbac.yaml", 1)) for each in objects], origin="rbac.yaml", complete=complete)


def advise(path: Path, objects: Iterable[dict[str, Any]], events: Iterable[Any], **options: Any) -> Advice:
    granted = rbac(*objects, complete=options.pop("complete", False))
    return plan(usage(path / "audit.log", events), granted, Wanted(**options), now=NOW)


def codes(advice: Advice) -> list[str]:
    return [finding.code for finding in advice.findings]


def only(advice: Advice, code: str) -> Finding:
    found = [finding for finding in advice.findings if finding.code == code]
    assert len(found) == 1, codes(advice)
    return found[0]


def applied(objects: Iterable[dict[str, Any]], findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """The objects as they are when the changes of some findings have been carried out."""
    world = {_key(each): each for each in objects}
    for finding in findings:
        for change in finding.change:
            content = dict(change.content)
            if change.action is Action.DELETE:
                world.pop(_key(content), None)
            else:
                world[_key(content)] = {**world.get(_key(content), {}), **content}
    return list(world.values())


def _key(content: dict[str, Any]) -> tuple[str, str, str]:
    metadata = content["metadata"]
    return content["kind"], metadata.get("namespace", ""), metadata["name"]


# ---- random ones -----------------------------------------------------------------------------------------

NAMESPACES = ("shop", "blog")
VERBS = ("get", "list", "update", "create", "escalate")
GROUPS = ("", "apps")
RESOURCES = ("pods", "secrets", "deployments")
SUBRESOURCES = ("", "status")
NAMES = ("", "a", "b")
PATHS = ("/api", "/metrics", "/apis/apps")
USERS = (account("web"), account("db", "blog"), Who("ann", ("devs", "system:authenticated")))


def some(*words: str, most: int = 3) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(words), min_size=1, max_size=most, unique=True)


RULES = st.one_of(
    st.fixed_dictionaries(
        {
            "verbs": some(*VERBS, "*"),
            "apiGroups": some(*GROUPS, "*", most=2),
            "resources": some(*RESOURCES, "pods/status", "*/status", "*"),
        },
        optional={"resourceNames": some("a", "b", most=2)},
    ),
    st.fixed_dictionaries(
        {"verbs": some("get", "post", "*", most=2), "nonResourceURLs": some(*PATHS, "/apis/*", "*")}
    ),
)
REQUESTS = st.one_of(
    st.builds(
        Request,
        verb=st.sampled_from(VERBS[:-1]),
        group=st.sampled_from(GROUPS),
        resource=st.sampled_from(RESOURCES),
        subresource=st.sampled_from(SUBRESOURCES),
        namespace=st.sampled_from(("", *NAMESPACES)),
        name=st.sampled_from(NAMES),
        path=st.just(""),
    ),
    st.sampled_from([Request(verb, path=path) for verb in ("get", "post") for path in PATHS]),
).filter(lambda request: request.verb != "create" or bool(request.subresource) or not request.name)
SUBJECTS = ("sa:shop/web", "sa:blog/db", "user:ann", "group:devs", "group:system:authenticated")


@st.composite
def worlds(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Roles and bindings, as they may be in a cluster."""
    objects = []
    for number in range(draw(st.integers(1, 3))):
        namespace = draw(st.sampled_from(("", *NAMESPACES)))
        rules = draw(st.lists(RULES, min_size=1, max_size=3))
        objects.append(role(*rules, name=f"r{number}", namespace=namespace))
        for place in range(draw(st.integers(1, 2))):
            where = namespace or draw(st.sampled_from(("", *NAMESPACES)))
            subjects = draw(some(*SUBJECTS, most=2))
            kind = "Role" if namespace else "ClusterRole"
            objects.append(
                binding(*subjects, to=f"r{number}", kind=kind, name=f"b{number}{place}", namespace=where)
            )
    return objects
