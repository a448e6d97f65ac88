"""``moorage advise resources``: what containers ask for, and what would fit."""

from __future__ import annotations

import os
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moorage.advisors.render import Format
from moorage.advisors.resources.recommenders import Strategy
from moorage.cli._output import paint, terminal_width, write
from moorage.durations import duration
from moorage.errors import MoorageError

if TYPE_CHECKING:
    from moorage.advisors.resources.prometheus import Endpoint
    from moorage.advisors.resources.savings import Prices
    from moorage.cli._objects import Object

_MATCHER = (
    r"""[A-Za-z_][A-Za-z0-9_]*\s*(?:=~|!~|!=|=)\s*(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)"""
)
_MATCHERS = re.compile(rf"{_MATCHER}(?:\s*,\s*{_MATCHER})*\s*,?")
_LEAST_STEP = 60
_TOKEN = "MOORAGE_PROMETHEUS_TOKEN"  # noqa: S105 - the name of a variable


def resources(  # noqa: PLR0913, PLR0917 - each is a flag
    prometheus: Annotated[
        str,
        typer.Option(metavar="URL", help="A Prometheus API: Prometheus, VictoriaMetrics, Thanos, Mimir."),
    ],
    namespace: Annotated[
        list[str] | None,
        typer.Option("--namespace", "-n", metavar="NAME", help="Only this one; may be repeated."),
    ] = None,
    context: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A context of the kubeconfig: read the objects from its cluster."),
    ] = None,
    kubeconfig: Annotated[
        str | None, typer.Option(metavar="FILE", help="Where --context is. Default: kubectl's.")
    ] = None,
    strategy: Annotated[
        Strategy, typer.Option(help="The method: Moorage's own, the VPA's, or KRR's simple one.")
    ] = Strategy.MOORAGE,
    window: Annotated[str, typer.Option(metavar="TIME", help="How much history to read: 14d, 2w.")] = "14d",
    step: Annotated[str, typer.Option(metavar="TIME", help="Between two samples of CPU: 5m, 10m.")] = "5m",
    selector: Annotated[
        str, typer.Option(metavar="MATCHERS", help='Which cluster, where there are several: cluster="one".')
    ] = "",
    prices: Annotated[
        str | None, typer.Option(metavar="FILE", help="MachineTypes with prices: say what is saved in money.")
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME: VALUE", help="Sent with each request: X-Scope-OrgID: one; repeatable."),
    ] = None,
    token_file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help=f"Where the bearer token is. Default: the variable {_TOKEN}."),
    ] = None,
    user: Annotated[str | None, typer.Option(metavar="NAME", help="Log in as this user.")] = None,
    password_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Where the user's password is.")
    ] = None,
    ca_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Certificates to trust instead of the system's.")
    ] = None,
    at_once: Annotated[
        int, typer.Option(min=1, max=16, metavar="N", help="How many requests are open at a time.")
    ] = 2,
    *,
    machine_types: Annotated[
        bool, typer.Option("--machine-types", help="Take the prices from the platform's own MachineTypes.")
    ] = False,
    output: Annotated[Format, typer.Option("--output", "-o", help="How to print the result.")] = Format.TEXT,
) -> None:
    """Find requests and limits that do not fit, and what would.

    Reads metrics of cAdvisor and kube-state-metrics. The requests are cut into pieces that do not hurt the
    server. Nothing is changed anywhere.

    Exits 1 when there is something to say.
    """
    from moorage.advisors.resources.advise import Request, advise
    from moorage.advisors.resources.cluster import read_cluster
    from moorage.advisors.resources.prometheus import Prometheus
    from moorage.advisors.resources.queries import is_namespace
    from moorage.advisors.resources.recommenders import recommender

    for name in namespace or ():
        if not is_namespace(name):
            raise MoorageError(f"{name!r} is not the name of a namespace")
    request = Request(
        recommender(strategy),
        now=time.time(),
        window=_seconds("--window", window),
        step=_seconds("--step", step),
        namespaces=tuple(namespace or ()),
        selector=_matchers(selector),
        prices=_prices(prices, platform=machine_types),
    )
    if request.window < 2 * request.step:
        raise MoorageError(
            f"--step {step} does not go with --window {window}", hint="half of the window at most"
        )
    endpoint = _endpoint(prometheus, header or [], token_file, (user, password_file), ca_file or "")
    world = read_cluster(context or "", kubeconfig or "") if context or kubeconfig else None
    with Prometheus(replace(endpoint, at_once=at_once)) as server:
        advice = advise(server, request, world)
    if output is Format.TEXT:
        from moorage.advisors.render import text

        write(text.render(advice, width=terminal_width() or text.WIDTH, paint=paint), end="")
    else:
        from moorage.advisors.render import render

        write(render(advice, output), end="")
    raise typer.Exit(advice.exit_code)


def _prices(file: str | None, *, platform: bool) -> Prices | None:
    """Return what a core and a GiB cost, by a file or by what the platform offers."""
    from moorage.advisors.resources.cluster import prices_in, read_prices

    if not platform:
        return read_prices(file) if file else None
    if file:
        raise MoorageError("--prices and --machine-types both say what things cost", hint="name one of them")

    from moorage.cli._edit import machine_types_by_size
    from moorage.cli._run import management, run

    async def work() -> list[Object]:
        async with management() as client:
            return await machine_types_by_size(client)

    return prices_in([{"kind": "MachineType", **each} for each in run(work())], "the platform")


def _seconds(flag: str, told: str) -> float:
    length = duration(told, name=flag).total_seconds()
    if length < _LEAST_STEP:
        raise MoorageError(f"{flag} {told} is too short", hint="a minute at least, such as 5m")
    return length


def _matchers(told: str) -> str:
    """Return what chooses series, as it stands in a query between braces."""
    matchers = told.strip().removeprefix("{").removesuffix("}").strip()
    if matchers and not _MATCHERS.fullmatch(matchers):
        raise MoorageError(
            f"--selector {told} does not choose series",
            hint="a label and a value in quotes, such as --selector 'cluster=\"one\"'",
        )
    return matchers.rstrip(", ")


def _endpoint(
    url: str, headers: list[str], token_file: str | None, login: tuple[str | None, str | None], ca: str
) -> Endpoint:
    import base64

    from moorage.advisors.resources.prometheus import Endpoint

    found: dict[str, str] = {}
    for each in headers:
        name, colon, value = each.partition(":")
        if not colon or not re.fullmatch(r"[A-Za-z0-9-]+", name.strip()):
            raise MoorageError(f"--header {name!r} is not NAME: VALUE", hint='such as "X-Scope-OrgID: one"')
        if name.strip().lower() in {"authorization", "cookie"}:
            raise MoorageError(
                f"--header {name.strip()} is seen by everybody who sees the command line",
                hint="name a file with --token-file, or with --user and --password-file",
            )
        found[name.strip()] = value.strip()
    user, password_file = login
    token = _secret(token_file) if token_file else os.environ.get(_TOKEN, "")
    if user:
        if not password_file or token_file:
            raise MoorageError("--user goes with --password-file, and with no token")
        pair = f"{user}:{_secret(password_file)}".encode()
        found["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    elif token:
        found["Authorization"] = f"Bearer {token}"
    return Endpoint(url, found, ca)


def _secret(file: str) -> str:
    try:
        return Path(file).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise MoorageError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from error
