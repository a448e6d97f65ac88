"""Write Cluster API's CRDs, RBAC and webhooks into the package, out of the Go module that it is built from.

Usage: python scripts/vendor_cluster_api.py

The version is the one in tools.toml; the module's content is verified by Go against the committed go.sum.
What kustomize does in Cluster API's own release (names, namespace, labels) is done here; where the webhooks
are, and who signed their certificate, is filled in when the platform is started.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from moorage.toolchain.catalog import GRAPHS_DIR, load_catalog

TOOL = "cluster-api-core"
TARGET = Path(__file__).parents[1] / "src/moorage/local/data"
LABELS = {"cluster.x-k8s.io/provider": "cluster-api"}
HEADER = "# Made by scripts/vendor_cluster_api.py from Cluster API v{version} (Apache-2.0); do not edit.\n"


def main() -> None:
    """Write the three files."""
    version = load_catalog().tool(TOOL).version
    found = subprocess.run(
        ["go", "mod", "download", "-json", f"sigs.k8s.io/cluster-api@v{version}"],
        cwd=GRAPHS_DIR / "cluster-api",
        check=True,
        capture_output=True,
    )
    config = Path(json.loads(found.stdout)["Dir"]) / "core" / "config"
    write("cluster-api-crds.yaml", version, [crd(obj) for obj in load(config / "crd" / "bases")])
    write("cluster-api-rbac.yaml", version, rbac(config / "rbac"))
    write(
        "cluster-api-webhooks.yaml",
        version,
        [webhook(obj) for obj in load(config / "webhook", "manifests.yaml")],
    )


def load(folder: Path, pattern: str = "*.yaml") -> list[dict[str, Any]]:
    """Read every object of a folder's files."""
    return [
        obj for path in sorted(folder.glob(pattern)) for obj in yaml.safe_load_all(path.read_text()) if obj
    ]


def crd(obj: dict[str, Any]) -> dict[str, Any]:
    """Label a CRD, and serve the version that is stored alone.

    While an older one is served too, the API server has each write converted to it, by a webhook, to keep
    track of its fields: for nobody, since no client here speaks the older one.
    """
    metadata = obj["metadata"]
    versions = obj["spec"]["versions"]
    obj["spec"]["versions"] = [version for version in versions if version["storage"]]
    metadata["labels"] = {**metadata.get("labels", {}), **LABELS}
    return obj


def rbac(folder: Path) -> list[dict[str, Any]]:
    """Bind the manager's roles to the user that its certificate names."""
    objects = []
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "moorage:cluster-api"}
    for obj in load(folder):
        # The aggregated role is filled in by a controller, seconds after Cluster API would need it; the one
        # provider that there is here is bound by itself (embedded.yaml).
        if obj["kind"] in ("Kustomization", "ServiceAccount") or "aggregationRule" in obj:
            continue
        obj["metadata"]["name"] = f"capi-{obj['metadata']['name']}"
        obj["metadata"].setdefault("labels", {}).update(LABELS)
        if obj["kind"] in ("Role", "RoleBinding"):
            obj["metadata"]["namespace"] = "capi-system"
        if "roleRef" in obj:
            obj["roleRef"]["name"] = f"capi-{obj['roleRef']['name']}"
            obj["subjects"] = [subject]
        objects.append(obj)
    return objects


def webhook(obj: dict[str, Any]) -> dict[str, Any]:
    """Name a webhook configuration as the release does."""
    obj["metadata"] = {"name": f"capi-{obj['metadata']['name']}", "labels": LABELS}
    return obj


def write(name: str, version: str, objects: list[dict[str, Any]]) -> None:
    """Write one file."""
    text = yaml.safe_dump_all(objects, sort_keys=False, width=110)
    (TARGET / name).write_text(HEADER.format(version=version) + text)


if __name__ == "__main__":
    main()
