"""What policies are measured with: manifests, and a bundle that Moorage and `gator test` both read."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from moorage.policies.compiling import compile_policies
from moorage.policies.load import builtin_library_path, load_library
from moorage.policies.model import Library

Object = dict[str, Any]


class _Dumper(yaml.SafeDumper):
    """YAML as people write it: everything in its place, nothing by reference."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - whatever it is
        return True


PER_FILE = 10
NAMESPACES = 20
_FLAW_EVERY = 10  # one in so many has a flaw; the others keep to nearly every policy


def write_manifests(folder: Path, count: int) -> None:
    """Write as many objects, half of them Deployments and half of them Pods, in files of ten."""
    objects = [_deployment(number) if number % 2 == 0 else _pod(number) for number in range(count)]
    for start in range(0, count, PER_FILE):
        path = folder / f"team-{start // PER_FILE // NAMESPACES:03}" / f"manifest-{start:05}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_text(*objects[start : start + PER_FILE]), "utf-8")


def _text(*documents: Any) -> str:
    return yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False)


def change_one(folder: Path, version: int) -> None:
    """Change the image of one object."""
    path = min(folder.rglob("*.yaml"))
    text = path.read_text("utf-8")
    path.write_text(
        text.replace("registry.example.com/app-0", f"registry.example.com/app-0-{version}", 1), "utf-8"
    )


def write_library(folder: Path, policies: int | None = None) -> Library:
    """Copy Moorage's library, or as many of its policies evenly spread, without the sets."""
    source = builtin_library_path()
    names = sorted(path.name for path in (source / "policies").iterdir() if path.is_dir())
    kept = names if policies is None else [names[place * len(names) // policies] for place in range(policies)]
    for name in kept:
        shutil.copytree(source / "policies" / name, folder / "policies" / name)
    shutil.copytree(source / "expansion", folder / "expansion")
    return load_library(folder)


def write_bundle(folder: Path, library: Library) -> None:
    """Write what `gator test` needs to judge with the same policies: templates, constraints, expansions."""
    compiled = compile_policies([library], now=datetime.now(UTC), everything=True)
    folder.mkdir(parents=True)
    documents = [
        *(template.plain for template in compiled.templates),
        *(constraint.object for constraint in compiled.constraints),
        *compiled.expansions,
    ]
    for number, document in enumerate(documents):
        (folder / f"{number:03}.yaml").write_text(_text(document), "utf-8")


def _metadata(number: int, kind: str) -> Object:
    labels = {
        "app.kubernetes.io/name": f"app-{number}",
        "app.kubernetes.io/part-of": "shop",
        "app.kubernetes.io/version": "1.0.3",
        "team": f"team-{number % 7}",
    }
    return {"name": f"{kind}-{number}", "namespace": f"shop-{number % NAMESPACES}", "labels": labels}


def _pod_spec(number: int) -> Object:
    flawed = number % _FLAW_EVERY == 0
    container: Object = {
        "name": "app",
        "image": f"registry.example.com/app-{number}:1.0.3",
        "imagePullPolicy": "IfNotPresent",
        "command": ["/app", "--listen=:8080", f"--shard={number}"],
        "ports": [{"name": "http", "containerPort": 8080}],
        "env": [{"name": f"SETTING_{place}", "value": f"value-{place}"} for place in range(8)],
        "resources": {
            "requests": {"cpu": "100m", "memory": "128Mi", "ephemeral-storage": "64Mi"},
            "limits": {"cpu": "200m", "memory": "128Mi", "ephemeral-storage": "128Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": flawed,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 5},
        "livenessProbe": {"httpGet": {"path": "/live", "port": "http"}, "periodSeconds": 20},
        "volumeMounts": [{"name": "cache", "mountPath": "/var/cache/app"}],
    }
    sidecar = {
        **container,
        "name": "proxy",
        "image": "registry.example.com/proxy:2.4.1",
        "ports": [{"name": "proxy", "containerPort": 15001, **({"hostPort": 15001} if flawed else {})}],
    }
    return {
        "serviceAccountName": f"app-{number}",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": [{**container, "name": "migrate", "readinessProbe": None, "livenessProbe": None}],
        "containers": [container, sidecar],
        "volumes": [{"name": "cache", "emptyDir": {"sizeLimit": "64Mi"}}],
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "topology.kubernetes.io/zone",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {"app.kubernetes.io/name": f"app-{number}"}},
            }
        ],
    }


def _pod(number: int) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _metadata(number, "pod"),
        "spec": _pod_spec(number),
    }


def _deployment(number: int) -> Object:
    own = _metadata(number, "web")
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": own,
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app.kubernetes.io/name": f"app-{number}"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {"metadata": {"labels": own["labels"]}, "spec": _pod_spec(number)},
        },
    }
