"""Running suites: Gatekeeper's own `gator verify` judges them, several at once; what it says is read back."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from moorage.commands import run
from moorage.policies.model import PolicyError

SECONDS: Final = 600
_SUFFIXES: Final = frozenset({".yaml", ".yml"})
_KIND: Final = re.compile(rb"^kind:\s*[\"']?Suite[\"']?\s*(?:#.*)?$", re.MULTILINE)
_GROUP: Final = b"test.gatekeeper.sh/"
_TEST: Final = re.compile(
    r"(?:=== (?P<event>RUN|SKIP) +|--- (?P<end>PASS|FAIL): )(?P<name>.*?)(?:\t\((?P<time>.*?)s\))?"
)
_CASE: Final = re.compile(r" {4}" + _TEST.pattern)
_SUITE: Final = re.compile(r"(?P<end>ok|FAIL)\t(?P<path>.*)\t(?P<time>[0-9.]+)s")


class SuiteError(PolicyError):
    """A suite that cannot be run."""


@dataclass(frozen=True, slots=True)
class Case:
    """A case of a suite, and how it went.

    Args:
        test: the test that it is of.
        name: its own; empty where the whole test failed before its cases.
        problem: why it failed; empty where it did not.
        seconds: how long it took.
        skipped: whether the suite says to leave it out.
    """

    test: str
    name: str
    problem: str = ""
    seconds: float = 0.0
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite, and how it went.

    Args:
        path: of its file.
        cases: in order.
        problem: why nothing of it could be run; empty where it could.
        seconds: how long it took.
    """

    path: Path
    cases: tuple[Case, ...]
    problem: str = ""
    seconds: float = 0.0

    @property
    def failed(self) -> tuple[Case, ...]:
        """The cases that failed."""
        return tuple(case for case in self.cases if case.problem)

    @property
    def ok(self) -> bool:
        """Whether everything in it went well."""
        return not self.problem and not self.failed


def find_suites(paths: Sequence[Path]) -> list[Path]:
    """Return the files of suites in some files and folders, each once.

    Raises:
        SuiteError: a path does not exist, or is a file that is no suite.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            found.update(dict.fromkeys(_below(path)))
        elif not path.exists():
            raise SuiteError(f"{path}: there is no such file or folder")
        elif _is_suite(path):
            found[path] = None
        else:
            raise SuiteError(
                f"{path}: this is not a suite", hint="a suite has `kind: Suite` of test.gatekeeper.sh"
            )
    return list(found)


def run_suites(
    suites: Sequence[Path], gator: Path, *, only: str = "", workers: int | None = None
) -> Iterator[Suite]:
    """Run suites side by side, and yield how each went, in order.

    Args:
        suites: their files.
        gator: the engine's executable.
        only: a regular expression, as `gator verify --run` takes it: which tests and cases.
        workers: how many run at once; as many as there are processors unless given.

    Raises:
        SuiteError: the engine does not run.
    """
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        yield from pool.map(lambda suite: run_suite(suite, gator, only=only), suites)


def run_suite(path: Path, gator: Path, *, only: str = "") -> Suite:
    """Run one suite.

    Raises:
        SuiteError: the engine does not run.
    """
    command = [str(gator), "verify", str(path.absolute()), "--verbose", *((f"--run={only}",) if only else ())]
    late = f"{path}: not done after {SECONDS} s"
    done = run(command, seconds=SECONDS, late=late, error=SuiteError)
    suite = read_output(path, done.stdout)
    if suite.cases or suite.problem:
        return suite
    if done.returncode:
        said = " ".join(done.stderr.split()).removeprefix("Error: ")
        return Suite(path, (), said or "the engine fails without a word")
    return Suite(path, (), "" if only else "there is no case in it")


def read_output(path: Path, output: str) -> Suite:
    """Read what `gator verify --verbose` says about one suite."""
    reader = _Reader(output.splitlines())
    while reader.line():
        pass
    return Suite(path, tuple(reader.cases), reader.problem, reader.seconds)


class _Reader:
    """Reads the output line by line; errors take up the lines below them."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.cases: list[Case] = []
        self.problem = ""
        self.seconds = 0.0
        self._lines = lines
        self._place = 0
        self._test = ""

    def line(self) -> bool:
        """Read the next line; say whether there was one."""
        if self._place >= len(self._lines):
            return False
        line = self._lines[self._place]
        self._place += 1
        if match := _SUITE.fullmatch(line):
            self.seconds = float(match["time"])
            self.problem = self._said(2)
        elif match := _CASE.fullmatch(line):
            self._case(match)
        elif match := _TEST.fullmatch(line):
            self._whole_test(match)
        return True

    def _case(self, match: re.Match[str]) -> None:
        if match["event"] == "SKIP":
            self.cases.append(Case(self._test, match["name"], skipped=True))
        elif match["end"]:
            said = self._said(8)
            problem = (said or "it failed") if match["end"] == "FAIL" else ""
            self.cases.append(Case(self._test, match["name"], problem, float(match["time"] or 0)))

    def _whole_test(self, match: re.Match[str]) -> None:
        name, seconds = match["name"], float(match["time"] or 0)
        if match["event"] == "RUN":
            self._test = name
        elif match["event"] == "SKIP":
            self.cases.append(Case(name, "", skipped=True))
        elif match["end"] == "FAIL":
            if said := self._said(2):
                self.cases.append(Case(name, "", said, seconds))
        elif not any(case.test == name for case in self.cases):
            # A test that a constraint is refused has no cases: it is its own.
            self.cases.append(Case(name, "", "", seconds))

    def _said(self, indent: int) -> str:
        """Take the lines that go on what was said; further lines of an error are not always indented."""
        taken: list[str] = []
        while self._place < len(self._lines):
            line = self._lines[self._place]
            if not line.strip() or _starts(line) or not (taken or line.startswith(" " * indent)):
                break
            taken.append(line[indent:] if line.startswith(" " * indent) else line)
            self._place += 1
        return "\n".join(taken)


def _starts(line: str) -> bool:
    return line in {"PASS", "FAIL"} or bool(
        _SUITE.fullmatch(line) or _TEST.fullmatch(line) or _CASE.fullmatch(line)
    )


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix in _SUFFIXES and not hidden and path.is_file() and _is_suite(path):
            yield path


def _is_suite(path: Path) -> bool:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SuiteError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    return _GROUP in content and bool(_KIND.search(content))
