"""What is committed is what the models say."""

from pathlib import Path

import pytest
import yaml

from moorage.api import generate
from moorage.api.crd import custom_resource_definitions
from moorage.errors import ExitCode

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """The files, written to a folder of the test's own."""
    monkeypatch.setattr(generate, "CRDS", tmp_path / "crds")
    assert generate.main(["--root", str(tmp_path)]) == ExitCode.OK
    return tmp_path


def test_the_committed_files_are_what_the_models_say():
    assert generate.stale(generate.generated(REPOSITORY)) == []


def test_a_file_that_was_edited_is_found_and_put_right(elsewhere, capsys):
    edited = elsewhere / "crds" / "projects.moorage.dev.yaml"
    edited.write_text(edited.read_text().replace("proj", "prj"))
    assert generate.main(["--check", "--root", str(elsewhere)]) == ExitCode.FINDINGS
    said = capsys.readouterr().err
    assert str(edited) in said
    assert "hint: run `python -m moorage.api.generate`" in said
    assert generate.main(["--root", str(elsewhere)]) == ExitCode.OK
    assert generate.main(["--check", "--root", str(elsewhere)]) == ExitCode.OK


def test_a_file_of_a_kind_that_is_no_more_is_found_and_removed(elsewhere):
    left_over = elsewhere / "crds" / "widgets.moorage.dev.yaml"
    left_over.write_text("{}")
    assert generate.main(["--check", "--root", str(elsewhere)]) == ExitCode.FINDINGS
    generate.main(["--root", str(elsewhere)])
    assert not left_over.exists()


def test_the_files_hold_the_very_objects(elsewhere):
    read = [yaml.safe_load(path.read_text()) for path in (elsewhere / "crds").glob("*.yaml")]
    assert sorted(read, key=str) == sorted(custom_resource_definitions(), key=str)


def test_the_reference_has_every_kind_and_no_half_cooked_expression(elsewhere):
    text = (elsewhere / "docs/reference/api.md").read_text()
    for definition in custom_resource_definitions():
        assert f"# {definition['spec']['names']['kind']}\n" in text
    assert "' +" not in text
    assert "self." not in text
