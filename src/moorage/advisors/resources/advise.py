"""From a Prometheus API to advice: reading and deciding, some namespaces at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from moorage.advisors.advice import Advice
from moorage.advisors.resources.fleet import read_fleet
from moorage.advisors.resources.model import HOUR, World
from moorage.advisors.resources.observe import STEP, Span, Tally, read_use
from moorage.advisors.resources.plan import Planned, Wanted, plan
from moorage.advisors.resources.prometheus import Prometheus
from moorage.advisors.resources.queries import Queries
from moorage.advisors.resources.recommenders import Recommender
from moorage.advisors.resources.savings import Fleet, Prices
from moorage.advisors.resources.surroundings import read_world
from moorage.reports.words import counted

_SOME = 3


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for.

    Args:
        recommender: the method.
        now: until when use counts, in seconds of the epoch.
        window: how many seconds of history are read.
        step: seconds between two samples of CPU.
        coarse: seconds between two samples of everything else.
        namespaces: only these; all without.
        selector: more matchers for every query.
        prices: what a core and a GiB cost, if that is known.
    """

    recommender: Recommender
    now: float
    window: float
    step: float = STEP
    coarse: float = HOUR
    namespaces: tuple[str, ...] = ()
    selector: str = ""
    prices: Prices | None = None


def advise(prometheus: Prometheus, request: Request, world: World | None = None) -> Advice:
    """Read what was used, and say what would fit.

    Args and exceptions are those of `survey`.
    """
    return survey(prometheus, request, world).advice


def survey(
    prometheus: Prometheus, request: Request, world: World | None = None, fleet: Fleet | None = None
) -> Planned:
    """Read what was used, and say what would fit, and of what nothing can be said.

    Args:
        prometheus: where metrics are.
        request: what is asked for.
        world: what surrounds the workloads, where the objects were read; else metrics say it.
        fleet: the nodes, where they were read; else metrics say it.

    Raises:
        NoMetricsError: the server has no metrics of containers.
        PrometheusError: it cannot be asked.
    """
    span = Span(request.now - request.window, request.now, request.step, request.coarse)
    queries = Queries(request.namespaces, request.selector)
    if world is None:
        world = read_world(prometheus, span.end, queries)
    # Nodes that could go are known only where all that runs on them is.
    if request.namespaces:
        fleet = Fleet()
    elif fleet is None or not fleet.nodes:
        fleet = read_fleet(prometheus, span.end, queries)
    tally = Tally()
    wanted = Wanted(request.recommender, span.begin, span.end, request.prices, fleet)
    use = read_use(
        prometheus, span, world, namespaces=request.namespaces, selector=request.selector, tally=tally
    )
    planned = plan(use, world, wanted)
    advice = planned.advice
    told = replace(
        advice,
        notes=(*advice.notes, *_notes(tally, prometheus)),
        facts={
            **advice.facts,
            "prometheus": prometheus.url,
            "namespaces": tally.namespaces,
            "podContainers": tally.containers,
            "samples": tally.samples,
        },
    )
    return replace(planned, advice=told)


def _notes(tally: Tally, prometheus: Prometheus) -> Iterator[str]:
    if tally.orphans:
        yield (
            f"{counted(tally.orphans, 'container')} of pods whose owner is not known (by kube_pod_owner of "
            "kube-state-metrics, or by what the cluster has) or that have none were left out."
        )
    if tally.silent:
        yield f"There is no {' and no '.join(tally.silent)}: what rests on it is not known."
    if prometheus.warnings:
        more = len(prometheus.warnings) - _SOME
        said = "; ".join(prometheus.warnings[:_SOME])
        yield f"The server warns: {said}{f' and {more} more' if more > 0 else ''}."
