"""The operator's child that reads metrics and decides: ``python -m moorage.advisors.resources.worker``.

It has a process of its own, so that the history of ten thousand containers, and what it takes to think about
it, are not in the operator. It reads one question from its input, writes one answer and ends; it ends at once
when its input does: then the operator has.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from moorage.advisors.advice import Advice
from moorage.advisors.cluster.timing import moment, words
from moorage.advisors.resources.advise import Request, survey
from moorage.advisors.resources.cadence import ENOUGH, Cadence, cadence
from moorage.advisors.resources.cluster import prices_in
from moorage.advisors.resources.findings import ADVISOR
from moorage.advisors.resources.live import read_live
from moorage.advisors.resources.model import World
from moorage.advisors.resources.observe import Span, Tally, read_use
from moorage.advisors.resources.plan import Planned
from moorage.advisors.resources.prometheus import Endpoint, NoMetricsError, Prometheus
from moorage.advisors.resources.propose import Container, propose_for, siblings_of
from moorage.advisors.resources.recommenders import NotYet, Proposal
from moorage.advisors.resources.savings import Fleet, Prices, PricesError
from moorage.advisors.resources.wire import (
    COLLECTING,
    NO_METRICS,
    Answer,
    Question,
    Quiet,
    Trouble,
    decode,
    encode,
)
from moorage.errors import ExitCode, MoorageError
from moorage.kube.client import connect
from moorage.kube.objects import FAILED, explain

NICENESS: Final = 10
"""How much it lets others go first, as `nice` counts."""

_CALM: Final = timedelta(minutes=10)
_SOON: Final = timedelta(minutes=1)
_SOONEST: Final = timedelta(seconds=15)
_CLEAN: Final = "nothing asks for what does not fit"
_EMPTY: Final = "nothing runs in it"


def main() -> int:
    """Answer one question."""
    os.nice(NICENESS)
    line = sys.stdin.buffer.readline()
    threading.Thread(target=_end_with_the_asker, daemon=True).start()
    sys.stdout.buffer.write(encode(answer_to(decode(line, Question))))
    sys.stdout.buffer.flush()
    return ExitCode.OK


def answer_to(question: Question) -> Answer:
    """Return what there is to say; why there is nothing is an answer, too."""
    try:
        world, fleet = asyncio.run(_read(question))
        store = question.store
        with Prometheus(Endpoint(store.url, store.headers, store.ca)) as prometheus:
            if question.newcomers:
                return _propose(question, prometheus, world)
            return _advise(question, prometheus, world, fleet)
    except MoorageError as error:
        return Answer(trouble=Trouble(error.message, error.hint or ""))
    except FAILED as error:
        return Answer(trouble=Trouble(f"the cluster cannot be read: {explain(error)}"))


async def _read(question: Question) -> tuple[World, Fleet]:
    kubeconfig = Path(question.kubeconfig_file) if question.kubeconfig_file else question.kubeconfig
    async with connect(kubeconfig) as client:
        return await read_live(client, origin=f"cluster {question.cluster}")


def _advise(question: Question, prometheus: Prometheus, world: World, fleet: Fleet) -> Answer:
    pace = cadence(timedelta(seconds=question.window))
    request = Request(
        pace.recommender,
        now=question.now.timestamp(),
        window=pace.window,
        step=pace.step,
        coarse=pace.coarse,
        selector=question.store.selector,
        prices=_prices(question),
    )
    try:
        planned = survey(prometheus, request, world, fleet)
    except NoMetricsError:
        if not fleet.pods:  # what is scaled to nothing is not judged, what is gone is no longer spoken of
            nothing = Advice(ADVISOR, (), time=question.now)
            # What is deployed next is not to wait for the hour.
            return Answer(advice=nothing, clean=_EMPTY, unjudged=world.subjects, until=_soon(question, _CALM))
        return Answer(quiet=_no_metrics(question))
    if not planned.judged and planned.not_yet:
        return Answer(quiet=_collecting(question, planned, pace))
    return Answer(advice=planned.advice, clean=_CLEAN, unjudged=planned.unjudged)


def _prices(question: Question) -> Prices | None:
    try:
        return prices_in(question.machine_types, "the platform") if question.machine_types else None
    except PricesError:  # several currencies, or none: savings are said without money
        return None


def _no_metrics(question: Question) -> Quiet:
    why = "no metrics of its containers have come in; `moorage status` may say why"
    return Quiet(NO_METRICS, why, _soon(question, _SOON))


def _soon(question: Question, most: timedelta) -> datetime:
    return question.now + max(_SOONEST, min(most, timedelta(seconds=question.window / 4)))


def _collecting(question: Question, planned: Planned, pace: Cadence) -> Quiet:
    soonest = question.now + max(_SOONEST, timedelta(seconds=pace.step))
    if planned.until is None:
        return Quiet(COLLECTING, "not yet: too little use has been seen so far", soonest)
    until = datetime.fromtimestamp(planned.until, UTC)
    needed = words(min(timedelta(seconds=pace.window), ENOUGH))
    message = f"not yet. The use of {needed} is needed: there is advice from {moment(until)} on"
    return Quiet(COLLECTING, message, max(until, soonest))


def _propose(question: Question, prometheus: Prometheus, world: World) -> Answer:
    """Propose requests: only of those namespaces is read where newcomers or their siblings are."""
    pace, now = cadence(timedelta(seconds=question.window)), question.now.timestamp()
    namespaces = {each.namespace for each in question.newcomers}
    for newcomer in question.newcomers:
        namespaces |= {workload.namespace for workload, _ in siblings_of(newcomer, world)}
    span = Span(now - pace.window, now, pace.step, pace.coarse)
    proposals: dict[Container, Proposal] = {}
    try:
        for batch in read_use(
            prometheus,
            span,
            world,
            namespaces=sorted(namespaces),
            selector=question.store.selector,
            tally=Tally(),
        ):
            for use in batch:
                said = pace.recommender.recommend(use, world, now)
                if not isinstance(said, NotYet):
                    proposals[use.workload, use.container] = said
    except NoMetricsError:  # then what siblings ask for is all that is known
        proposals = {}
    return Answer(proposed=propose_for(question.newcomers, world, proposals))


def _end_with_the_asker() -> None:
    # Not by the file's own buffer: no thread may be in there when this process ends by itself.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(ExitCode.FAILURE)


if __name__ == "__main__":
    sys.exit(main())
