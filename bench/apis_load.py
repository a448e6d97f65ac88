"""Manifests with known truth: what uses versions that Kubernetes 1.38 does not serve, what only looks so."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TARGET = "1.38"
A_FOLDER = 100
SHARE_REMOVED = 0.10
SHARE_TRAPS = 0.10

# From the deprecated API migration guide of Kubernetes, and from its release notes since.
REMOVED = (
    ("extensions/v1beta1", "Ingress"),
    ("extensions/v1beta1", "Deployment"),
    ("extensions/v1beta1", "DaemonSet"),
    ("extensions/v1beta1", "NetworkPolicy"),
    ("apps/v1beta1", "StatefulSet"),
    ("apps/v1beta2", "Deployment"),
    ("networking.k8s.io/v1beta1", "Ingress"),
    ("networking.k8s.io/v1beta1", "IngressClass"),
    ("rbac.authorization.k8s.io/v1beta1", "ClusterRole"),
    ("rbac.authorization.k8s.io/v1beta1", "RoleBinding"),
    ("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition"),
    ("admissionregistration.k8s.io/v1beta1", "ValidatingWebhookConfiguration"),
    ("scheduling.k8s.io/v1beta1", "PriorityClass"),
    ("storage.k8s.io/v1beta1", "StorageClass"),
    ("batch/v1beta1", "CronJob"),
    ("policy/v1beta1", "PodDisruptionBudget"),
    ("policy/v1beta1", "PodSecurityPolicy"),
    ("autoscaling/v2beta1", "HorizontalPodAutoscaler"),
    ("autoscaling/v2beta2", "HorizontalPodAutoscaler"),
    ("discovery.k8s.io/v1beta1", "EndpointSlice"),
    ("flowcontrol.apiserver.k8s.io/v1beta3", "FlowSchema"),
    ("storage.k8s.io/v1beta1", "VolumeAttributesClass"),
    ("networking.k8s.io/v1beta1", "IPAddress"),
    ("resource.k8s.io/v1beta1", "ResourceClaimTemplate"),
    ("resource.k8s.io/v1beta1", "DeviceClass"),
)
CURRENT = (
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("batch/v1", "CronJob"),
    ("networking.k8s.io/v1", "Ingress"),
    ("policy/v1", "PodDisruptionBudget"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("resource.k8s.io/v1", "ResourceClaimTemplate"),
)


@dataclass(frozen=True, slots=True, order=True)
class Use:
    """A use of a version: in which file, of what."""

    file: str
    api_version: str
    kind: str
    name: str


def write(folder: Path, count: int) -> frozenset[Use]:
    """Write files; return every use in them of a version that the target does not serve."""
    rnd = random.Random(38)  # noqa: S311 - the same every time
    truth: set[Use] = set()
    for number in range(count):
        place = folder / f"team-{number // A_FOLDER:02d}"
        place.mkdir(parents=True, exist_ok=True)
        chance = rnd.random()
        if chance < SHARE_REMOVED:
            api_version, kind = REMOVED[number % len(REMOVED)]
            suffix, text = rnd.choice(_FORMS)(api_version, kind, f"app-{number}", rnd)
            truth.add(Use(f"{place.name}/{number}.{suffix}", api_version, kind, f"app-{number}"))
        elif chance < SHARE_REMOVED + SHARE_TRAPS:
            suffix, text = "yaml", rnd.choice(_TRAPS)(number, *REMOVED[number % len(REMOVED)])
        else:
            suffix = "yaml"
            text = "---\n".join(_current(f"app-{number}-{part}", rnd) for part in range(rnd.randint(1, 3)))
        (place / f"{number}.{suffix}").write_text(text, newline="")
    return frozenset(truth)


def _spec(rnd: random.Random) -> dict[str, Any]:
    """Something of the size that specifications have."""
    container = {
        "name": "web",
        "image": f"registry.example.com/shop/web:{rnd.randint(1, 99)}",
        "env": [{"name": f"SETTING_{n}", "value": str(rnd.random())} for n in range(12)],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "args": ["--listen=:8080", "--match=^/api/\\d+\\.json$", "--log=json"],
    }
    return {"selector": {"matchLabels": {"app": "web"}}, "template": {"spec": {"containers": [container]}}}


def _yaml(api_version: str, kind: str, name: str, rnd: random.Random) -> str:
    lines = [
        "# Copyright: the shop's authors.",
        f"apiVersion: {api_version}",
        f"kind: {kind}",
        "metadata:",
        f"  name: {name}",
        "  namespace: shop",
        "  labels: {app: web, team: shop}",
        "spec:",
    ]
    lines += [f"  {key}: {json.dumps(value)}" for key, value in _spec(rnd).items()]
    return "\n".join(lines) + "\n"


def _current(name: str, rnd: random.Random) -> str:
    return _yaml(*rnd.choice(CURRENT), name, rnd)


def _plain(api_version: str, kind: str, name: str, rnd: random.Random) -> tuple[str, str]:
    return "yaml", _yaml(api_version, kind, name, rnd)


def _quoted(api_version: str, kind: str, name: str, rnd: random.Random) -> tuple[str, str]:
    return "yml", _yaml(f'"{api_version}"', f"'{kind}'", name, rnd)


def _second(api_version: str, kind: str, name: str, rnd: random.Random) -> tuple[str, str]:
    first = _current(f"{name}-before", rnd)
    return "yaml", f"{first}---\n# next\n{_yaml(api_version, kind, name, rnd)}"


def _windows(api_version: str, kind: str, name: str, rnd: random.Random) -> tuple[str, str]:
    return "yaml", _yaml(api_version, kind, name, rnd).replace("\n", "\r\n")


def _in_list(api_version: str, kind: str, name: str, rnd: random.Random) -> tuple[str, str]:
    item = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": _spec(rnd)}
    return "yaml", f"apiVersion: v1\nkind: List\nitems:\n- {json.dumps(item)}\n"


def _json(api_version: str, kind: str, name: str, rnd: random.Random) -> tuple[str, str]:
    item = {"kind": kind, "apiVersion": api_version, "metadata": {"name": name}, "spec": _spec(rnd)}
    return "json", json.dumps(item, indent=2)


def _escaped(api_version: str, kind: str, name: str, rnd: random.Random) -> tuple[str, str]:
    suffix, text = _json(api_version, kind, name, rnd)
    return suffix, text.replace("v1beta", "v1\\u0062eta").replace("v2beta", "v2\\u0062eta")


def _last_key(api_version: str, kind: str, name: str, rnd: random.Random) -> tuple[str, str]:
    spec = json.dumps(_spec(rnd))
    return "yaml", f"metadata: {{name: {name}}}\nspec: {spec}\nkind: {kind}\napiVersion: {api_version}\n"


_Form = Callable[[str, str, str, random.Random], tuple[str, str]]
_FORMS: tuple[_Form, ...] = (
    _plain, _plain, _plain, _quoted, _second, _windows, _in_list, _json, _escaped, _last_key,
)  # fmt: skip


def _comment(number: int, api_version: str, kind: str) -> str:
    return (
        f"# apiVersion: {api_version}\n# kind: {kind}\napiVersion: v1\nkind: Service\n"
        f"metadata: {{name: trap-{number}}}\n"
    )


def _embedded(number: int, api_version: str, kind: str) -> str:
    return (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: trap-{number}}}\ndata:\n  example.yaml: |\n"
        f"    apiVersion: {api_version}\n    kind: {kind}\n    metadata: {{name: example}}\n"
    )


def _annotation(number: int, api_version: str, kind: str) -> str:
    return (
        f"apiVersion: v1\nkind: Service\nmetadata:\n  name: trap-{number}\n  annotations:\n"
        f"    note: was {api_version} {kind}\n"
    )


def _namesake(number: int, api_version: str, kind: str) -> str:
    """An object of somebody else's group that ends as one of Kubernetes does."""
    return f"apiVersion: my{api_version}\nkind: {kind}\nmetadata: {{name: trap-{number}}}\n"


_TRAPS: tuple[Callable[[int, str, str], str], ...] = (_comment, _embedded, _annotation, _namesake)
