"""The command line of ``moorage advise apis``."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from moorage.advisors.render import Format
from moorage.cli.main import run

BUDGET = """\
apiVersion: policy/v1beta1
kind: PodDisruptionBudget
metadata: {name: web, namespace: shop}
spec: {minAvailable: 1}
"""
CLASS = "apiVersion: resource.k8s.io/v1beta2\nkind: DeviceClass\nmetadata: {name: a}\nspec: {}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))
    return tmp_path


def test_what_is_removed_ends_with_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.yaml").write_text(BUDGET)
    assert run(["advise", "apis"]) == 1
    said = capsys.readouterr().out
    assert "high manifest-removed, 100% sure (a.yaml:1)" in said
    assert "apiVersion: policy/v1\n" in said
    assert run(["advise", "apis", "--target", "1.20", "."]) == 0
    assert run(["advise", "apis", "--target", "1.24", "a.yaml"]) == 0
    assert run(["advise", "apis", "--target", "1.24", "--strict", "a.yaml"]) == 1


def test_what_is_deprecated_is_told_and_passes_unless_strict(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "a.yaml").write_text(CLASS)
    assert run(["advise", "apis", "--target=1.38"]) == 0
    assert "manifest-deprecated" in capsys.readouterr().out
    assert run(["advise", "apis", "--target=1.38", "--strict"]) == 1


def test_what_cannot_be_read_ends_with_two_and_the_rest_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "a.yaml").write_text(BUDGET)
    (folder / "b.yaml").write_text(f"{BUDGET}]\n")
    assert run(["advise", "apis", "-o", "json"]) == 2
    told = capsys.readouterr()
    assert "error: b.yaml:" in told.err
    report = json.loads(told.out)
    assert [each["location"]["file"] for each in report["findings"]] == ["a.yaml"]
    assert report["notes"][0].startswith("not judged: b.yaml:")
    assert run(["advise", "apis"]) == 2
    told = capsys.readouterr()
    assert (told.out + told.err).count("b.yaml") == 1


def test_standard_input(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BUDGET.encode())))
    assert run(["advise", "apis", "-"]) == 1
    assert "standard input:1" in capsys.readouterr().out


@pytest.mark.parametrize("wanted", list(Format))
def test_every_format(folder: Path, capsys: pytest.CaptureFixture[str], wanted: Format) -> None:
    (folder / "a.yaml").write_text(BUDGET)
    assert run(["advise", "apis", "-o", wanted.value]) == 1
    assert "policy/v1beta1" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ("--target", "soon"),
        ("--target", "nobody=1.0"),
        ("-o", "xml"),
        ("-", "--audit-log", "-"),
        ("--audit-log", "none.log"),
        ("none.yaml",),
        ("--no-such-flag",),
    ],
)
def test_misuse_ends_with_two_and_a_line(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert run(["advise", "apis", *arguments]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_the_changes_go_into_the_files_with_their_comments(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "a.yaml"
    file.write_text(BUDGET.replace("kind:", "# why\nkind:").replace("v1beta1", "v1beta1  # old"))
    assert run(["advise", "apis", "-o", "json"]) == 1
    (folder / ".advice.json").write_text(capsys.readouterr().out)
    assert run(["advise", "patch", "--findings", ".advice.json", "--write", "a.yaml"]) == 0
    assert file.read_text() == (
        "apiVersion: policy/v1  # old\n# why\nkind: PodDisruptionBudget\n"
        "metadata: {name: web, namespace: shop}\nspec: {minAvailable: 1}\n"
    )
    assert run(["advise", "apis"]) == 0
