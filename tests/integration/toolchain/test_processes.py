"""Many processes, and processes that die: nothing is done twice, and nothing half-made is ever seen."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from multiprocessing import get_context
from pathlib import Path

import pytest

from moorage.toolchain.lock import Artifact, Locks, parse_lock
from moorage.toolchain.settings import Source

BIG = os.urandom(2_000_000)


@pytest.fixture(autouse=True)
def only_releases(machine):
    machine.allow(Source.RELEASE)


def test_two_processes_at_once_download_once(machine, release, upstream, spawn, until, answer):
    reply = answer(BIG, halt_at=300_000)
    path = release(BIG, "tool", reply)
    processes = [spawn("tool") for _ in range(3)]
    until(reply.halted.is_set, what="the download's beginning")
    assert len(machine.leftovers()) == 1, "one makes it"
    outputs = ["", "", ""]
    for number, process in enumerate(processes):
        # Until each is in the download or has said that it waits for whoever is.
        while "amount" not in outputs[number] and "another process" not in outputs[number]:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            outputs[number] += line
    reply.go_on.set()
    for number, process in enumerate(processes):
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        outputs[number] += out
    assert sum("installed by another process" in out for out in outputs) == 2
    assert upstream.count(path) == 1
    assert sum("done tool 1.2.3 from release" in out for out in outputs) == 1
    assert machine.toolchain.locate("tool").read_bytes() == BIG
    assert machine.leftovers() == []


async def test_two_tasks_of_one_process_download_once(machine, release, upstream):
    path = release(BIG)
    first, second = await asyncio.gather(machine.ensure("tool"), machine.ensure("tool"))
    assert first == second
    assert upstream.count(path) == 1


def test_who_waits_says_so_and_takes_over_when_the_maker_dies(
    machine, release, upstream, spawn, until, answer
):
    path = release(BIG, "tool", answer(BIG, halt_at=1000), answer(BIG))
    halted = upstream.replies[path][0]
    maker = spawn("tool")
    until(halted.halted.is_set, what="the download's beginning")
    waiter = spawn("tool")
    assert any("another process is getting it" in line for line in iter(waiter.stdout.readline, ""))
    maker.kill()
    out, err = waiter.communicate(timeout=30)
    assert waiter.returncode == 0, err
    assert "done tool 1.2.3 from release" in out
    assert upstream.count(path) == 2
    assert machine.toolchain.locate("tool").read_bytes() == BIG


def test_a_process_killed_in_a_download_leaves_nothing_that_is_taken_for_a_tool(
    machine, release, upstream, spawn, until, answer
):
    path = release(BIG, "tool", answer(BIG, halt_at=1_500_000), answer(BIG))
    halted = upstream.replies[path][0]
    process = spawn("tool")
    until(halted.halted.is_set, what="the download's middle")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert machine.installed() == []
    assert len(machine.leftovers()) == 1

    asyncio.run(machine.ensure("tool"))
    assert machine.toolchain.locate("tool").read_bytes() == BIG
    assert machine.leftovers() == []


def test_leftovers_of_one_tool_are_swept_by_the_next_install_of_another(
    machine, release, upstream, spawn, until, answer
):
    release(b"other", "other")
    path = release(BIG, "tool", answer(BIG, halt_at=1000))
    process = spawn("tool")
    until(upstream.replies[path][0].halted.is_set, what="the download's beginning")

    asyncio.run(machine.ensure("other"))
    assert len(machine.leftovers()) == 1, "what a living process works on stays"
    process.kill()
    process.wait()
    asyncio.run(machine.ensure("other", again=True))
    assert machine.leftovers() == []


def test_an_interrupted_download_cleans_up_after_itself(machine, release, upstream, spawn, until, answer):
    path = release(BIG, "tool", answer(BIG, halt_at=1000))
    process = spawn("tool")
    until(upstream.replies[path][0].halted.is_set, what="the download's beginning")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode != 0
    assert machine.installed() == machine.leftovers() == []


@pytest.mark.parametrize("milliseconds", [0, 2, 5, 10, 20, 40])
def test_wherever_a_process_is_killed_the_tool_is_whole_or_absent(
    machine, release, upstream, spawn, until, answer, milliseconds
):
    path = release(BIG, "tool", answer(BIG, halt_at=1_500_000), answer(BIG))
    reply = upstream.replies[path][0]
    process = spawn("tool")
    until(reply.halted.is_set, what="the halt")
    # From here the process runs on and is killed at whatever it does just then: read, hash, sync, rename.
    reply.go_on.set()
    time.sleep(milliseconds / 1000)
    process.kill()
    process.wait()
    tool = machine.catalog.tool("tool")
    assert machine.toolchain.slot(tool).find() is None or machine.toolchain.problem(tool) is None
    asyncio.run(machine.ensure("tool"))
    assert machine.toolchain.locate("tool").read_bytes() == BIG
    assert machine.toolchain.problem(tool) is None


async def test_an_altered_binary_is_named_and_can_be_replaced(machine, release):
    release(b"a binary")
    path = (await machine.ensure("tool"))["tool"]
    tool = machine.catalog.tool("tool")
    assert machine.toolchain.problem(tool) is None
    path.write_bytes(b"a virus!")
    assert "but was sha256:" in machine.toolchain.problem(tool)
    assert await machine.ensure("tool") == {"tool": path}, "only `verify` and `--again` look"
    await machine.ensure("tool", again=True)
    assert path.read_bytes() == b"a binary"
    assert machine.toolchain.problem(tool) is None


@pytest.mark.parametrize("record", [None, "", "{", "[]", '{"name": "tool"}'])
async def test_a_binary_without_a_readable_record_is_named(machine, release, record):
    release()
    path = (await machine.ensure("tool"))["tool"]
    tool = machine.catalog.tool("tool")
    file = path.with_name("record.json")
    file.unlink() if record is None else file.write_text(record)
    assert "record.json is missing or not readable" in machine.toolchain.problem(tool)
    await machine.ensure("tool", again=True)
    assert machine.toolchain.problem(tool) is None


async def test_a_record_of_another_tool_does_not_vouch(machine, release):
    release(b"one", "one")
    release(b"other", "other")
    paths = await machine.ensure()
    for path in paths.values():
        path.with_name("record.json").unlink()
    other = machine.toolchain.slot(machine.catalog.tool("other"))
    await machine.ensure("one", again=True)
    paths["one"].with_name("record.json").rename(paths["other"].with_name("record.json"))
    paths["other"].write_bytes(b"one")
    assert "is of something else" in other.problem()


async def test_a_binary_from_what_the_lock_file_no_longer_allows_is_named(machine, release):
    release(b"a binary")
    await machine.ensure("tool")
    lock = machine.settings.user_lock
    lock.write_text(lock.read_text().replace("sha256:", "sha256:00")[:-3] + "\n")
    assert "it was made from sha256:" in machine.toolchain.problem(machine.catalog.tool("tool"))


async def test_a_running_binary_can_be_replaced(machine, release, upstream):
    release(b"#!/bin/sh\nexec sleep 60\n")
    path = (await machine.ensure("tool"))["tool"]
    running = await asyncio.create_subprocess_exec(path)
    try:
        await machine.ensure("tool", again=True)
        assert running.returncode is None
    finally:
        running.kill()
        await running.wait()


async def test_another_version_or_recipe_is_another_binary(machine, release, upstream):
    release(b"old")
    old = (await machine.ensure("tool"))["tool"]
    machine.tables = [machine.tables[0].replace('summary = "a tool"', 'summary = "x"')]
    machine.declare("")
    assert (await machine.ensure("tool"))["tool"] == old
    machine.tables = [machine.tables[0].replace(".sha256", ".sum")]
    machine.declare("")
    for path, replies in list(upstream.replies.items()):
        upstream.serve(path.replace(".sha256", ".sum"), *replies)
    new = (await machine.ensure("tool"))["tool"]
    assert new != old
    assert old.exists()


def test_a_cache_that_was_moved_to_another_folder_works(machine, release, tmp_path):
    release(b"a binary")
    asyncio.run(machine.ensure("tool"))
    moved = tmp_path / "usb-stick"
    machine.settings.cache_dir.rename(moved)
    machine.allow(cache_dir=moved)
    assert machine.toolchain.locate("tool").read_bytes() == b"a binary"
    assert machine.toolchain.problem(machine.catalog.tool("tool")) is None


def _remember(folder: Path, number: int) -> None:
    Locks(folder / "tools.lock", committed=folder / "none").remember(
        Artifact(f"tool{number}", "1.0.0", "linux/amd64", "release"), f"sha256:{number:064}"
    )


def test_processes_that_remember_digests_at_once_lose_none(tmp_path):
    with get_context("spawn").Pool(3) as pool:
        pool.starmap(_remember, [(tmp_path, number) for number in range(24)])
    lock = tmp_path / "tools.lock"
    assert len(parse_lock(lock.read_text(), lock)) == 24
    assert sorted(path.name for path in tmp_path.iterdir()) == [".tools.lock.flock", "tools.lock"]
