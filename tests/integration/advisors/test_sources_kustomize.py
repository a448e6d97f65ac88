"""Changes placed in kustomizations, proved by the real kustomize."""

from __future__ import annotations

import subprocess
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from moorage.advisors.advice import Change
from moorage.advisors.sources.asked import Asked
from moorage.advisors.sources.model import DoesNotBuildError
from moorage.advisors.sources.patching import unified_diff, write
from moorage.advisors.sources.placing import Placed, place
from moorage.advisors.sources.reading import sources_at
from moorage.manifests.rendering import Release
from moorage.reports.findings import Action

from .sources import changes

DEPLOYMENT = """
    # The shop.
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: web
    spec:
      replicas: 2
      selector: {matchLabels: {app: web}}
      template:
        metadata: {labels: {app: web}}
        spec:
          containers:
            - name: web
              image: "shop:1"  # pinned
              resources:
                requests: {cpu: 500m, memory: 1Gi}  # guessed
            - name: log
              image: log:2
"""
BINDING = """
    apiVersion: rbac.authorization.k8s.io/v1
    kind: RoleBinding
    metadata:
      name: old
    roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: x}
    subjects:
      - {kind: ServiceAccount, name: a, namespace: shop}
"""
PROD = """
    resources: [../../base]
    namespace: shop
    namePrefix: p-
    labels:
      - pairs: {team: shop}
    replicas:
      - name: web
        count: 5   # many
    images:
      - name: shop
        newTag: "7"
    patches:
      - path: more.yaml
      - target: {kind: Deployment, name: web}
        patch: |-
          - op: replace
            path: /spec/template/spec/containers/1/image
            value: log:9   # inline
      - patch: |-
          apiVersion: apps/v1
          kind: Deployment
          metadata:
            name: web
          spec:
            minReadySeconds: 5  # slow
"""
MORE = """
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web}
    spec:
      template:
        spec:
          containers:
            - name: web
              resources:
                limits:
                  memory: 2Gi # hard
"""
GROUP = "rbac.authorization.k8s.io"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A base and an overlay of it."""
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    put("base/kustomization.yaml", "resources:\n  - deploy.yaml   # the app\n  - rbac.yaml\n")
    put("base/deploy.yaml", DEPLOYMENT)
    put("base/rbac.yaml", BINDING)
    put("overlays/prod/kustomization.yaml", PROD)
    put("overlays/prod/more.yaml", MORE)
    return tmp_path


def put(name: str, text: str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(textwrap.dedent(text).removeprefix("\n"), encoding="utf-8")


def web(spec: Mapping[str, Any]) -> Asked:
    metadata = {"name": "p-web", "namespace": "shop"}
    content = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
    return Asked("web", (Change(Action.APPLY, content),))


def container(name: str, **fields: Any) -> Asked:
    return web({"template": {"spec": {"containers": [{"name": name, **fields}]}}})


def rbac(action: Action, kind: str, name: str, **rest: Any) -> Change:
    metadata = {"name": name, "namespace": "shop"}
    return Change(action, {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata, **rest})


def placed(*wishes: Asked, paths: tuple[str, ...] = ("overlays/prod",)) -> Placed:
    with ExitStack() as stack:
        found = sources_at(paths, release=Release(), namespace="default", stack=stack, notes=[])
        return place(wishes, found)


@pytest.mark.parametrize(
    ("wish", "edits"),
    [
        pytest.param(
            web({"replicas": 3}),
            ["+++ b/overlays/prod/kustomization.yaml", "-    count: 5   # many", "+    count: 3   # many"],
            id="replicas",
        ),
        pytest.param(
            container("web", image="shop:8"),
            ["+++ b/overlays/prod/kustomization.yaml", '-    newTag: "7"', '+    newTag: "8"'],
            id="images",
        ),
        pytest.param(
            container("log", image="log:10"),
            [
                "+++ b/overlays/prod/kustomization.yaml",
                "-        value: log:9   # inline",
                "+        value: log:10   # inline",
            ],
            id="a patch by paths, in the kustomization",
        ),
        pytest.param(
            web({"minReadySeconds": 9}),
            [
                "+++ b/overlays/prod/kustomization.yaml",
                "-        minReadySeconds: 5  # slow",
                "+        minReadySeconds: 9  # slow",
            ],
            id="a strategic patch, in the kustomization",
        ),
        pytest.param(
            container("web", resources={"limits": {"memory": "3Gi"}}),
            [
                "+++ b/overlays/prod/more.yaml",
                "-              memory: 2Gi # hard",
                "+              memory: 3Gi # hard",
            ],
            id="a strategic patch wins over the base",
        ),
        pytest.param(
            container("web", resources={"requests": {"cpu": "100m"}}),
            [
                "+++ b/base/deploy.yaml",
                "-            requests: {cpu: 500m, memory: 1Gi}  # guessed",
                "+            requests: {cpu: 100m, memory: 1Gi}  # guessed",
            ],
            id="the base",
        ),
        pytest.param(
            container("log", resources={"requests": {"cpu": "10m"}}),
            [
                "+++ b/base/deploy.yaml",
                "+          resources:",
                "+            requests:",
                "+              cpu: 10m",
            ],
            id="what nobody says is added to the resource",
        ),
    ],
)
def test_a_value_is_changed_where_it_is_said(folder: Path, wish: Asked, edits: list[str]) -> None:
    found = placed(wish)
    assert not found.unplaced
    assert changes(found) == edits


def test_the_patch_of_all_of_them_makes_what_was_asked_for_and_nothing_is_left(folder: Path) -> None:
    wishes = [
        web({"replicas": 3}),
        container("web", image="shop:8", resources={"limits": {"memory": "3Gi"}}),
        container("log", image="log:10"),
    ]
    found = placed(*wishes)
    Path("p.diff").write_text(unified_diff(found.before, found.after), encoding="utf-8")
    subprocess.run(["git", "apply", "p.diff"], check=True)
    again = placed(*wishes)
    assert (again.after, len(again.already), again.unplaced) == ({}, 3, ())


def test_the_base_of_another_overlay_is_not_changed_and_the_overlay_is_if_it_can(folder: Path) -> None:
    put("overlays/dev/kustomization.yaml", "resources: [../../base]\nnamespace: dev\n")
    found = placed(
        container("web", resources={"requests": {"cpu": "100m"}}), container("log", image="log:10")
    )
    assert "base/deploy.yaml" not in {str(path.relative_to(folder.resolve())) for path in found.after}
    assert "+            requests:" in changes(found)
    refused = placed(container("log", resources={"requests": {"cpu": "10m"}}))
    assert refused.after == {}
    assert "Deployment dev/web in overlays/dev" in refused.unplaced[0].why


def test_an_object_goes_with_its_file_and_the_line_that_names_it(folder: Path) -> None:
    found = placed(Asked("gone", (rbac(Action.DELETE, "RoleBinding", "p-old"),)))
    edits = changes(found)
    assert edits[:2] == ["+++ b/base/kustomization.yaml", "-  - rbac.yaml"]
    assert edits[2] == "+++ /dev/null"
    write(found.before, found.after)
    assert not Path("base/rbac.yaml").exists()


def test_an_object_that_a_patch_is_about_does_not_go(folder: Path) -> None:
    metadata = {"name": "p-web", "namespace": "shop"}
    going = Change(Action.DELETE, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata})
    found = placed(Asked("gone", (going,)))
    assert found.after == {}
    assert "does not build" in found.unplaced[0].why


def test_an_object_whose_name_is_made_longer_is_refused_and_without_a_prefix_it_comes(folder: Path) -> None:
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    change = (
        rbac(Action.APPLY, "Role", "less", rules=rules),
        rbac(Action.DELETE, "RoleBinding", "p-old"),
    )
    assert "would be made, too" in placed(Asked("less", change)).unplaced[0].why
    put("overlays/prod/kustomization.yaml", PROD.replace("    namePrefix: p-\n", ""))
    change = (change[0], rbac(Action.DELETE, "RoleBinding", "old"))
    found = placed(Asked("less", change))
    assert not found.unplaced
    assert "+kind: Role" in changes(found)


def test_what_a_generator_makes_is_refused(folder: Path) -> None:
    put(
        "base/kustomization.yaml",
        "configMapGenerator:\n- name: c\n  literals: [a=1]\noptions: {}\n".replace(
            "options: {}\n", "generatorOptions: {disableNameSuffixHash: true}\n"
        ),
    )
    metadata = {"name": "c"}
    content = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "2"}}
    found = placed(Asked("data", (Change(Action.APPLY, content),)), paths=("base",))
    assert found.after == {}
    assert "data.a" in found.unplaced[0].why


def test_a_kustomization_that_does_not_build_is_said_so(folder: Path) -> None:
    put("overlays/prod/more.yaml", "a: 1\n")
    with pytest.raises(DoesNotBuildError, match="overlays/prod: the kustomization does not build"):
        placed(web({"replicas": 3}))
