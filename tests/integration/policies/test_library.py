"""The library that Moorage brings: its suites pass, and what its pages advise does mend."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from moorage.policies.compiling import compile_policies
from moorage.policies.engine import Subject, judge
from moorage.policies.load import builtin_library_path, load_library
from moorage.policies.model import Library
from moorage.policies.suites import find_suites, run_suites

from .engine import NOW

LIBRARY = builtin_library_path()
NAMES = sorted(path.name for path in (LIBRARY / "policies").iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library(LIBRARY)


def test_every_policy_has_a_suite_and_every_case_passes(gator: Path):
    suites = find_suites([LIBRARY / "policies"])
    assert sorted(suite.parent.name for suite in suites) == NAMES

    for suite in run_suites(suites, gator):
        assert suite.ok, f"{suite.path}: {suite.problem or suite.failed}"
        assert len(suite.cases) >= 5, f"{suite.path} says little about its policy"


def test_a_policy_is_in_a_set_and_a_set_is_of_policies_that_there_are(library: Library):
    entries = {entry.policy for found in library.sets.values() for entry in found.entries}

    assert entries == set(library.policies)


def test_what_a_page_shows_before_is_refused_and_what_it_shows_after_is_not(gator: Path, library: Library):
    wrong = dict(_judged(library, gator, "before"))
    assert sorted(name for name, messages in wrong.items() if not messages) == []

    mended = dict(_judged(library, gator, "after"))
    assert {name: messages for name, messages in mended.items() if messages} == {}


def _judged(library: Library, gator: Path, part: str) -> Iterator[tuple[str, list[str]]]:
    """Yield what each policy says of the example of its page."""
    for name, policy in library.policies.items():
        only = Library(
            library.name,
            library.version,
            library.origin,
            {name: policy},
            {},
            library.expansions,
            library.digest,
        )
        objects: list[dict[str, Any]] = [
            obj for obj in yaml.safe_load_all(getattr(policy.mend, part)) if obj is not None
        ]
        assert objects, f"{name}: there is no example of {part}"
        judgement = judge(
            compile_policies([only], now=NOW, everything=True),
            [Subject.of(obj) for obj in objects],
            namespaces={},
            gator=gator,
            workers=2,
        )
        yield name, [finding.message for finding in judgement.findings]
