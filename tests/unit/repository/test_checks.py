"""The checks of `make lint` that are our own refuse what they say they refuse."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HASH = f"--hash=sha256:{'0' * 64}"
PROJECT = """
[project]
dependencies = ["rich>=14"]
[dependency-groups]
test = ["pytest>=8"]
dev = [{ include-group = "test" }]
docs = ["mkdocs"]
"""
RUNTIME = f"rich==15.0.0 \\\n    {HASH}\n    # via moorage (pyproject.toml)\n"
DEV = (
    RUNTIME + f"pytest==9.0.0 ; python_version > '3' \\\n    {HASH}\n    # via moorage (pyproject.toml:dev)\n"
)
DOCS = f"mkdocs==1.6.1 \\\n    {HASH}\n    # via moorage (pyproject.toml:docs)\n"


def run(script: str, root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / script, root], check=False, capture_output=True, text=True
    )


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "requirements").mkdir()
    for name, text in {"runtime": RUNTIME, "dev": DEV, "docs": DOCS}.items():
        (tmp_path / "requirements" / f"{name}.txt").write_text(text)
    return tmp_path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    return tmp_path


def test_locks_that_say_what_the_project_asks_for_pass(locked: Path) -> None:
    checked = run("check_locks.py", locked)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        ("pyproject.toml", "rich>=14", "rich>=16", "rich>=16 is locked at 15.0.0"),
        ("pyproject.toml", '"pytest>=8"', '"pytest>=8", "ruff"', "ruff is not locked"),
        ("pyproject.toml", '"pytest>=8"', "", "pytest is locked, but nothing asks for it any more"),
        ("requirements/docs.txt", HASH, "", "mkdocs has no hash"),
        ("requirements/runtime.txt", "15.0.0", "14.1.0", "rich 14.1.0 is not what requirements/dev.txt has"),
        ("requirements/dev.txt", "rich", "--index-url https://mirror.example/simple\nrich", "'--index-url"),
    ],
)
def test_a_lock_that_says_something_else_is_refused(
    locked: Path, file: str, old: str, new: str, complaint: str
) -> None:
    path = locked / file
    path.write_text(path.read_text().replace(old, new, 1))
    checked = run("check_locks.py", locked)
    assert checked.returncode == 1
    assert complaint in checked.stderr


def test_a_clean_tree_passes(tree: Path) -> None:
    (tree / "notes.md").write_text("Binaries are kept in ~/.cache/moorage.\n")
    (tree / "image.png").write_bytes(b"\0" + str(tree).encode())
    checked = run("check_tree.py", tree)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("tools = '{tree}/bin'", "is a path of this machine"),
        ("state = '{home}/.local/state'", "is a path of this machine"),
        ("--index-url https://" + "pypi" + ".org/simple", "a package index is named"),
        ("<" * 7 + " HEAD", "a conflict marker"),
    ],
)
def test_what_nobody_may_commit_is_refused_with_its_line(
    tree: Path, line: str, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    (tree / "settings.py").write_text(
        "first\n" + line.format(tree=tree.resolve(), home="/home/somebody") + "\n"
    )
    checked = run("check_tree.py", tree)
    assert checked.returncode == 1
    assert checked.stderr.startswith("settings.py:2: ")
    assert complaint in checked.stderr


def test_what_git_ignores_is_nobodys_business(tree: Path) -> None:
    (tree / ".gitignore").write_text("local.txt\n")
    (tree / "local.txt").write_text(str(tree.resolve()))
    assert run("check_tree.py", tree).returncode == 0


def test_a_long_module_is_named_but_passes(tree: Path) -> None:
    (tree / "src").mkdir()
    (tree / "src" / "long.py").write_text("x = 1\n" * 401)
    checked = run("check_tree.py", tree)
    assert checked.returncode == 0
    assert "src/long.py: warning: 401 lines" in checked.stdout
