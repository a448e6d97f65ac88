"""What the operator is started with."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from moorage.advisors.automatic.model import Policy
from moorage.advisors.cluster.timing import Tempo, duration
from moorage.clusters.webhook import Certificate


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator is started with.

    Args:
        kubeconfig: how to reach the management cluster, as the operator's own user.
        webhook_port: where the admission webhooks listen, on loopback.
        health_port: where ``/healthz`` and ``/readyz`` are answered, on loopback.
        certificate: of the webhooks.
        home: the embedded platform whose user clusters it runs; ``None`` where there is no such platform.
        advice: how advice is made, where nobody says otherwise.
        automatic: how advice is followed where an owner wants the platform to.
    """

    kubeconfig: Path
    webhook_port: int
    health_port: int
    certificate: Certificate
    home: Path | None = None
    advice: Tempo = field(default_factory=Tempo)
    automatic: Policy = field(default_factory=Policy)


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """Read the command line; wrong usage ends the process with status 2."""
    parser = argparse.ArgumentParser(prog="python -m moorage.operator", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True, help="how to reach the management cluster")
    parser.add_argument("--webhook-port", type=int, required=True, help="where admission webhooks listen")
    parser.add_argument("--health-port", type=int, required=True, help="where /healthz and /readyz are")
    parser.add_argument("--cert-file", type=Path, required=True, help="the webhooks' certificate")
    parser.add_argument("--key-file", type=Path, required=True, help="its key")
    parser.add_argument("--ca-file", type=Path, required=True, help="who signed it")
    parser.add_argument("--home", type=Path, help="the embedded platform whose user clusters it runs")
    parser.add_argument(
        "--advice-window",
        type=duration,
        default=Tempo().window,
        metavar="30d",
        help="how long something must not have been used to be called unused, where nobody says otherwise",
    )
    parser.add_argument(
        "--advice-interval",
        type=duration,
        default=Tempo().interval,
        metavar="10m",
        help="how often advice is made when nothing changes",
    )
    parser.add_argument(
        "--auto-watch",
        type=duration,
        default=Policy().watch,
        metavar="10m",
        help="how long a workload is watched after the platform has followed advice about it",
    )
    given = parser.parse_args(arguments)
    return Settings(
        kubeconfig=given.kubeconfig,
        webhook_port=given.webhook_port,
        health_port=given.health_port,
        certificate=Certificate(given.cert_file, given.key_file, given.ca_file),
        home=given.home,
        advice=Tempo(given.advice_window, given.advice_interval),
        automatic=Policy(watch=given.auto_watch),
    )
