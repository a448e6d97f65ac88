"""Lines for a person, as wide as the terminal is."""

from __future__ import annotations

import io

import pytest

from moorage.cli._wrap import wrapped


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")


def test_a_long_line_ends_at_a_word_and_goes_on_beside_its_label():
    text = "error: project shop still has clusters: first-cluster, second-cluster"
    assert wrapped(text, Terminal()).split("\n") == [
        "error: project shop still has clusters:",
        "       first-cluster, second-cluster",
    ]


def test_the_lines_of_one_message_are_wrapped_each_below_its_own_beginning():
    text = "error: not available: etcd\n  release: github.com cannot be reached (no answer)"
    assert wrapped(text, Terminal()).split("\n") == [
        "error: not available: etcd",
        "  release: github.com cannot be reached",
        "  (no answer)",
    ]


def test_what_is_there_to_be_copied_stays_in_one_piece():
    path = "/a/folder/with/a/name/that/is/longer/than/a/line"
    assert path in wrapped(f"error: {path} cannot be used", Terminal()).split("\n")[1]


def test_a_command_is_not_broken_off_and_goes_to_the_next_line_as_a_whole():
    text = "hint: take it back first: `moorage advice revert shop/web-1`, then dismiss it"
    assert wrapped(text, Terminal()).split("\n") == [
        "hint: take it back first:",
        "      `moorage advice revert shop/web-1`,",
        "      then dismiss it",
    ]


def test_where_nobody_reads_along_nothing_is_changed():
    text = "error: " + "word " * 40
    assert wrapped(text, io.StringIO()) == text
