"""Write Gatekeeper's CRDs and RBAC into the package, out of the Go module that it is built from.

Usage: python scripts/vendor_gatekeeper.py

The version is the one in tools.toml; the module's content is verified by Go against the committed go.sum.
Only what the embedded platform runs is taken: judging, auditing, and what belongs to them; no mutation, no
external data, no policies of Kubernetes' own kind. What it may read of a cluster is not in here: that follows
from the policies.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from moorage.toolchain.catalog import GRAPHS_DIR, load_catalog

TOOL = "gatekeeper"
TARGET = Path(__file__).parents[1] / "src/moorage/local/data"
HEADER = "# Made by scripts/vendor_gatekeeper.py from Gatekeeper v{version} (Apache-2.0); do not edit.\n"
USER = "moorage:gatekeeper"
NAMESPACE = "gatekeeper-system"
LABELS = {"gatekeeper.sh/system": "yes"}
LEFT_OUT = ("assign", "modifyset", "mutator")
"""Beginnings of the names of CRDs that belong to mutation."""

GROUPS = ("config", "constraints", "expansion", "status", "templates")
"""Gatekeeper's own API groups, in which it writes."""

WATCHED = {
    "admissionregistration.k8s.io": (
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
        "validatingwebhookconfigurations",
    ),
    "connection.gatekeeper.sh": ("connections",),
    "externaldata.gatekeeper.sh": ("providers",),
    "syncset.gatekeeper.sh": ("syncsets",),
}
"""What it watches in any case, used or not; it does not become ready before it can."""


def main() -> None:
    """Write the two files."""
    version = load_catalog().tool(TOOL).version
    found = subprocess.run(
        ["go", "mod", "download", "-json", f"github.com/open-policy-agent/gatekeeper/v3@v{version}"],
        cwd=GRAPHS_DIR / "gatekeeper",
        check=True,
        capture_output=True,
    )
    module = Path(json.loads(found.stdout)["Dir"])
    crds = [
        yaml.safe_load(path.read_text())
        for path in sorted((module / "charts" / "gatekeeper" / "crds").glob("*.yaml"))
        if not path.name.startswith(LEFT_OUT)
    ]
    write("gatekeeper-crds.yaml", version, [own(crd) for crd in crds])
    roles = list(yaml.safe_load_all((module / "config" / "rbac" / "role.yaml").read_text()))
    [cluster_role] = [role for role in roles if role["kind"] == "ClusterRole"]
    write("gatekeeper-rbac.yaml", version, rbac(cluster_role))


def own(crd: dict[str, Any]) -> dict[str, Any]:
    """Label a CRD as Gatekeeper's."""
    crd["metadata"] = {"name": crd["metadata"]["name"], "labels": LABELS}
    return crd


def rbac(role: dict[str, Any]) -> list[dict[str, Any]]:
    """Keep what is needed of the release's role, and bind it to the user that the certificate names."""
    rules = [rule for rule in role["rules"] if needed(rule)]
    # The Pod that stands for it (moorage.local.gatekeeper).
    rules += [
        {"apiGroups": [""], "resources": ["pods"], "resourceNames": ["gatekeeper"], "verbs": ["get"]},
    ]
    rules += [
        {"apiGroups": [group], "resources": list(resources), "verbs": ["get", "list", "watch"]}
        for group, resources in WATCHED.items()
    ]
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER}
    binding = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": USER}
    api = "rbac.authorization.k8s.io/v1"
    metadata = {"name": USER, "labels": LABELS}
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": {"admission.gatekeeper.sh/ignore": "no-self-managing"}},
        },
        {"apiVersion": api, "kind": "ClusterRole", "metadata": metadata, "rules": rules},
        {
            "apiVersion": api,
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": binding,
            "subjects": [subject],
        },
    ]


def needed(rule: dict[str, Any]) -> bool:
    """Say whether a rule of the release's role is about what is run here."""
    if rule.get("resourceNames"):
        return False  # its own webhook configurations: others write them here
    own = {f"{group}.gatekeeper.sh" for group in GROUPS}
    groups, resources = set(rule["apiGroups"]), set(rule["resources"])
    if groups & own:
        rule["apiGroups"] = sorted(groups & own)
        return True
    return groups == {"apiextensions.k8s.io"} or (groups == {""} and resources == {"events"})


def write(name: str, version: str, objects: list[dict[str, Any]]) -> None:
    """Write one file."""
    text = yaml.safe_dump_all(objects, sort_keys=False, width=110)
    (TARGET / name).write_text(HEADER.format(version=version) + text)


if __name__ == "__main__":
    main()
