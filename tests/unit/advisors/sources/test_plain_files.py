"""Changes placed in plain manifests: read from an advisor's JSON, written where the values are."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from moorage.advisors.advice import Advice, Change, Finding
from moorage.advisors.render.as_json import render
from moorage.advisors.sources import patching
from moorage.advisors.sources.asked import Asked, read_findings
from moorage.advisors.sources.patching import unified_diff, write
from moorage.advisors.sources.placing import Placed, place
from moorage.advisors.sources.plain import PlainFiles
from moorage.advisors.sources.wanted import applied
from moorage.errors import MoorageError
from moorage.reports.findings import Action, Severity

WEB = """\
# The shop.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  replicas: 2  # two are enough
  template:
    spec:
      containers:
        - name: web
          image: "shop:1"
          resources:
            requests: {cpu: 500m, memory: 1Gi}  # guessed
        - name: log
          image: log
"""
RBAC = """\
kind: RoleBinding
apiVersion: rbac.authorization.k8s.io/v1
metadata: {name: old, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: all}
subjects: [{kind: ServiceAccount, name: web, namespace: shop}]
---
# stays
kind: ServiceAccount
apiVersion: v1
metadata: {name: web, namespace: shop}
"""
GROUP = "rbac.authorization.k8s.io"


def deployment(spec: Mapping[str, Any], name: str = "web", namespace: str | None = "shop") -> Change:
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return Change(
        Action.APPLY,
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec},
    )


def containers(*containers: Mapping[str, Any]) -> dict[str, Any]:
    return {"template": {"spec": {"containers": list(containers)}}}


def rbac(action: Action, kind: str, name: str, **rest: Any) -> Change:
    metadata = {"name": name, "namespace": "shop"}
    return Change(action, {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata, **rest})


def asked(*changes: Change, title: str = "a finding", file: str = "") -> Asked:
    return Asked(title, changes, file)


def placed(texts: Mapping[str, str], *wishes: Asked) -> Placed:
    return place(wishes, [PlainFiles({Path(name): text for name, text in texts.items()})])


def changed_lines(before: str, after: str) -> list[str]:
    diff = unified_diff({Path("f"): before}, {Path("f"): after}).splitlines()[2:]
    return [line for line in diff if line[0] in "+-"]


def test_only_the_lines_with_the_values_change() -> None:
    spec = {"replicas": 3, **containers({"name": "web", "resources": {"requests": {"memory": "2Gi"}}})}
    found = placed({"web.yaml": WEB}, asked(deployment(spec)))
    assert changed_lines(WEB, found.after[Path("web.yaml")] or "") == [
        "-  replicas: 2  # two are enough",
        "+  replicas: 3  # two are enough",
        "-            requests: {cpu: 500m, memory: 1Gi}  # guessed",
        "+            requests: {cpu: 500m, memory: 2Gi}  # guessed",
    ]
    assert not found.unplaced


def test_a_quantity_that_is_the_same_in_other_words_is_no_change() -> None:
    spec = containers({"name": "web", "resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}}})
    found = placed({"web.yaml": WEB}, asked(deployment(spec)))
    assert (found.after, len(found.already)) == ({}, 1)


def test_what_replaces_a_binding_is_written_where_the_binding_was() -> None:
    change = asked(
        rbac(
            Action.APPLY,
            "Role",
            "less",
            rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
        ),
        rbac(Action.APPLY, "RoleBinding", "less", roleRef={"kind": "Role"}, subjects=[]),
        rbac(Action.DELETE, "RoleBinding", "old"),
    )
    found = placed({"rbac.yaml": RBAC, "web.yaml": WEB}, change)
    after = found.after[Path("rbac.yaml")] or ""
    assert [line for line in after.splitlines() if line.startswith("kind")] == [
        "kind: Role",
        "kind: RoleBinding",
        "kind: ServiceAccount",
    ]
    assert after.endswith(RBAC[RBAC.index("---\n# stays") :])
    assert "name: old" not in after


def test_a_file_in_which_nothing_is_left_goes() -> None:
    only = RBAC[: RBAC.index("---")]
    found = placed({"rbac.yaml": only}, asked(rbac(Action.DELETE, "RoleBinding", "old")))
    assert found.after == {Path("rbac.yaml"): None}


def test_an_object_without_a_namespace_is_the_one_when_no_other_is_and_goes_on_without() -> None:
    text = WEB.replace("  namespace: shop\n", "")
    found = placed({"web.yaml": text}, asked(deployment({"replicas": 3})))
    assert found.after[Path("web.yaml")] == text.replace("replicas: 2", "replicas: 3")


@pytest.mark.parametrize(
    ("texts", "change", "why"),
    [
        ({"a.yaml": WEB}, deployment({"replicas": 3}, "api"), "is not in the sources"),
        ({"a.yaml": WEB}, deployment({"replicas": 3}, namespace="other"), "is not in the sources"),
        ({"a.yaml": WEB}, deployment(containers({"name": "proxy"})), "no container proxy in the sources"),
        ({"a.yaml": WEB, "b.yaml": WEB}, deployment({"replicas": 3}), "several places: a.yaml:2, b.yaml:2"),
        (
            {"a.yaml": WEB.replace("replicas: 2", "replicas: *n").replace("# The shop.", "x-n: &n 2")},
            deployment({"replicas": 3}),
            "anchor &n",
        ),
    ],
)
def test_what_has_no_place_for_sure_is_left_alone_with_the_reason(
    texts: dict[str, str], change: Change, why: str
) -> None:
    found = placed(texts, asked(change))
    assert found.after == {}
    assert why in found.unplaced[0].why


def test_of_two_files_the_one_counts_in_which_the_advisor_has_read_the_object() -> None:
    found = placed({"a.yaml": WEB, "b.yaml": WEB}, asked(deployment({"replicas": 3}), file="b.yaml"))
    assert list(found.after) == [Path("b.yaml")]


def test_it_is_said_when_the_sources_are_not_what_the_advisor_saw() -> None:
    wish = deployment({"replicas": 3})
    seen = Change(Action.APPLY, wish.content, {**wish.content, "spec": {"replicas": 2}})
    other = Change(Action.APPLY, wish.content, {**wish.content, "spec": {"replicas": 7}})
    assert placed({"a.yaml": WEB}, asked(seen)).notes == ()
    assert "saw another spec.replicas" in placed({"a.yaml": WEB}, asked(other)).notes[0]


def test_findings_that_contradict_each_other_are_not_both_made() -> None:
    found = placed(
        {"a.yaml": WEB},
        asked(deployment({"replicas": 3}), title="three"),
        asked(deployment({"replicas": 4}), title="four"),
    )
    assert [each.title for each in found.done] == ["three"]
    assert "another finding" in found.unplaced[0].why


def test_a_finding_that_cannot_be_placed_leaves_the_others_alone() -> None:
    text = WEB.replace("image: log", "image: *i").replace("# The shop.", "x-i: &i log")
    found = placed(
        {"a.yaml": text},
        asked(deployment(containers({"name": "log", "image": "log:2"})), title="image"),
        asked(deployment({"replicas": 4}), title="replicas"),
    )
    assert [each.asked.title for each in found.unplaced] == ["image"]
    assert found.after[Path("a.yaml")] == text.replace("replicas: 2", "replicas: 4")


def test_of_a_new_version_of_the_api_the_fields_of_the_old_one_are_gone() -> None:
    old = {
        "apiVersion": "extensions/v1beta1",
        "kind": "Ingress",
        "metadata": {"name": "a", "labels": {"x": "y"}},
    }
    current = {**old, "spec": {"backend": {"serviceName": "s"}}}
    new = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "a"}}
    change = {**new, "spec": {"defaultBackend": {"service": {"name": "s"}}}}
    assert applied(current, change) == {**old, **change, "metadata": old["metadata"]}


def test_a_version_alone_is_one_line() -> None:
    text = WEB.replace("apps/v1", "extensions/v1beta1  # old")
    content = {**deployment({}).content, "apiVersion": "apps/v1"}
    del content["spec"]
    found = placed({"a.yaml": text}, asked(Change(Action.APPLY, content)))
    assert found.after[Path("a.yaml")] == text.replace("extensions/v1beta1", "apps/v1")


def test_what_an_advisor_prints_as_json_is_read_back_whole(tmp_path: Path) -> None:
    seen = {"spec": {"replicas": 1}}
    changes = (replace(deployment({"replicas": 3}), was=seen), rbac(Action.DELETE, "Role", "x"))
    finding = Finding("test", "shop/web", "too-many", Severity.LOW, 0.5, "s", {}, changes)
    silent = Finding("test", "shop/api", "odd", Severity.LOW, 0.5, "s", {})
    file = tmp_path / "f.json"
    file.write_text(render(Advice("test", (finding, silent, finding))), encoding="utf-8")
    told = read_findings(str(file))
    assert told.asked == (Asked("shop/web (too-many)", changes),)
    assert told.silent == 1


HEAD = '{"apiVersion": "advice.moorage.dev/v1alpha1"'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"apiVersion": "v2"}',
        HEAD + "}",
        HEAD + ', "findings": [{"change": [{}], "code": "", "subject": ""}]}',
    ],
)
def test_what_is_no_advice_is_refused_with_what_to_do(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    with pytest.raises(MoorageError) as caught:
        read_findings("-")
    assert "standard input" in caught.value.message
    assert "-o json" in (caught.value.hint or "")


def test_git_takes_the_patch_and_writing_does_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    texts = {
        "web.yaml": WEB.rstrip("\n"),
        "windows.yaml": WEB.replace("\n", "\r\n").replace("name: web", "name: win"),
        "o ne/ü.yaml": RBAC[: RBAC.index("---")],
    }
    for name, text in texts.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(text.encode())
    found = placed(
        texts,
        asked(deployment({"replicas": 3, "paused": True})),
        asked(deployment({"replicas": 3}, name="win")),
        asked(rbac(Action.DELETE, "RoleBinding", "old")),
    )
    assert not found.unplaced
    diff = unified_diff(found.before, found.after)
    Path("p.diff").write_bytes(diff.encode())
    subprocess.run(["git", "apply", "p.diff"], check=True)
    by_git = {path: path.read_bytes() for path in Path().rglob("*.yaml")}
    for name, text in texts.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(text.encode())
    Path("web.yaml").chmod(0o640)
    write(found.before, found.after)
    assert {path: path.read_bytes() for path in Path().rglob("*.yaml")} == by_git
    assert Path("web.yaml").stat().st_mode & 0o777 == 0o640
    assert len(by_git) == 2


def test_all_files_are_written_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [tmp_path / name for name in ("a", "b", "c")]
    for file in files:
        file.write_text("old")
    real, calls = patching.replace_file, []

    def fail_once(path: Path, content: bytes, *, mode: int) -> None:
        calls.append(path)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        real(path, content, mode=mode)

    monkeypatch.setattr(patching, "replace_file", fail_once)
    with pytest.raises(MoorageError, match="nothing was changed"):
        write(dict.fromkeys(files, "old"), dict.fromkeys(files, "new"))
    assert [file.read_text() for file in files] == ["old"] * 3
    assert calls[:3] == files


def test_a_file_that_was_changed_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("somebody's")
    with pytest.raises(MoorageError, match="changed meanwhile"):
        write({file: "old"}, {file: "new"})
    assert file.read_text() == "somebody's"


def test_many_files_cost_no_more_than_each_alone() -> None:
    texts = {
        f"{number}.yaml": WEB.replace("name: web\n  n", f"name: web{number}\n  n") for number in range(300)
    }
    wishes = [asked(deployment({"replicas": 3}, name=f"web{number}")) for number in range(300)]
    found = placed(texts, *wishes)
    assert len(found.after) == 300
    assert json.dumps([each.why for each in found.unplaced]) == "[]"
