"""The child that reads metrics: what goes to and fro, how long history is, and how it ends."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import psutil
import pytest

from moorage.advisors.resources.cadence import cadence
from moorage.advisors.resources.child import Child, ChildError
from moorage.advisors.resources.ends import larger, restarts_of, with_kill
from moorage.advisors.resources.model import DAY, HOUR, MIB, NO_SAMPLES, Running, Samples, World
from moorage.advisors.resources.plan import Wanted, plan
from moorage.advisors.resources.recommenders import NotYet, Proposal
from moorage.advisors.resources.recommenders.own import OwnRecommender
from moorage.advisors.resources.wire import Answer, Question, Quiet, Store, Trouble, WireError, decode, encode
from moorage.errors import MoorageError
from moorage.kube.objects import poll

from .helpers import NOW, STEP, pod, use

AT = datetime(2026, 9, 22, tzinfo=UTC)


def question(server: str = "https://127.0.0.1:9") -> Question:
    kubeconfig = {
        "current-context": "a",
        "clusters": [{"name": "a", "cluster": {"server": server}}],
        "users": [{"name": "a", "user": {"token": "secret"}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
    }
    store = Store("http://127.0.0.1:9", 'cluster_id="a"', headers={"Authorization": "Basic secret"})
    return Question("shop/web", store, AT, 60.0, kubeconfig=kubeconfig)


def script(*lines: str) -> Child:
    return Child([sys.executable, "-c", "\n".join(("import sys, time, os", *lines))], timeout_seconds=20)


def test_what_is_asked_and_answered_comes_through_as_it_was():
    small = use(pod(cpu=0.5, memory=250 * MIB, kills=[1.0]), cpu_request=0.1, memory_limit=256 * MIB)
    planned = plan([[small]], World(), Wanted(OwnRecommender(), NOW - 14 * DAY, NOW))
    assert planned.advice.findings
    answer = Answer(planned.advice, "clean", frozenset({"a", "b"}))
    back = decode(encode(answer), Answer)
    assert back == answer
    assert [each.identity() for each in back.advice.findings] == [
        each.identity() for each in answer.advice.findings
    ]
    assert decode(encode(question()), Question) == question()
    quiet = Answer(quiet=Quiet("Collecting", "not yet", AT))
    assert decode(encode(quiet), Answer) == quiet
    with pytest.raises(WireError, match="no answer"):
        decode(b'{"advice": 7}', Answer)


def test_secrets_are_in_no_words_about_a_question():
    assert "secret" not in repr(question())


async def test_the_answer_of_a_child_is_returned_and_its_trouble_raised():
    line = encode(Answer(clean="fine")).decode()
    assert (await script(f"sys.stdin.readline(); print({line!r}, end='')").ask(question())).clean == "fine"
    line = encode(Answer(trouble=Trouble("no way", "try another"))).decode()
    with pytest.raises(MoorageError, match="no way") as raised:
        await script(f"sys.stdin.readline(); print({line!r}, end='')").ask(question())
    assert raised.value.hint == "try another"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("sys.exit('it is broken')", "status 1: it is broken"),
        ("os.kill(os.getpid(), 9)", "status -9: silently"),
        ("print('{')", "no answer"),
        ("", "no answer"),
    ],
)
async def test_a_child_that_ends_without_an_answer_is_told_and_the_next_is_asked(line: str, said: str):
    child = script(line)
    for _ in range(2):
        with pytest.raises(MoorageError, match=said):
            await child.ask(question())


async def test_a_child_that_goes_on_for_ever_is_ended(tmp_path):
    child = Child([sys.executable, "-c", "import time; time.sleep(60)"], timeout_seconds=0.5)
    with pytest.raises(ChildError, match="not read within"):
        await child.ask(question())
    assert not children()


async def test_a_child_nobody_waits_for_any_more_is_ended_and_does_not_hold_up_the_next():
    child = script("sys.stdin.readline()", "time.sleep(60)")
    asked = asyncio.create_task(child.ask(question()))

    async def begun() -> bool | None:
        return bool(children()) or None

    assert await poll(begun, timeout_seconds=20, interval_seconds=0.01)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert not children()


async def test_a_program_that_is_not_there_is_told():
    with pytest.raises(ChildError, match="cannot be started"):
        await Child(["/not/there"]).ask(question())


def children() -> list[psutil.Process]:
    """The processes of `script` that run."""
    return [
        each
        for each in psutil.Process().children()
        if each.status() != psutil.STATUS_ZOMBIE and "time.sleep(60)" in str(each.cmdline())
    ]


@pytest.fixture
def deaf() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"


def test_the_child_ends_when_who_asked_does_and_nobody_sees_its_secrets(deaf: str):
    """However the operator ends: what it leaves of itself is a pipe that is closed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "moorage.advisors.resources.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdin is not None
        process.stdin.write(encode(question(deaf)))
        process.stdin.flush()
        deadline = time.monotonic() + 30
        while psutil.Process(process.pid).nice() != 10 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert "secret" not in str(psutil.Process(process.pid).cmdline())
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(timeout=20) == 2
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("window", "step", "coarse"),
    [
        (timedelta(days=30), 300, HOUR),
        (timedelta(days=3), 300, HOUR),
        (timedelta(days=1), 60, 600),
        (timedelta(hours=2), 30, 300),
        (timedelta(minutes=1), 30, 30),
    ],
)
def test_a_window_that_is_full_is_enough_and_half_of_one_is_not(
    window: timedelta, step: float, coarse: float
):
    pace = cadence(window)
    assert (pace.step, pace.coarse) == (step, coarse)
    assert pace.window == min(window, timedelta(days=14)).total_seconds()
    enough = min(window.total_seconds(), 3 * DAY)

    def history(seconds: float) -> Proposal | NotYet:
        values = np.full(int(seconds // pace.step), 0.1)
        cpu = Samples(NOW - len(values) * pace.step, pace.step, values)
        one = pod(days=1)
        one = type(one)(one.pod, cpu, Samples(NOW - coarse, coarse, np.array([1e8])))
        return pace.recommender.recommend(use(one), World(), NOW)

    assert isinstance(history(enough), Proposal)
    assert isinstance(history(enough / 2), NotYet)


def test_what_is_new_or_not_seen_is_not_judged_and_what_others_change_is_left_alone():
    young, fits = (
        use(pod(days=1.0), name="young"),
        use(name="fits", cpu_request=0.11, memory_request=110 * MIB),
    )
    unseen = use(name="unseen")
    world = World(settings={(each.workload, "app"): each.setting for each in (young, fits, unseen)})
    planned = plan([[young, fits]], world, Wanted(OwnRecommender(), NOW - 14 * DAY, NOW))
    assert (planned.judged, planned.not_yet) == (1, 1)
    assert planned.unjudged == {young.subject, unseen.subject}
    assert planned.until == pytest.approx(NOW - DAY + 3 * DAY, abs=STEP)


def test_how_a_pod_says_that_it_ended_counts_once():
    killed = Running(restarts=3, made=NOW - HOUR, ended=NOW - 600, killed=True)
    seen = with_kill(NO_SAMPLES, killed, begin=NOW - DAY, step=HOUR)
    assert seen.timed[0].tolist() == [NOW]
    assert with_kill(seen, killed, begin=NOW - DAY, step=HOUR) is seen
    near = Samples(NOW - HOUR, HOUR, np.array([2.0]))
    assert with_kill(near, killed, begin=NOW - DAY, step=HOUR) is near
    long_ago = Samples(NOW - 9 * HOUR, HOUR, np.array([1.0]))
    assert np.nansum(with_kill(long_ago, killed, begin=NOW - DAY, step=HOUR).values) == 2
    assert with_kill(NO_SAMPLES, killed, begin=NOW, step=HOUR) is NO_SAMPLES
    assert restarts_of(killed, begin=NOW - DAY, step=HOUR).present.tolist() == [3]
    assert restarts_of(killed, begin=NOW - 1800, step=HOUR).present.tolist() == [1]
    assert larger(NO_SAMPLES, seen) is seen
