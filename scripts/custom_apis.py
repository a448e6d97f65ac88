"""Write what common operators serve, deprecate and have removed into the package, out of their own CRDs.

Usage: python scripts/custom_apis.py

Of each project some releases are read, oldest first: a version counts as deprecated from the first of them
whose CRD says so, and as removed from the first that does not serve it any more. Go verifies the modules.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from moorage.manifests.documents import BrokenManifestError, documents

sys.path.insert(0, str(Path(__file__).parent))

from _api_changes import Type
from kubernetes_apis import TARGET, download, one_a_line


@dataclass(frozen=True, slots=True)
class Release:
    """A release of a project, as a Go module.

    Args:
        project: as a person calls it.
        module: which module.
        version: of the module.
        folder: where its CRDs are, and below.
    """

    project: str
    module: str
    version: str
    folder: str


RELEASES: Final = (
    Release("cert-manager", "github.com/jetstack/cert-manager", "v1.5.0", "deploy/crds"),
    Release("cert-manager", "github.com/jetstack/cert-manager", "v1.6.0", "deploy/crds"),
    Release("cert-manager", "github.com/cert-manager/cert-manager", "v1.21.2", "deploy/crds"),
    Release("cluster-api", "sigs.k8s.io/cluster-api", "v1.8.4", "config/crd/bases"),
    Release("cluster-api", "sigs.k8s.io/cluster-api", "v1.14.2", "core/config/crd/bases"),
    Release("cluster-api", "sigs.k8s.io/cluster-api", "v1.8.4", "controlplane/kubeadm/config/crd/bases"),
    Release("cluster-api", "sigs.k8s.io/cluster-api", "v1.14.2", "controlplane/kubeadm/config/crd/bases"),
    Release("cluster-api", "sigs.k8s.io/cluster-api", "v1.8.4", "bootstrap/kubeadm/config/crd/bases"),
    Release("cluster-api", "sigs.k8s.io/cluster-api", "v1.14.2", "bootstrap/kubeadm/config/crd/bases"),
    Release(
        "external-secrets", "github.com/external-secrets/external-secrets", "v0.16.2", "config/crds/bases"
    ),
    Release(
        "external-secrets", "github.com/external-secrets/external-secrets", "v1.3.2", "config/crds/bases"
    ),
    Release("gatekeeper", "github.com/open-policy-agent/gatekeeper/v3", "v3.17.0", "charts/gatekeeper/crds"),
    Release("gatekeeper", "github.com/open-policy-agent/gatekeeper/v3", "v3.23.1", "charts/gatekeeper/crds"),
    Release("gateway-api", "sigs.k8s.io/gateway-api", "v0.6.0", "config/crd/experimental"),
    Release("gateway-api", "sigs.k8s.io/gateway-api", "v1.1.0", "config/crd/experimental"),
    Release("gateway-api", "sigs.k8s.io/gateway-api", "v1.4.1", "config/crd/experimental"),
    Release("gateway-api", "sigs.k8s.io/gateway-api", "v1.6.0", "config/crd/experimental"),
    Release("istio", "istio.io/api", "v1.24.2", "kubernetes"),
    Release("istio", "istio.io/api", "v1.31.4", "kubernetes"),
    Release("keda", "github.com/kedacore/keda/v2", "v2.15.1", "config/crd/bases"),
    Release("keda", "github.com/kedacore/keda/v2", "v2.21.0", "config/crd/bases"),
    Release("kyverno", "github.com/kyverno/kyverno", "v1.13.4", "config/crds"),
    Release("kyverno", "github.com/kyverno/kyverno", "v1.19.1", "config/crds"),
    Release(
        "prometheus-operator",
        "github.com/prometheus-operator/prometheus-operator",
        "v0.85.0",
        "example/prometheus-operator-crd-full",
    ),
    Release("vertical-pod-autoscaler", "k8s.io/autoscaler/vertical-pod-autoscaler", "v1.8.1", "deploy"),
)

_TEMPLATE: Final = re.compile(r"^.*\{\{.*\n?", re.MULTILINE)
"""Lines of a chart's template: labels and conditions, never versions."""


@dataclass(slots=True)
class Life:
    """What is known of a version so far."""

    release: Release
    resource: str
    namespaced: bool
    deprecated: str | None = None
    removed: str | None = None
    said: str = ""


def main() -> None:
    """Write the file."""
    lives: dict[Type, Life] = {}
    current: dict[tuple[str, str], str] = {}
    with tempfile.TemporaryDirectory(prefix="moorage-apis-") as folder:
        Path(folder, "go.mod").write_text("module moorage.dev/apis\n\ngo 1.22\n")
        for release in RELEASES:
            take(release, list(crds(release, folder)), lives, current)
    rows = [row for kind in sorted(lives) if (row := as_row(kind, lives[kind], current)) is not None]
    (TARGET / "custom.json").write_text(one_a_line("apis", rows))


def crds(release: Release, folder: str) -> Iterator[dict[str, Any]]:
    """Yield the CRDs of a release."""
    place = download(release.module, release.version, folder) / release.folder
    for path in sorted(place.rglob("*.yaml")):
        text = path.read_text()
        if "kind: CustomResourceDefinition" not in text:
            continue
        for document in documents(_TEMPLATE.sub("", text)):
            if isinstance(document, BrokenManifestError):
                raise SystemExit(f"{path}: {document.problem}")
            if document.value.get("kind") == "CustomResourceDefinition":
                yield document.value


def take(
    release: Release,
    found: list[dict[str, Any]],
    lives: dict[Type, Life],
    current: dict[tuple[str, str], str],
) -> None:
    """Take in the CRDs of a release, which is newer than those of the same project before."""
    if not found:
        raise SystemExit(f"{release.module}@{release.version}: there is no CRD in {release.folder}")
    served: set[Type] = set()
    kinds = set()
    for crd in found:
        spec = crd["spec"]
        group, kind = spec["group"], spec["names"]["kind"]
        kinds.add((group, kind))
        for version in spec["versions"]:
            if version["storage"]:
                current[group, kind] = version["name"]
            if not version["served"]:
                continue
            this = Type(group, version["name"], kind)
            served.add(this)
            life = lives.setdefault(
                this, Life(release, spec["names"]["plural"], spec["scope"] == "Namespaced")
            )
            life.release, life.removed = release, None
            if version.get("deprecated") and life.deprecated is None:
                life.deprecated = release.version.removeprefix("v")
            life.said = version.get("deprecationWarning", life.said)
    for this, life in lives.items():
        if this not in served and (this.group, this.kind) in kinds and life.removed is None:
            life.removed = release.version.removeprefix("v")


def as_row(kind: Type, life: Life, current: dict[tuple[str, str], str]) -> dict[str, Any] | None:
    """Return a version as the advisor reads it; nothing of one that is served and not deprecated."""
    if life.deprecated is None and life.removed is None:
        return None
    instead = Type(kind.group, current[kind.group, kind.kind], kind.kind)
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "resource": life.resource,
        "namespaced": life.namespaced,
        "deprecated": life.deprecated,
        "removed": life.removed,
        "replacement": f"{instead.api_version} {kind.kind}" if instead != kind else None,
        "project": life.release.project,
        "source": f"{life.release.module}@{life.release.version}",
        **({"said": life.said} if life.said else {}),
    }


if __name__ == "__main__":
    main()
