"""`moorage advise permissions`, as it is called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from moorage.advisors.permissions import observe, scan
from moorage.cli.main import run

from .helpers import BACKGROUND, binding, event, role, rule, write


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    rbac = tmp_path / "rbac.yaml"
    objects = [role(rule("get list", "pods")), binding()]
    rbac.write_text("# Roles\n---\n" + yaml.safe_dump_all(objects))
    log = write(tmp_path / "audit.log", [*BACKGROUND, event("get", name="x")])
    return ["advise", "permissions", "--audit-log", log, "--rbac", str(rbac)]


def test_findings_are_told_and_are_status_1(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*files, "-o", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [each["code"] for each in found["findings"]] == ["unused-verb"]
    assert found["findings"][0]["location"]["line"] == 3
    assert run(files) == 1
    assert "nobody used list" in capsys.readouterr().out


def test_nothing_to_say_is_status_0(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "audit.log", [*BACKGROUND, event("get", name="x"), event("list")])
    assert run(files) == 0
    assert "Nothing found." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--window", "soon"], "--window soon is no length of time"),
        (["--window", "30"], "--window 30 is no length of time"),
        (["--window", "0d"], "--window 0d is no time at all"),
        (["--window", "999999w"], "longer than anybody keeps logs"),
        (["--subject", "shop/nobody"], "nothing is granted to shop/nobody"),
        (["--audit-log", "-", "--rbac", "-"], "standard input is the audit log or RBAC, not both"),
        (["--context", "x"], "RBAC is read from files or from a cluster"),
        (["--audit-log", "/missing.log"], "/missing.log: there is no such file"),
        (["--rbac", "/missing.yaml"], "/missing.yaml: there is no such file"),
        (["--workers", "0"], "it should be greater than or equal to 1"),
    ],
)
def test_misuse_is_status_2_and_said(
    files: list[str], more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*files, *more]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--audit-log", "--rbac"])
def test_what_is_missing_is_told_before_anything_is_read(
    files: list[str], flag: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object, **__: object) -> None:
        pytest.fail("something was read first")

    monkeypatch.setattr(scan, "scan", read)
    monkeypatch.setattr(observe, "read_files", read)
    assert run([*files, flag, "/missing"]) == 2
    assert "/missing: there is no such file or folder" in capsys.readouterr().err


def test_without_any_event_nothing_is_called_unused(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "audit.log").write_text("nothing\nof that kind\n")
    assert run(files) == 2
    assert "there is no audit event" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: Role\n  bad: [", "this is not YAML"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n", "there is no RBAC object here"),
        (yaml.safe_dump({**role(), "rules": [1]}), "is not one"),
    ],
)
def test_rbac_that_cannot_be_read_is_said(
    files: list[str], tmp_path: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rbac.yaml").write_text(text)
    assert run(files) == 2
    assert said in capsys.readouterr().err
