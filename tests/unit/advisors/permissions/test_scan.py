"""How audit logs are read: forms, wrappings, breakage, rotation, bounds."""

from __future__ import annotations

import base64
import gzip
import json
import os
import random
import threading
from pathlib import Path
from typing import Any

import pytest

from moorage.advisors.auditlogs import reading
from moorage.advisors.auditlogs.logs import LogError, close, open_sources
from moorage.advisors.auditlogs.reading import parts_of, read
from moorage.advisors.permissions.counting import SLOTS, Counter
from moorage.advisors.permissions.model import MANY, Outcome, Request, Usage, Who
from moorage.advisors.permissions.scan import scan
from moorage.advisors.permissions.store import NAMES

from .helpers import account, event, lines, write


def requests(usage: Usage) -> set[Request]:
    return {request for _, request, _ in usage.seen}


SOME = [event("get", name=f"n{number % 7}", namespace=f"ns{number % 3}") for number in range(200)]


def test_a_folder_that_cannot_be_listed_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "audit.log", SOME)
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(LogError, match="closed: permission denied"):
        open_sources([str(tmp_path)])


def test_files_folders_and_gzip_are_read_and_each_file_once(tmp_path: Path) -> None:
    folder = tmp_path / "logs" / "deeper"
    folder.mkdir(parents=True)
    write(tmp_path / "logs" / "audit.log", SOME[:50])
    (folder / "audit-1.log.gz").write_bytes(
        gzip.compress(lines(SOME[50:100]).encode()) + gzip.compress(lines(SOME[100:]).encode())
    )
    os.link(tmp_path / "logs" / "audit.log", folder / "the-same.log")
    usage = scan([str(tmp_path / "logs"), str(tmp_path / "logs" / "audit.log")])
    assert (usage.tally.events, usage.tally.duplicates, len(usage.sources)) == (200, 0, 2)
    assert requests(usage) == requests(scan([write(tmp_path / "whole.log", SOME)]))


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_however_a_file_is_split_each_line_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    path = write(tmp_path / "audit.log", SOME)
    whole = scan([path], workers=1)
    assert threading.active_count() == 1, "it would not fork"
    length = len(lines(SOME[:1]))
    for part in (length // 3, length - 1, length, length + 1, 1000, 7777):
        monkeypatch.setattr(reading, "PART", part)
        monkeypatch.setattr(reading, "BLOCK", max(part // 2, 10))
        usage = scan([path], workers=workers)
        assert (usage.tally, usage.seen) == (whole.tally, whole.seen), part


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda text: json.dumps({"log": text + "\n", "stream": "stdout"}),
        lambda text: json.dumps({"@timestamp": "2026-01-01", "@message": json.loads(text)}),
        lambda text: json.dumps({"message": text, "host": {"name": "x"}}),
        lambda text: json.dumps(
            {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": [json.loads(text)]}
        ),
        lambda text: json.dumps({"events": [{"timestamp": 1, "message": text}], "nextToken": "x"}),
        lambda text: "2026-01-01T00:00:00.000Z " + text,
        lambda text: "2026-01-01T00:00:00.000000000Z stdout F " + text,
        lambda text: "\ufeff" + text,
        lambda text: text.replace("audit.k8s.io/v1", "audit.k8s.io/v7").replace(
            "{", '{"new": {"a": [1]}, ', 1
        ),
        lambda text: text.replace('"code": 200', '"code": "200"'),
    ],
)
def test_what_log_services_make_of_an_event_is_understood(tmp_path: Path, wrapped: Any) -> None:
    events = SOME[:20]
    path = tmp_path / "audit.log"
    path.write_text("".join(wrapped(json.dumps(each)) + "\n" for each in events))
    usage = scan([str(path)])
    assert (usage.tally.events, usage.tally.corrupt, usage.tally.foreign) == (20, 0, 0)
    assert requests(usage) == requests(scan([write(tmp_path / "plain.log", events)]))


def test_broken_lines_are_counted_shown_and_skipped(tmp_path: Path) -> None:
    good = [json.dumps(each) for each in SOME[:4]]
    bad = [
        "not json",
        good[0][:100],
        "\0\0\0\0",
        '{"stage": 3, "verb": []}',
        "[" * 5000,
        '{"a": 1}',
        "",
        "null",
    ]
    path = tmp_path / "audit.log"
    path.write_text("\n".join([good[0], *bad, *good[1:]]) + "\n")
    usage = scan([str(path)])
    assert (usage.tally.events, usage.tally.corrupt, usage.tally.foreign) == (4, 6, 1)
    assert f"{path}, byte {len(good[0]) + 1:,}: it is not JSON" in usage.problems


def test_text_that_is_not_utf8_loses_no_request(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(
        json.dumps(event("get", name="NAME", userAgent="AGENT")).encode().replace(b"NAME", b"a\xff") + b"\n"
    )
    usage = scan([str(path)])
    assert (usage.tally.events, usage.tally.corrupt) == (1, 0)


def test_a_line_that_is_still_being_written_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    whole = lines(SOME[:3])
    path.write_text(whole[:-50])
    usage = scan([str(path)])
    assert (usage.tally.events, usage.tally.corrupt, usage.tally.incomplete) == (2, 0, 1)
    path.write_text(whole.rstrip("\n"))
    assert scan([str(path)]).tally.events == 3


def test_a_log_that_is_rotated_while_it_is_read_is_read_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    write(path, SOME[:10])
    sources = open_sources([str(tmp_path)])
    path.rename(tmp_path / "audit-2026.log")
    write(path, SOME[10:20])
    with (tmp_path / "audit-2026.log").open("a") as file:
        file.write(lines(SOME[20:30]))
    counter = Counter([0] * SLOTS)
    for part in parts_of(sources):
        read(part, sources[part.source], counter)
    close(sources)
    assert counter.tally.events == 10


@pytest.mark.parametrize("cut", [1, 20, 4000])
def test_of_a_gzip_file_that_is_not_whole_all_that_is_there_is_read(tmp_path: Path, cut: int) -> None:
    packed = gzip.compress(base64.b64encode(os.urandom(9000)) + b"\n" + lines(SOME).encode())
    path = tmp_path / "audit.log.gz"
    path.write_bytes(packed[:-cut])
    usage = scan([str(path)])
    assert usage.tally.events > 0
    assert usage.tally.incomplete >= 1


def test_a_gzip_file_that_is_broken_says_so(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(lines(SOME).encode()))
    packed[len(packed) // 2] ^= 0xFF
    path = tmp_path / "audit.log.gz"
    path.write_bytes(bytes(packed))
    usage = scan([str(path)])
    assert usage.tally.corrupt >= 1
    assert str(path) in usage.problems[0]


def test_standard_input_is_read_also_when_it_is_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "packed").write_bytes(gzip.compress(lines(SOME).encode()))
    with (tmp_path / "packed").open("rb") as file:
        kept = os.dup(0)
        os.dup2(file.fileno(), 0)
        try:
            usage = scan(["-"], workers=1)
        finally:
            os.dup2(kept, 0)
            os.close(kept)
    assert (usage.tally.events, usage.sources) == (200, ("standard input",))


def test_duplicates_count_once_and_change_no_use(tmp_path: Path) -> None:
    once = scan([write(tmp_path / "once.log", SOME)])
    twice = scan([write(tmp_path / "twice.log", SOME), write(tmp_path / "again.log", SOME)])
    assert (twice.tally.events, twice.tally.duplicates) == (200, 200)
    assert twice.seen == once.seen


def test_different_requests_with_the_same_audit_id_are_both_use(tmp_path: Path) -> None:
    events = [event("get", name="a", auditID="chosen-by-client"), event("list", auditID="chosen-by-client")]
    usage = scan([write(tmp_path / "audit.log", events)])
    assert {request.verb for request in requests(usage)} == {"get", "list"}
    assert usage.tally.events == 1


def test_a_watch_that_goes_on_is_use_and_is_counted_when_it_ends(tmp_path: Path) -> None:
    started = event("watch", stage="ResponseStarted")
    received = event("list", stage="RequestReceived")
    usage = scan([write(tmp_path / "audit.log", [started, received])])
    assert ({request.verb for request in requests(usage)}, usage.tally.events) == ({"watch"}, 0)
    usage = scan([write(tmp_path / "audit.log", [started, {**started, "stage": "ResponseComplete"}])])
    assert [seen.count for seen in usage.seen.values()] == [1]


def test_the_name_in_a_new_objects_body_is_not_what_authorization_saw(tmp_path: Path) -> None:
    body = event("create", name="made")
    body["requestURI"] = "/api/v1/namespaces/shop/pods?fieldManager=x"
    connect = event("create", "pods:exec", name="web-0")
    usage = scan([write(tmp_path / "audit.log", [body, connect])])
    assert sorted((request.combined, request.name) for request in requests(usage)) == [
        ("pods", ""),
        ("pods/exec", "web-0"),
    ]


def test_paths_are_asked_for_without_their_query_and_decoded(tmp_path: Path) -> None:
    usage = scan(
        [write(tmp_path / "audit.log", [event("get", "/openapi/v2?timeout=32s"), event("get", "/a%20b")])]
    )
    assert {request.path for request in requests(usage)} == {"/openapi/v2", "/a b"}


def test_very_many_names_are_not_kept_whatever_their_order(tmp_path: Path) -> None:
    few = [event("get", name=f"n{number}") for number in range(NAMES)]
    many = [event("delete", name=f"n{number}") for number in range(NAMES * 3)] + [event("list")]
    expected = {("get", f"n{number}") for number in range(NAMES)} | {("delete", MANY), ("list", "")}
    for seed in range(3):
        events = few + many
        random.Random(seed).shuffle(events)  # noqa: S311 - the same every time
        usage = scan([write(tmp_path / f"{seed}.log", events)])
        assert {(request.verb, request.name) for request in requests(usage)} == expected
        key = (account(), Request("delete", "", "pods", "", "shop", MANY), Outcome.DONE)
        assert usage.seen[key].count == NAMES * 3


def test_what_was_denied_takes_no_memory(tmp_path: Path) -> None:
    who = Who("prober")
    usage = scan([write(tmp_path / "a.log", [event(name=f"n{n}", who=who, code=403) for n in range(500)])])
    assert (dict(usage.seen), usage.denied) == ({}, {who: 500})


def test_what_cannot_be_opened_is_said(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="there is no such file"):
        scan([str(tmp_path / "missing.log")])
    with pytest.raises(LogError, match="there is no audit log"):
        scan([str(tmp_path)])
    (tmp_path / "audit.zst").write_bytes(b"\x28\xb5\x2f\xfd....")
    with pytest.raises(LogError, match="Zstandard"):
        scan([str(tmp_path / "audit.zst")])
