"""Finding out what paths are, and reading them; what is rendered is rendered by the real programs."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from moorage.manifests.discover import What, discover
from moorage.manifests.model import InputError, title_of
from moorage.manifests.places import field_path, field_where, where
from moorage.manifests.reading import unroll
from moorage.policies.inputs.gather import Live, gather

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: {name}
spec:
  containers:
  - name: web
    image: nginx
"""
NOT_ONE = "this is not an object of Kubernetes"
LIST = """\
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  metadata: {name: a}
- apiVersion: v1
  kind: List
  items:
  - apiVersion: v1
    kind: Pod
    metadata: {name: b}
- apiVersion: v1
  kind: ConfigMapList
  items:
  - metadata: {name: c}
"""
DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: globals.x.io}
spec: {group: x.io, scope: Cluster, names: {kind: Global}}
"""
TEMPLATE = "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\nmetadata: {name: x}\n"


def pod(name: str = "a") -> str:
    return POD.format(name=name)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(files: dict[str, str | bytes]) -> None:
    for name, text in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


def titles(*paths: str, **options) -> list[str]:
    inputs = gather(paths, **options)
    assert not inputs.problems, inputs.problems
    return [title_of(item.content) for item in inputs.items]


def problem(*paths: str) -> str:
    (found,) = gather(paths).problems
    return found.error.message


def found(path: str) -> list[tuple[What, str]]:
    return [(each.what, str(each.path)) for each in discover(path)]


def test_what_a_path_is_is_found_out(here):
    write({"a.yaml": pod(), "k/kustomization.yml": "", "c/Chart.yaml": "", "c.tgz": b"", "Kustomization": ""})
    assert found("a.yaml") == [(What.FILE, "a.yaml")]
    assert found("k") == [(What.KUSTOMIZATION, "k")]
    assert found("k/kustomization.yml") == [(What.KUSTOMIZATION, "k")]
    assert found("c") == [(What.CHART, "c")]
    assert found("c/Chart.yaml") == [(What.CHART, "c")]
    assert found("c.tgz") == [(What.CHART, "c.tgz")]
    assert found("-") == [(What.STDIN, "-")]


def test_a_folder_is_searched(here):
    write(
        {
            "d/b.yaml": pod("b"),
            "d/a.json": '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "j"}}',
            "d/deeper/c.yml": pod("c"),
            "d/readme.md": "no",
            "d/.hidden/x.yaml": pod("x"),
            "d/.x.yaml": pod("x"),
        }
    )
    assert titles("d") == ["Pod default/j", "Pod default/b", "Pod default/c"]


def test_below_a_kustomization_its_material_is_not_read_again(here):
    write(
        {
            "d/base/kustomization.yaml": "resources: [pod.yaml]",
            "d/base/pod.yaml": pod(),
            "d/base/patch/part.yaml": "not: an object",
            "d/overlays/prod/kustomization.yaml": "resources:\n- ../../base\nnamePrefix: prod-\n",
            "d/overlays/test/kustomization.yaml": "resources:\n  - '../../base' # the same\n",
            "d/chart/Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n",
            "d/chart/templates/broken.yaml": "{{ nope",
        }
    )
    assert found("d") == [
        (What.CHART, "d/chart"),
        (What.KUSTOMIZATION, "d/overlays/prod"),
        (What.KUSTOMIZATION, "d/overlays/test"),
    ]
    assert found("d/base") == [(What.KUSTOMIZATION, "d/base")]


def test_links_in_a_circle_are_followed_once(here):
    write({"d/a.yaml": pod(), "d/e/b.yaml": pod("b")})
    Path("d/e/up").symlink_to("..")
    assert titles("d") == ["Pod default/a", "Pod default/b"]


def test_a_link_to_nowhere_is_named(here):
    write({"d/a.yaml": pod()})
    Path("d/b.yaml").symlink_to("nope.yaml")
    assert problem("d") == "d/b.yaml: the link leads nowhere"


@pytest.mark.parametrize(
    ("files", "path", "said"),
    [
        ({}, "nope.yaml", "nope.yaml: there is no such file or folder"),
        ({"d/readme.md": ""}, "d", "d: there is no manifest here"),
        ({"a.yaml": ""}, "a.yaml", "a.yaml: there is nothing in it"),
        ({"a.yaml": "# only this\n"}, "a.yaml", "a.yaml: there is nothing in it"),
        ({"a.yaml": b"\x7fELF\x02\x01\x00\xff"}, "a.yaml", "a.yaml:1: this is not UTF-8 text"),
        ({"a.yaml": b"a: 1\n\x00\x00"}, "a.yaml", "a.yaml:2: this is not text"),
        ({"a.yaml": "x: 1\n"}, "a.yaml", f"a.yaml:1: {NOT_ONE}: it has no apiVersion"),
        ({"a.yaml": "\n# c\n---\n\napiVersion: v1\n"}, "a.yaml", f"a.yaml:5: {NOT_ONE}: it has no kind"),
        ({"a.yaml": "- 1\n"}, "a.yaml", f"a.yaml:1: {NOT_ONE}, but a list"),
        ({"a.yaml": "just text\n"}, "a.yaml", f"a.yaml:1: {NOT_ONE}, but text"),
        ({"a.yaml": pod() + "---\na: [\n"}, "a.yaml", "a.yaml:11:1: this is not YAML"),
        (
            {"a.yaml": "apiVersion: v1\nkind: Pod\nmetadata:\n  name: 1\n"},
            "a.yaml",
            "a.yaml:1: Pod: metadata.name is not text; put it in quotes",
        ),
        (
            {"a.yaml": "apiVersion: v1\nkind: Pod\nmetadata:\n  labels: {a: yes}\n"},
            "a.yaml",
            "a.yaml:1: Pod: metadata.labels[a] is not text; put it in quotes",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_with_its_place(here, files, path, said):
    write(files)
    assert problem(path).startswith(said)


def test_a_file_of_something_else_in_a_folder_is_left_aside_and_told(here):
    write({"d/a.yaml": pod(), "d/values.yaml": "image: nginx\n", "d/list.yaml": "- x\n"})
    inputs = gather(["d"])
    assert not inputs.problems
    assert len(inputs.items) == 1
    assert inputs.notes == ("nothing for Kubernetes in d/list.yaml, d/values.yaml",)


def test_half_an_object_in_a_folder_is_a_mistake(here):
    write({"d/a.yaml": "apiVersion: v1\nkind: 3\n"})
    assert "it has no kind" in problem("d")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_named(here):
    write({"a.yaml": pod()})
    Path("a.yaml").chmod(0)
    assert problem("a.yaml") == "a.yaml: permission denied"


def test_a_pipe_in_a_folder_is_not_waited_for(here):
    write({"d/a.yaml": pod()})
    os.mkfifo("d/pipe.yaml")
    assert titles("d") == ["Pod default/a"]


def test_standard_input_is_read(here, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(pod().encode())))
    (item,) = gather(["-"]).items
    assert str(where(item)) == "standard input:1"


def test_lists_are_unrolled_with_their_places(here):
    write({"a.yaml": LIST})
    inputs = gather(["a.yaml"])
    assert [title_of(item.content) for item in inputs.items] == [
        "Pod default/a",
        "Pod default/b",
        "ConfigMap default/c",
    ]
    assert [where(item).line for item in inputs.items] == [4, 10, 16]


def test_an_object_with_items_that_is_no_list_stays_whole():
    content = {"apiVersion": "x/v1", "kind": "Shop", "items": [1]}
    assert list(unroll(content)) == [(content, ())]


def test_namespaces_are_filled_in_where_a_kind_has_one(here):
    write(
        {
            "a.yaml": pod()
            + "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
            + "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: r}\n"
            + "---\napiVersion: x.io/v1\nkind: Global\nmetadata: {name: g}\n"
            + "---\napiVersion: x.io/v1\nkind: Local\nmetadata: {name: l}\n"
            + f"---\n{DEFINITION}"
        }
    )
    assert titles("a.yaml", namespace="team")[:5] == [
        "Pod team/a",
        "Namespace shop",
        "ClusterRole r",
        "Global g",
        "Local team/l",
    ]


def test_namespaces_come_from_files_beside_and_from_a_cluster_the_nearest_wins(here):
    def namespace(name: str, value: str) -> str:
        return f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{from: {value}}}}}\n"

    def live(name: str) -> dict:
        return {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {"from": "live"}},
        }

    write(
        {
            "a.yaml": namespace("one", "judged"),
            "n.yaml": f"{namespace('one', 'beside')}---\n{namespace('two', 'beside')}",
        }
    )
    inputs = gather(
        ["a.yaml"],
        namespace_files=["n.yaml"],
        live=Live(namespaces=[live("one"), live("two"), live("three")]),
    )
    assert {name: each["metadata"]["labels"]["from"] for name, each in inputs.namespaces.items()} == {
        "one": "judged",
        "two": "beside",
        "three": "live",
    }
    assert len(inputs.items) == 1


def test_exceptions_are_found_wherever_they_are(here):
    exception = "apiVersion: policy.moorage.dev/v1alpha1\nkind: PolicyException\nmetadata: {name: e}\n"
    write({"a.yaml": exception + "---\n" + pod()})
    inputs = gather(["a.yaml"], namespace="team")
    assert [title_of(item.content) for item in inputs.exceptions] == ["PolicyException team/e"]


def test_policies_among_manifests_are_not_judged_and_that_is_told(here):
    write({"a.yaml": f"{TEMPLATE}---\n{pod()}"})
    inputs = gather(["a.yaml"])
    assert [title_of(item.content) for item in inputs.items] == ["Pod default/a"]
    assert "Gatekeeper's own objects in a.yaml are not judged" in inputs.notes[0]


def test_a_key_that_is_there_twice_is_told_with_its_line(here):
    write({"a.yaml": pod() + "    image: other\n"})
    (note,) = gather(["a.yaml"]).notes
    assert note == "a.yaml:9: the key 'image' is there twice; the last one counts"


def test_the_same_path_is_read_once(here):
    write({"a.yaml": pod()})
    assert len(gather(["a.yaml", "a.yaml"]).items) == 1


DEPLOYMENT = """\
# first

apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels:
    app.kubernetes.io/name: web
spec:
  replicas: 1
  template:
    spec:
      hostNetwork: true
      initContainers:
        - name: web
          image: init
      containers:
        - image: nginx
          name: sidecar
        - image: nginx
          name: web
          securityContext:
            privileged: true
"""


@pytest.mark.parametrize(
    ("message", "made", "line"),
    [
        ('container "web": securityContext.privileged is true; must not be set', True, 23),
        ('init container "web": image "init" has no tag', True, 16),
        ('container "sidecar": readinessProbe is not set', True, 18),
        ('container "nobody": securityContext.privileged is true', True, 12),
        ("hostNetwork is true", True, 13),
        ("spec.hostNetwork is true; must be false", True, 13),
        ("spec.replicas is 1; must be at least 2", False, 10),
        ('Deployment "web": spec.replicas is 1', False, 10),
        ('metadata.labels["team"] is not set', False, 7),
        ("spec.template.spec.containers[1].image", False, 20),
        ("spec.template.spec.containers[sidecar].image", False, 18),
        ("nothing of this is there", False, None),
    ],
)
def test_the_field_that_a_message_is_about_is_found(here, message, made, line):
    write({"a.yaml": f"{pod()}---\n{DEPLOYMENT}"})
    _, item = gather(["a.yaml"]).items
    assert where(item).line == 12
    found = field_where(item, message, made=made)
    assert (found.line if found else None) == (line + 9 if line else None)


def test_the_field_of_json_after_json_is_found(here):
    first = '{"apiVersion": "v1", "kind": "Pod"}'
    write({"a.json": f'{first}\n{first[:-1]},\n "spec": {{"x": 1}}}}'})
    _, item = gather(["a.json"]).items
    assert where(item).line == 2
    assert str(field_where(item, "spec.x is 1")) == "a.json:3:11"


def test_a_path_that_is_only_partly_there_leads_to_where_it_ends():
    content = {"kind": "Service", "spec": {"ports": [{"name": "web", "port": 1}]}}
    assert field_path(content, "spec.ports[web].nodePort is 3") == ("spec", "ports", 0)
    assert field_path(content, "spec.type is x") == ("spec",)
    assert field_path(content, "data.x is y") == ()


def test_an_input_error_says_what_to_do(here):
    (error,) = discover(".")
    assert isinstance(error, InputError)
    assert "kustomization" in (error.hint or "")
