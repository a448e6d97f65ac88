"""Changes placed in Helm charts, proved by the real Helm."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from moorage.advisors.advice import Advice, Change, Finding
from moorage.advisors.render.as_json import render
from moorage.advisors.sources.asked import Asked
from moorage.advisors.sources.placing import Placed, place
from moorage.advisors.sources.reading import sources_at
from moorage.manifests.rendering import Release
from moorage.reports.findings import Action, Severity

from .sources import changes

VALUES = """
    # How many.
    replicas: 2   # two
    image:
      repository: shop  # ours
      tag: "1"
    memory: 64
    both: 250m
    resources: {}
      # nothing by default
    side:
      memory: 1Gi  # default
      enabled: true
    flags: {}
"""
TEMPLATE = """
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: {{ .Release.Name }}
    spec:
      replicas: {{ .Values.replicas }}
      template:
        spec:
          terminationGracePeriodSeconds: 30  # literal
          containers:
            - name: web
              image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}"
              args: ["--memory={{ .Values.memory }}Mi"]
              {{- with .Values.resources }}
              resources:
                {{- toYaml . | nindent 12 }}
              {{- end }}
"""
SIDE = """
    {{- range $name := list "a" "b" }}
    ---
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: side-{{ $name }}
    spec:
      template:
        spec:
          containers:
            - name: side
              image: side
              resources:
                requests:
                  cpu: {{ $.Values.both | quote }}
                  memory: {{ $.Values.side.memory }}
    {{- end }}
    ---
    {{- if .Values.side.enabled }}
    apiVersion: v1
    kind: ServiceAccount
    metadata:
      name: side
    {{- end }}
"""


@pytest.fixture
def chart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    put("web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n")
    put("web/values.yaml", VALUES)
    put("web/templates/deployment.yaml", TEMPLATE)
    put("web/templates/side.yaml", SIDE)
    put("prod.yaml", "side:\n  memory: 2Gi # prod\n")
    return tmp_path


def put(name: str, text: str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(textwrap.dedent(text).removeprefix("\n"), encoding="utf-8")


def change(spec: Mapping[str, Any], name: str = "web") -> Change:
    metadata = {"name": name, "namespace": "shop"}
    return Change(
        Action.APPLY,
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec},
    )


def container(name: str, deployment: str = "web", **fields: Any) -> Change:
    return change({"template": {"spec": {"containers": [{"name": name, **fields}]}}}, deployment)


def side(deployment: str, **requests: str) -> Change:
    return container("side", deployment, resources={"requests": requests})


def placed(*changes: Change, values: tuple[str, ...] = (), together: bool = True) -> Placed:
    wishes = [Asked("all", changes)] if together else [Asked(each.name, (each,)) for each in changes]
    with ExitStack() as stack:
        release = Release("", tuple(map(Path, values)))
        found = sources_at(["web"], release=release, namespace="shop", stack=stack, notes=[])
        return place(wishes, found)


@pytest.mark.parametrize(
    ("wish", "edits"),
    [
        pytest.param(
            change({"replicas": 5}),
            ["+++ b/web/values.yaml", "-replicas: 2   # two", "+replicas: 5   # two"],
            id="a value that is all of a field",
        ),
        pytest.param(
            container("web", image="shop:2"),
            ["+++ b/web/values.yaml", '-  tag: "1"', '+  tag: "2"'],
            id="a value that is the end of a field",
        ),
        pytest.param(
            container("web", image="store:1"),
            ["+++ b/web/values.yaml", "-  repository: shop  # ours", "+  repository: store  # ours"],
            id="a value that is the beginning of a field",
        ),
        pytest.param(
            container("web", args=["--memory=128Mi"]),
            ["+++ b/web/values.yaml", "-memory: 64", "+memory: 128"],
            id="a value inside a field",
        ),
        pytest.param(
            container("web", resources={"requests": {"cpu": "100m"}}),
            ["+++ b/web/values.yaml", "-resources: {}", "+resources:", "+  requests:", "+    cpu: 100m"],
            id="an empty value that a field is made from",
        ),
        pytest.param(
            change({"template": {"spec": {"terminationGracePeriodSeconds": 60}}}),
            [
                "+++ b/web/templates/deployment.yaml",
                "-      terminationGracePeriodSeconds: 30  # literal",
                "+      terminationGracePeriodSeconds: 60  # literal",
            ],
            id="a literal in a template",
        ),
    ],
)
def test_the_value_that_leads_to_a_field_is_found(chart: Path, wish: Change, edits: list[str]) -> None:
    found = placed(wish)
    assert not found.unplaced
    assert changes(found) == edits


def test_a_mapping_that_is_passed_on_whole_gets_another_key(chart: Path) -> None:
    put("web/values.yaml", VALUES.replace("resources: {}", "resources: {requests: {cpu: 1}} # c"))
    found = placed(container("web", resources={"requests": {"memory": "1Gi"}, "limits": {"memory": "2Gi"}}))
    assert changes(found) == [
        "+++ b/web/values.yaml",
        "-resources: {requests: {cpu: 1}} # c",
        "+resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 2Gi}} # c",
    ]


def test_of_several_files_of_values_the_one_is_edited_that_wins(chart: Path) -> None:
    wishes = (side("side-a", memory="3Gi"), side("side-b", memory="3Gi"))
    assert changes(placed(*wishes, values=("prod.yaml",))) == [
        "+++ b/prod.yaml",
        "-  memory: 2Gi # prod",
        "+  memory: 3Gi # prod",
    ]
    assert changes(placed(*wishes))[0] == "+++ b/web/values.yaml"


@pytest.mark.parametrize("together", [True, False])
def test_a_value_of_several_objects_is_edited_if_all_of_them_are_wanted(
    chart: Path, *, together: bool
) -> None:
    alone = placed(side("side-a", cpu="100m"))
    assert alone.after == {}
    assert "Deployment side-b: spec.template.spec.containers[0].resources.requests.cpu would change, too" in (
        alone.unplaced[0].why
    )
    both = placed(side("side-a", cpu="100m"), side("side-b", cpu="100m"), together=together)
    assert changes(both) == ["+++ b/web/values.yaml", "-both: 250m", "+both: 100m"]


def test_what_no_value_leads_to_is_refused_with_its_template(chart: Path) -> None:
    found = placed(change({"paused": True}))
    assert found.after == {}
    assert "has to be written" in found.unplaced[0].why or "would have to be written" in found.unplaced[0].why
    assert "web/templates/deployment.yaml" in found.unplaced[0].why


def test_a_value_of_a_chart_in_the_chart_is_given_to_it_and_its_files_are_left_alone(chart: Path) -> None:
    dependency = "dependencies:\n  - {name: inner, alias: deep, version: 1.0.0}\n"
    put("web/Chart.yaml", f"apiVersion: v2\nname: web\nversion: 1.0.0\n{dependency}")
    put("web/charts/inner/Chart.yaml", "apiVersion: v2\nname: inner\nversion: 1.0.0\n")
    put(
        "web/charts/inner/values.yaml",
        "count: 3\nmemory: 1\nresources: {}\nimage: {repository: i, tag: x}\n",
    )
    inner = TEMPLATE.replace(".Values.replicas", ".Values.count").replace("{{ .Release.Name }}", "inner")
    put("web/charts/inner/templates/d.yaml", inner)
    asked_for = change({"replicas": 7}, "inner")
    assert changes(placed(asked_for)) == ["+++ b/web/values.yaml", "+deep:", "+  count: 7"]
    put("web/values.yaml", VALUES + "    deep:\n      count: 4  # four\n")
    found = changes(placed(asked_for, container("web", "inner", resources={"limits": {"cpu": "1"}})))
    assert found[:3] == ["+++ b/web/values.yaml", "-  count: 4  # four", "+  count: 7  # four"]
    assert found[3] == "+  resources:"
    literal = placed(change({"template": {"spec": {"terminationGracePeriodSeconds": 60}}}, "inner"))
    assert literal.after == {}
    assert "a part of another chart" in literal.unplaced[0].why


def test_an_object_goes_by_the_switch_that_makes_it(chart: Path) -> None:
    metadata = {"name": "side", "namespace": "shop"}
    going = Change(Action.DELETE, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    assert changes(placed(going)) == ["+++ b/web/values.yaml", "-  enabled: true", "+  enabled: false"]


def test_a_value_that_others_follow_by_an_anchor_is_refused(chart: Path) -> None:
    put("web/values.yaml", VALUES.replace("replicas: 2", "x: &n 2\n    replicas: *n"))
    found = placed(change({"replicas": 5}))
    assert found.after == {}
    assert found.unplaced


def test_the_command_prints_a_patch_that_git_takes_and_then_has_nothing_to_say(chart: Path) -> None:
    wish = Finding("resources", "shop/web", "too-few", Severity.LOW, 1, "s", {}, (change({"replicas": 5}),))
    odd = Finding("resources", "shop/x", "odd", Severity.LOW, 1, "s", {}, (change({"replicas": 1}, "x"),))

    def run(*findings: Finding, more: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        Path("f.json").write_text(render(Advice("resources", findings)), encoding="utf-8")
        command = [sys.executable, "-m", "moorage", "advise", "patch", "--findings", "f.json", "web", *more]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    first = run(wish)
    assert first.returncode == 1, first.stderr
    subprocess.run(["git", "apply"], input=first.stdout, text=True, check=True)
    again = run(wish)
    assert (again.returncode, again.stdout) == (0, "")
    assert "already so: shop/web" in again.stderr
    both = run(wish, odd)
    assert both.returncode == 2
    assert "not placed: shop/x (odd): Deployment shop/x is not in the sources" in both.stderr
    Path("web/values.yaml").write_text(
        Path("web/values.yaml").read_text().replace("replicas: 5", "replicas: 4")
    )
    written = run(wish, more=("--write",))
    assert (written.returncode, written.stdout) == (0, "")
    assert "replicas: 5   # two" in Path("web/values.yaml").read_text()
    assert json.loads(Path("f.json").read_text())["findings"][0]["change"][0]["action"] == "apply"
