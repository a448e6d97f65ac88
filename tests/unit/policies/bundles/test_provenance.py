"""Where a bundle is from."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from moorage.policies.bundles.errors import BundleError
from moorage.policies.bundles.provenance import Commit, decide, public_address, read_commit

COMMIT = Commit("f00d", 1_700_000_000, "https://git.example.com/acme/policies")


def git(folder, *arguments):
    subprocess.run(
        ["git", "-c", "user.name=A", "-c", "user.email=a@example.com", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        env={
            "PATH": "/usr/bin:/bin:/usr/local/bin",
            "GIT_COMMITTER_DATE": "1700000000 +0200",
            "HOME": str(folder),
        },
    )


@pytest.fixture
def repository(folder):
    if shutil.which("git") is None:
        pytest.skip("git is not here")
    git(folder, "init", "-q")
    (folder / ".gitignore").write_text("ignored.yaml\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "one")
    git(folder, "remote", "add", "origin", "git@git.example.com:acme/policies.git")
    return folder


def test_a_clean_checkout_says_its_commit_its_time_and_its_origin(repository):
    commit = read_commit(repository)
    assert (commit.clean, commit.time_seconds) == (True, 1_700_000_000)
    assert commit.source == "https://git.example.com/acme/policies"
    assert len(commit.revision) == 40
    said = decide(commit, {})
    assert (said.created, said.revision) == ("2023-11-14T22:13:20Z", commit.revision)


@pytest.mark.parametrize("change", ["changed", "staged", "added", "ignored"])
def test_what_is_not_in_the_commit_says_nothing_of_the_commit(repository, change):
    file = {
        "changed": "sets/words.yaml",
        "staged": "sets/words.yaml",
        "added": "policies/no-bad-word/samples/new.yaml",
        "ignored": "policies/no-bad-word/samples/ignored.yaml",
    }[change]
    (repository / file).write_text("a: 1\n")
    if change == "staged":
        git(repository, "add", ".")
    commit = read_commit(repository)
    assert not commit.clean
    assert decide(commit, {}).annotations == {}


def test_a_change_elsewhere_in_the_repository_is_nothing(repository):
    (repository / "other").mkdir()
    shutil.move(repository / "policies", repository / "other" / "policies")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "two")
    (repository / "sets" / "words.yaml").write_text("a: 1\n")
    assert read_commit(repository / "other").clean


def test_a_hook_that_names_another_repository_is_not_believed(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert read_commit(repository) is not None


def test_a_folder_in_no_repository_says_nothing(folder):
    assert read_commit(folder) is None
    assert decide(None, {}).annotations == {}


@pytest.mark.parametrize("commit", [None, COMMIT])
def test_source_date_epoch_goes_before_the_commit(commit):
    assert decide(commit, {"SOURCE_DATE_EPOCH": "1"}).created == "1970-01-01T00:00:01Z"


@pytest.mark.parametrize("epoch", ["now", "-1", "1.5", "9" * 30])
def test_a_source_date_epoch_that_is_no_time_is_an_error(epoch):
    with pytest.raises(BundleError, match="SOURCE_DATE_EPOCH"):
        decide(None, {"SOURCE_DATE_EPOCH": epoch})


def test_what_is_given_goes_before_what_git_says():
    said = decide(COMMIT, {}, version="2", source="https://example.com", revision="abc")
    assert (said.version, said.source, said.revision) == ("2", "https://example.com", "abc")


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("git@git.example.com:acme/policies.git", "https://git.example.com/acme/policies"),
        ("ssh://git@git.example.com:2222/acme/policies.git", "https://git.example.com/acme/policies"),
        ("https://git.example.com/acme/policies.git/", "https://git.example.com/acme/policies"),
        ("https://oauth2:s3cret@git.example.com:8443/acme/p", "https://git.example.com:8443/acme/p"),
        ("/srv/git/policies.git", ""),
        ("../policies", ""),
        ("file:///srv/git/policies", ""),
        ("", ""),
    ],
)
def test_an_origin_is_told_alike_by_everybody_and_without_a_login(remote, address):
    assert public_address(remote) == address
