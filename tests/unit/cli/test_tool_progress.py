"""What a person is told while tools come, where there is no terminal."""

from __future__ import annotations

import io

from moorage.cli._tool_progress import Lines
from moorage.toolchain.progress import Unit


def test_a_download_is_told_when_it_has_begun_and_not_when_it_is_tried():
    stream = io.StringIO()
    lines = Lines(stream)
    lines.started("etcd", "download from far.example", Unit.BYTES)
    assert stream.getvalue() == ""
    lines.advanced("etcd", 10, 100)
    lines.advanced("etcd", 20, 100)
    assert stream.getvalue() == "etcd: download from far.example\n"


def test_what_is_built_is_told_at_once():
    stream = io.StringIO()
    Lines(stream).started("etcd", "go build", Unit.PACKAGES)
    assert stream.getvalue() == "etcd: go build\n"


def test_what_concerns_no_single_tool_is_told_of_none():
    stream = io.StringIO()
    Lines(stream).announce("far.example cannot be reached (refused)")
    assert stream.getvalue() == "far.example cannot be reached (refused)\n"
