"""The files as a commit has them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from moorage.manifests.history import as_before
from moorage.manifests.model import InputError


def git(*arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *identity, *arguments], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    git("init", "--initial-branch=main")
    commit("d/a.yaml", "one")
    return tmp_path


def commit(name: str, text: str) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    git("add", ".")
    git("commit", "-m", text)


def test_the_process_sees_the_files_as_they_were_and_then_as_they_are(repository, monkeypatch):
    git("checkout", "-b", "change")
    commit("d/a.yaml", "two")
    Path("d/new.yaml").write_text("new")
    status = git("status", "--porcelain")
    monkeypatch.chdir(repository / "d")
    with as_before("main") as was:
        assert Path.cwd() != repository / "d"
        assert Path("a.yaml").read_text() == "one"
        assert was.there(["a.yaml", "new.yaml", ".", str(repository / "d/a.yaml")]) == [
            "a.yaml",
            ".",
            "a.yaml",
        ]
        inside = Path.cwd()
    assert Path.cwd() == repository / "d"
    assert Path("a.yaml").read_text() == "two"
    assert not inside.exists()
    monkeypatch.chdir(repository)
    assert git("status", "--porcelain") == status


def test_what_others_did_since_is_not_there(repository):
    git("checkout", "-b", "change")
    commit("d/b.yaml", "mine")
    git("checkout", "main")
    commit("d/a.yaml", "theirs")
    git("checkout", "change")
    with as_before("main"):
        assert Path("d/a.yaml").read_text() == "one"


def test_without_a_common_past_it_is_the_other_version_itself(repository):
    git("checkout", "--orphan", "other")
    commit("d/a.yaml", "other")
    with as_before("main"):
        assert Path("d/a.yaml").read_text() == "one"


def test_what_is_kept_from_releases_is_there(repository):
    commit(".gitattributes", "d export-ignore\n")
    with as_before("HEAD"):
        assert Path("d/a.yaml").exists()


def test_a_folder_that_is_new_is_empty_there(repository, monkeypatch):
    Path("e").mkdir()
    monkeypatch.chdir(repository / "e")
    with as_before("main") as was:
        assert was.there(["."]) == ["."]
        assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize("ref", ["nope", "--all", "HEAD~9"])
def test_a_commit_that_there_is_not_is_named(repository, ref):
    with pytest.raises(InputError, match=f"git knows no commit {ref}"), as_before(ref):
        pass


def test_outside_of_a_repository_it_is_told_where_one_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(InputError, match="is in no git repository"), as_before("main"):
        pass
