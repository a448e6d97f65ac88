"""`moorage policy`, as a person and as CI runs it: manifests, charts, kustomizations, changes, a cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from .test_docs import DOCS, commands

SECONDS = 300
NAMESPACE = """\
apiVersion: v1
kind: Namespace
metadata:
  name: shop
  labels:
    policy.moorage.dev/baseline: {action}
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: shop
spec:
  replicas: 2
  selector:
    matchLabels: {{app: web}}
  template:
    metadata:
      labels: {{app: web}}
    spec:
      containers:
        - name: web
          image: registry.example.com/web:1.4.2
          securityContext:
            privileged: {privileged}
"""
EXCEPTION = """\
apiVersion: policy.moorage.dev/v1alpha1
kind: PolicyException
metadata: {{name: web, namespace: shop}}
spec:
  policy: privileged-containers
  target: {{kind: Deployment, name: web}}
  reason: the driver is being rewritten
  owner: ada
  expires: "{expires}"
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module", autouse=True)
def _tools() -> None:
    command = [sys.executable, "-m", "moorage", "tools", "install", "gator", "kubectl", "helm"]
    subprocess.run(command, check=True, timeout=3600, stdin=subprocess.DEVNULL, capture_output=True)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """`run("test", ...)` runs `moorage policy test ...` in a folder of the test's own."""

    def call(
        *arguments: str, stdin: str = "", code: int | None = None, cwd: str = "."
    ) -> subprocess.CompletedProcess:
        done = subprocess.run(
            [sys.executable, "-m", "moorage", "policy", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            cwd=tmp_path / cwd,
            env={**os.environ, "MOORAGE_POLICY_KEYS": ""},
        )
        assert code is None or done.returncode == code, done
        return done

    return call


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path = path.with_name(path.name.replace("_", "."))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def deployment(name: str = "web", *, privileged: bool = True) -> str:
    return DEPLOYMENT.format(name=name, privileged=str(privileged).lower())


def test_what_a_namespace_opted_in_to_is_judged_with_its_pods(run, tmp_path):
    write(tmp_path, web_yaml=f"{NAMESPACE.format(action='enforce')}---\n{deployment()}")
    done = run("test", "web.yaml", code=1)
    assert (
        "web.yaml:8  Deployment shop/web → Pod\n  refused by privileged-containers (critical), line 25\n"
        in done.stdout
    )
    assert 'container "web": securityContext.privileged is true' in done.stdout
    assert "1 finding in 1 object refused (1 critical)" in done.stdout
    assert done.stderr == ""
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(("action", "verb"), [("warn", "warned"), ("audit", "noted")])
def test_what_is_not_enforced_does_not_fail(run, tmp_path, action, verb):
    write(tmp_path, web_yaml=f"{NAMESPACE.format(action=action)}---\n{deployment()}")
    assert f"{verb} by privileged-containers" in run("test", "web.yaml", code=0).stdout


def test_a_label_that_is_no_action_counts_as_none_and_is_told(run, tmp_path):
    write(tmp_path, web_yaml=f"{NAMESPACE.format(action='block')}---\n{deployment()}")
    done = run("test", "web.yaml", "--set", "cost=audit", code=0)
    assert "namespace shop: 'block' for the set baseline" in done.stdout


def test_what_nobody_opted_in_to_is_judged_by_everything_and_that_is_told(run, tmp_path):
    write(tmp_path, web_yaml=deployment())
    done = run("test", code=1)
    assert "refused by privileged-containers" in done.stdout
    assert "refused by resource-requests" in done.stdout
    assert "every policy judged" in done.stdout


def test_namespaces_from_beside_count_and_are_not_judged(run, tmp_path):
    write(tmp_path, web_yaml=deployment(), n__ns_yaml=NAMESPACE.format(action="enforce"))
    found = json.loads(run("test", "web.yaml", "--namespaces", "n", "-o", "json", code=1).stdout)
    assert found["summary"]["objects"] == 1
    assert [each["policy"] for each in found["findings"]] == ["privileged-containers"]


def test_an_exception_counts_until_it_expires(run, tmp_path):
    judged = f"{NAMESPACE.format(action='enforce')}---\n{deployment()}"
    write(tmp_path, web_yaml=judged, e_yaml=EXCEPTION.format(expires="2999-01-01"))
    assert "1 exception" in run("test", code=0).stdout
    run("test", "--approved-only", code=1)
    write(tmp_path, e_yaml=EXCEPTION.format(expires="2020-01-01"))
    assert "e.yaml:1: exception shop/web: it expired on 2020-01-01" in run("test", code=1).stdout
    write(
        tmp_path,
        e_yaml=EXCEPTION.format(expires="2999-01-01"),
        web_yaml=judged.replace("name: web\n", "name: api\n"),
    )
    assert "nothing is meant by it any more" in run("test", code=1).stdout
    listed = run("exceptions", ".", "-o", "json", code=1)
    assert json.loads(listed.stdout)[0]["state"] == "unused"


def test_standard_input_json_and_lists_are_read(run):
    items = [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"hostNetwork": True}}]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    done = run("test", "-", "--set", "baseline", "-o", "json", stdin=text, code=1)
    (finding,) = json.loads(done.stdout)["findings"]
    assert finding["policy"] == "host-namespaces"
    assert finding["location"]["file"] == "standard input"


def test_a_chart_is_rendered_for_each_release_and_its_templates_are_named(run, tmp_path):
    template = deployment("{{ .Release.Name }}").replace("privileged: true", "privileged: {{ .Values.p }}")
    write(
        tmp_path,
        c__Chart_yaml="apiVersion: v2\nname: c\nversion: 1.0.0\n",
        c__values_yaml="p: false\n",
        c__templates__web_yaml=template,
        bad_yaml="p: true\n",
    )
    run("test", "c", "--set", "baseline", code=0)
    run("test", "c", "--set", "baseline", "--value", "p=true", code=1)
    done = run("test", "c", "--set", "baseline", "--release", "good", "--release", "bad=bad.yaml", code=1)
    assert "c/templates/web.yaml  Deployment shop/bad → Pod" in done.stdout
    assert "shop/good" not in done.stdout
    with tarfile.open(tmp_path / "c.tgz", "w:gz") as archive:
        archive.add(tmp_path / "c", "c")
    run("test", "c.tgz", "--set", "baseline", "-f", "bad.yaml", code=1)


def test_a_chart_that_does_not_render_is_told_in_helms_words_and_the_rest_can_be_judged(run, tmp_path):
    write(
        tmp_path,
        c__Chart_yaml="apiVersion: v2\nname: c\nversion: 1.0.0\n",
        c__templates__web_yaml="{{ .Values.nope.deeper }}",
        web_yaml=deployment(),
    )
    done = run("test", "c", "web.yaml", "--set", "baseline", code=2)
    assert "error: c: the chart does not render: " in done.stderr
    assert "nil pointer evaluating interface" in done.stderr
    assert "privileged" not in done.stdout
    done = run("test", "c", "web.yaml", "--set", "baseline", "--keep-going", code=2)
    assert "refused by privileged-containers" in done.stdout
    assert done.stderr.count("error: ") == 1


def test_a_kustomization_is_built(run, tmp_path):
    write(
        tmp_path,
        base__kustomization_yaml="resources: [web.yaml]\n",
        base__web_yaml=deployment(),
        prod__kustomization_yaml="resources: [../base]\nnamePrefix: prod-\n",
    )
    done = run("test", ".", "--set", "baseline", code=1)
    assert "prod/kustomization.yaml  Deployment shop/prod-web → Pod" in done.stdout
    assert "1 object, " in done.stdout
    write(tmp_path, base__kustomization_yaml="resources: [nope.yaml]\n")
    assert "prod: the kustomization does not build: " in run("test", "prod", code=2).stderr


def test_broken_yaml_is_told_with_its_place(run, tmp_path):
    write(tmp_path, a_yaml=f"{deployment()}---\na: 1\n b: 2\n")
    done = run("test", code=2)
    line = deployment().count("\n") + 3
    assert done.stderr.startswith(f"error: a.yaml:{line}:")
    assert "this is not YAML" in done.stderr


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


def test_a_change_is_judged_by_what_it_brings(run, tmp_path):
    git(tmp_path, "init", "--initial-branch=main")
    write(tmp_path, d__old_yaml=deployment("old"), d__mended_yaml=deployment("mended"))
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "one")
    git(tmp_path, "checkout", "-b", "change")
    write(tmp_path, d__mended_yaml=deployment("mended", privileged=False))
    done = run("test", "d", "--diff-base", "main", "--set", "baseline", code=0)
    assert "What this change mends\n\n  Deployment shop/mended → Pod: privileged-containers\n" in done.stdout
    assert "shop/old" not in done.stdout
    write(tmp_path, d__e__new_yaml=deployment("new"))
    done = run("test", ".", "--diff-base", "main", "--set", "baseline", cwd="d/e", code=1)
    assert "new.yaml:1  Deployment shop/new → Pod" in done.stdout
    run("test", "d", "--set", "baseline", code=1)
    assert "git knows no commit nope" in run("test", "d", "--diff-base", "nope", code=2).stderr


def test_all_formats_come_of_one_run(run, tmp_path):
    write(tmp_path, web_yaml=deployment())
    done = run(
        *("test", "web.yaml", "--set", "baseline", "-o", "github"),
        *("-o", "sarif=a.sarif", "-o", "junit=a.xml", "-o", "markdown=a.md"),
        code=1,
    )
    assert done.stdout.startswith("::error title=Containers are not privileged")
    sarif = json.loads((tmp_path / "a.sarif").read_text())
    assert sarif["runs"][0]["results"][0]["ruleId"] == "privileged-containers"
    assert ET.parse(tmp_path / "a.xml").getroot().get("failures") == "1"  # noqa: S314 - our own
    assert "the cluster would refuse this" in (tmp_path / "a.md").read_text()


def test_a_rule_that_does_not_compile_is_told_with_the_line_of_its_expression(run, tmp_path):
    run("new", "team-label", code=0)
    template = tmp_path / "policies" / "team-label" / "template.yaml"
    text = template.read_text().replace('variables.value != ""', 'variables.valeu != ""')
    template.write_text(text)
    line = text[: text.index("valeu")].count("\n") + 1
    write(tmp_path, web_yaml=deployment())
    done = run("test", "web.yaml", "--policies", "policies", "--no-builtin", code=2)
    assert f"policies/team-label/template.yaml:{line}: policy team-label does not compile" in done.stderr
    assert "--keep-going judges the rest" in done.stderr


@pytest.mark.parametrize("engine", ["cel", "rego"])
def test_a_new_policy_passes_its_suite_and_judges(run, tmp_path, engine):
    run("new", "team-label", "--engine", engine, code=0)
    done = run("verify", "policies", code=0)
    assert "1 suite, 3 cases, 0 failed" in done.stdout
    write(tmp_path, web_yaml=deployment())
    done = run("test", "web.yaml", "--policies", "policies", "--no-builtin", code=1)
    assert "metadata.labels has no team; it must name the team" in done.stdout
    suite = tmp_path / "policies/team-label/suite.yaml"
    suite.write_text(suite.read_text().replace("violations: no", "violations: 1"))
    done = run("verify", "-o", "junit", code=1)
    root = ET.fromstring(done.stdout)  # noqa: S314 - our own
    assert [suite.get("failures") for suite in root] == ["1"]
    assert "is there already" in run("new", "team-label", code=2).stderr


def test_a_clash_of_names_says_where(run, tmp_path):
    run("new", "privileged-containers", code=0)
    write(tmp_path, web_yaml=deployment())
    done = run("test", "web.yaml", "--policies", "policies", code=2)
    assert "two policies are called privileged-containers" in done.stderr
    assert "policies/privileged-containers" in done.stderr


def test_the_library_is_listed_and_explained(run):
    listed = json.loads(run("list", "-o", "json", code=0).stdout)
    assert len(listed) == 63
    assert {each["name"] for each in json.loads(run("list", "--set", "baseline", "-o", "json").stdout)} < {
        each["name"] for each in listed
    }
    page = run("explain", "privileged-containers", code=0).stdout
    assert all(heading in page for heading in ("What\n", "Why\n", "How to mend it\n", "To read on\n"))
    assert "did you mean privileged-containers" in run("explain", "privileged", code=2).stderr


def test_garbage_is_an_error_each_and_never_a_crash(run, tmp_path):
    (tmp_path / "binary.yaml").write_bytes(bytes(range(256)) * 100)
    write(tmp_path, deep_yaml="a: " + "[" * 50_000, bomb_yaml="a: &a [x]\nb: [*nope]\n", empty_yaml="")
    (tmp_path / "loop").symlink_to(".")
    (tmp_path / "nowhere.yaml").symlink_to("nope")
    done = run("test", ".", "--set", "baseline", "--keep-going", code=2)
    assert done.stderr.count("error: ") == 4
    assert "bug of moorage" not in done.stderr
    (tmp_path / "nothing").mkdir()
    assert "there is no manifest here" in run("test", "nothing", code=2).stderr


def test_the_company_s_bundle_takes_the_place_of_our_policies(run, tmp_path):
    run("new", "team-label", "--policies", "company/policies", code=0)
    run("bundle", "build", "company", "-o", "company.tar", code=0)
    run("new", "own-label", "--policies", "own", code=0)
    write(tmp_path, web_yaml=deployment())
    done = run("test", "web.yaml", "--image", "company.tar", "--policies", "own", "-o", "json", code=1)
    assert {each["policy"] for each in json.loads(done.stdout)["findings"]} == {"team-label", "own-label"}
    assert "nope.tar" in run("test", "web.yaml", "--image", "./nope.tar", code=2).stderr


def test_an_upgrade_is_looked_ahead_to(run, tmp_path):
    old = "apiVersion: flowcontrol.apiserver.k8s.io/v1beta3\nkind: FlowSchema\nmetadata: {name: a}\n"
    write(tmp_path, a_yaml=old)
    done = run("test", "a.yaml", "--target-version", "1.38", "--set", "cost=audit", code=1)
    assert "refused by deprecated-apis" in done.stdout
    run("test", "a.yaml", "--target-version", "1.31", "--set", "cost=audit", code=0)


def test_the_how_to_does_what_it_says(tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    wrapper = programs / "moorage"
    wrapper.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m moorage "$@"\n')
    wrapper.chmod(0o755)
    code = commands("how-to/policies-in-pull-requests.md")
    assert "moorage policy new team-label" in code
    done = subprocess.run(
        ["bash", "-c", f"set -euo pipefail\n{code}"],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done
    page = (DOCS / "how-to/policies-in-pull-requests.md").read_text()
    shown = page.split("```text\n")[1].split("...\n")[0]
    assert shown in done.stdout, done.stdout


def test_a_live_cluster_says_what_its_namespaces_opted_in_to(platform, moorage, tmp_path):
    kubeconfig = moorage.home.admin_kubeconfig
    manifest = tmp_path / "namespace.yaml"
    manifest.write_text(NAMESPACE.format(action="enforce"))
    moorage.kubectl("apply", "-f", str(manifest), kubeconfig=kubeconfig)
    context = moorage.kubectl("config", "current-context", kubeconfig=kubeconfig).stdout.strip()
    (tmp_path / "web.yaml").write_text(deployment())
    try:
        where = ("--kubeconfig", str(kubeconfig), "--context", context)
        found = moorage("policy", "test", "web.yaml", *where, "-o", "json", check=False)
        assert found.returncode == 1, found.stderr
        assert [each["policy"] for each in json.loads(found.stdout)["findings"]] == ["privileged-containers"]
        failed = moorage("policy", "test", "web.yaml", *where[:2], "--context", "nope", check=False)
        assert failed.returncode == 2
        assert "context nope cannot be read" in failed.stderr
    finally:
        moorage.kubectl("delete", "namespace", "shop", "--wait=false", kubeconfig=kubeconfig)
