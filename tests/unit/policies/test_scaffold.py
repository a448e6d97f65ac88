"""The beginning of a policy, and where it goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from moorage.policies.load import load_library
from moorage.policies.model import LibraryError, PolicyError
from moorage.policies.scaffold import write_policy


def test_a_new_policy_is_one_that_a_set_has(tmp_path: Path):
    library = tmp_path / "policies"
    folder, files = write_policy(library, "team-label", rego=False, chosen="house-rules")
    assert folder == library / "team-label"
    assert library / "sets" / "house-rules.yaml" in files
    found = load_library(library)
    assert [entry.policy for entry in found.sets["house-rules"].entries] == ["team-label"]


def test_a_set_that_is_there_is_left_alone(tmp_path: Path):
    write_policy(tmp_path, "one", rego=False, chosen="ours")
    with pytest.raises(PolicyError, match=r"ours\.yaml is there already"):
        write_policy(tmp_path, "two", rego=False, chosen="ours")
    assert not (tmp_path / "two").exists()


@pytest.mark.parametrize("asked", ["", "policies"])
def test_whoever_names_the_inner_folder_means_the_whole_library(tmp_path: Path, asked: str):
    (tmp_path / "policies").mkdir()
    write_policy(tmp_path, "one", rego=False, chosen="ours")
    write_policy(tmp_path / asked, "two", rego=True)
    found = load_library(tmp_path / asked)
    assert (list(found.policies), list(found.sets)) == (["one", "two"], ["ours"])


def test_files_of_a_flat_library_are_called_as_they_are(tmp_path: Path):
    folder, _ = write_policy(tmp_path, "one", rego=False)
    (folder / "policy.yaml").write_text("- 1\n")
    with pytest.raises(LibraryError, match=rf"^{tmp_path}/one/policy\.yaml:1: "):
        load_library(tmp_path)
