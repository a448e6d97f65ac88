"""Audit logs and RBAC as a busy cluster has them, from a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

NAMESPACES = 20
ACCOUNTS = 10
_TAG = b"-f0f"
"""In each audit ID, and nowhere else: by it, blocks of the same events become different ones."""

_RESOURCES = (
    ("", "pods"), ("", "configmaps"), ("", "secrets"), ("", "services"), ("", "events"),
    ("apps", "deployments"), ("apps", "replicasets"), ("batch", "jobs"),
    ("coordination.k8s.io", "leases"), ("networking.k8s.io", "ingresses"),
)  # fmt: skip
_VERBS = ("get", "get", "get", "list", "watch", "watch", "update", "patch", "create", "delete")
_RBAC = "rbac.authorization.k8s.io"


def write_log(path: Path, events: int, *, seed: int = 1) -> None:
    """Write a log of so many events of about 0.95 kB."""
    with path.open("w") as file:
        file.writelines(json.dumps(each, separators=(",", ":")) + "\n" for each in _events(events, seed))


def grow(path: Path, block: Path, size: int) -> int:
    """Write a log of a size, of blocks whose requests are all different; return how many events."""
    content = block.read_bytes()
    count = content.count(b"\n")
    written = 0
    with path.open("wb") as file:
        while file.tell() < size:
            file.write(content.replace(_TAG, b"-%03x" % written).replace(b"pods-", b"pods-%05x-" % written))
            written += 1
    return written * count


def write_rbac(path: Path) -> None:
    """Write what is granted: to each account of each namespace more than it uses."""
    items: list[dict[str, Any]] = [
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "app"},
            "rules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
        }
    ]
    for namespace in range(NAMESPACES):
        for account in range(ACCOUNTS):
            subject = {"kind": "ServiceAccount", "name": f"app-{account}", "namespace": f"team-{namespace}"}
            items.append(
                {
                    "apiVersion": f"{_RBAC}/v1",
                    "kind": "RoleBinding",
                    "metadata": {"name": f"app-{account}", "namespace": f"team-{namespace}"},
                    "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "app"},
                    "subjects": [subject],
                }
            )
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))


def account(namespace: int = 0, number: int = 0) -> tuple[str, str]:
    """Return one of those who are in a log: a namespace and a ServiceAccount."""
    return f"team-{namespace}", f"app-{number}"


def _events(count: int, seed: int) -> Iterator[dict[str, Any]]:
    rnd = random.Random(seed)  # noqa: S311 - the same log every time
    begin, step = datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=31) / count
    for number in range(count):
        namespace, name = account(rnd.randrange(NAMESPACES), rnd.randrange(ACCOUNTS))
        # An application does a few things again and again.
        habits = random.Random(f"{namespace}/{name}/{rnd.randrange(12)}")  # noqa: S311
        yield _event(rnd, habits, namespace, name, begin + step * number)


def _event(
    rnd: random.Random, habits: random.Random, namespace: str, name: str, at: datetime
) -> dict[str, Any]:
    (group, resource), verb = habits.choice(_RESOURCES), habits.choice(_VERBS)
    named = verb not in ("list", "watch", "create")
    thing = f"{resource}-{habits.randrange(4)}" if rnd.random() < 0.9 else f"{resource}-{rnd.randrange(500)}"  # noqa: PLR2004
    path = f"/{f'apis/{group}' if group else 'api'}/v1/namespaces/{namespace}/{resource}"
    path += f"/{thing}" if named else ""
    time = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    ref = {"resource": resource, "namespace": namespace, **({"name": thing} if named else {})}
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": f"{rnd.getrandbits(32):08x}-4a1b-4c2d-8e3f{_TAG.decode()}{rnd.getrandbits(36):09x}",
        "stage": "ResponseComplete",
        "requestURI": f"{path}?timeout=10s&resourceVersion={rnd.randrange(10**7)}",
        "verb": verb,
        "user": {
            "username": f"system:serviceaccount:{namespace}:{name}",
            "uid": "5d5ee2a1-66f0-4a57-8c3b-3e8a3bb5b1de",
            "groups": [
                "system:serviceaccounts",
                f"system:serviceaccounts:{namespace}",
                "system:authenticated",
            ],
            "extra": {"authentication.kubernetes.io/pod-name": [f"{name}-7d4b9c8f6-x2x2x"]},
        },
        "sourceIPs": ["10.1.2.3"],
        "userAgent": f"{name}/v0.0.0 (linux/amd64) kubernetes/$Format",
        "objectRef": {**ref, **({"apiGroup": group} if group else {}), "apiVersion": "v1"},
        "responseStatus": {"metadata": {}, "code": 200},
        "requestReceivedTimestamp": time,
        "stageTimestamp": time,
        "annotations": {
            "authorization.k8s.io/decision": "allow",
            "authorization.k8s.io/reason": f'RBAC: allowed by RoleBinding "{name}/{namespace}"',
        },
    }
