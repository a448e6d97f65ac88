"""Where the metrics of user clusters go: one store for all of them, which asks each cluster what it uses.

It is a VictoriaMetrics, and answers as Prometheus does. Whoever asks it needs the platform's own password: it
holds every project's metrics.
"""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from moorage.files import private_folder, write_if_changed
from moorage.local.errors import PlatformError
from moorage.local.home import Home
from moorage.local.pki import Leaf, PkiFolder
from moorage.local.ports import LOOPBACK, Ports
from moorage.local.probe import Probe
from moorage.local.programs import Program

METRICS: Final = "metrics"
METRICS_BINARY: Final = "victoria-metrics"

SCRAPE_SECONDS: Final = 15
RETENTION_DAYS: Final = 35

_AUTHORITY: Final = "Moorage metrics CA"
_SERVER: Final = "server"
_HOSTS: Final = (LOOPBACK, "localhost")
_USER: Final = "moorage"
_PASSWORD_BYTES: Final = 32
_SCRAPE: Final = "scrape.yaml"
_DISCOVERY: Final = "/discovery/prometheus"
_NODE: Final = "/metrics/nodes/([^/]+)/.*"


@dataclass(frozen=True, slots=True)
class MetricsEndpoint:
    """How the platform asks for metrics.

    Args:
        url: that below which ``/api/v1/query`` is.
        ca: the authority that signed its certificate.
        headers: to be sent with every request; they are a secret.
    """

    url: str
    ca: Path
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ScrapedCluster:
    """A user cluster whose metrics are to be kept.

    Args:
        id: unique for all time; the label ``cluster_id``.
        project: the project that owns it; the label ``project``.
        name: in the project; the label ``cluster``.
        server: where its metrics are, such as ``https://127.0.0.1:20001``.
        authority: who signed that server's certificate.
    """

    id: str
    project: str
    name: str
    server: str
    authority: Path


def metrics_pki(home: Home) -> PkiFolder:
    """Return where the store's authority, certificate and password are."""
    return PkiFolder(home.pki / METRICS)


def prometheus_url(home: Home) -> str:
    """Return where the store answers as Prometheus does."""
    return f"https://{LOOPBACK}:{Ports(home).claim([METRICS])[METRICS]}"


def metrics_endpoint(home: Home) -> MetricsEndpoint:
    """Return how the platform asks for its clusters' metrics.

    Raises:
        PlatformError: the platform was never started: there is no password yet.
    """
    try:
        password = _password(home).read_text().strip()
    except OSError as error:
        raise PlatformError(
            f"{_password(home)} cannot be read: {error.strerror}", hint="`moorage up` makes what is missing"
        ) from error
    basic = b64encode(f"{_USER}:{password}".encode()).decode()
    return MetricsEndpoint(
        prometheus_url(home), metrics_pki(home).certificate("ca"), {"Authorization": f"Basic {basic}"}
    )


def write_metrics_config(home: Home) -> None:
    """Write what the store reads, where it is missing, out of date or about to expire."""
    pki = metrics_pki(home)
    pki.leaf(_SERVER, pki.authority("ca", _AUTHORITY), Leaf(METRICS, hosts=_HOSTS, client=False))
    if not _password(home).exists():
        write_if_changed(_password(home), secrets.token_urlsafe(_PASSWORD_BYTES))
    private_folder(home.metrics)
    write_if_changed(home.metrics / _SCRAPE, yaml.safe_dump(scrape_config(home), sort_keys=False))


def scrape_config(home: Home) -> dict[str, Any]:
    """Return what is asked: every user cluster that has a file about it. Pure."""
    return {
        "global": {"scrape_interval": f"{SCRAPE_SECONDS}s", "scrape_timeout": "10s"},
        "scrape_config_files": [str(home.clusters / "*" / _SCRAPE)],
    }


def store(home: Home, ports: Mapping[str, int], binaries: Mapping[str, Path]) -> Program:
    """Return the store. Pure."""
    pki = metrics_pki(home)
    flags: dict[str, object] = {
        # It is here that it is asked from: packing would take longer than sending.
        "http.disableResponseCompression": "true",
        "httpAuth.password": f"file://{_password(home)}",
        "httpAuth.username": _USER,
        "httpListenAddr": f"{LOOPBACK}:{ports[METRICS]}",
        # What is in memory only is lost when it is killed.
        "inmemoryDataFlushInterval": "5s",
        "loggerLevel": "WARN",
        "memory.allowedBytes": "64MiB",
        "promscrape.config": home.metrics / _SCRAPE,
        "promscrape.configCheckInterval": "5s",
        "promscrape.httpSDCheckInterval": "10s",
        # A cluster that is away is seen by `up`, and need not be told of every 15 seconds.
        "promscrape.suppressScrapeErrors": "true",
        "retentionPeriod": f"{RETENTION_DAYS}d",
        # Nobody else sends it anything: what it has is all there is.
        "search.latencyOffset": "1s",
        # Where the disk is nearly full, it keeps nothing new, and leaves the rest to those who need it more.
        "storage.minFreeDiskSpaceBytes": "256MiB",
        "storageDataPath": home.metrics / "data",
        "tls": "true",
        "tlsCertFile": _one(pki.certificate(_SERVER)),
        "tlsKeyFile": _one(pki.key(_SERVER)),
        "tlsMinVersion": "TLS13",
    }
    argv = (str(binaries[METRICS_BINARY]), *(f"-{name}={value}" for name, value in sorted(flags.items())))
    # One core at most: it has time.
    environment = {"GOMAXPROCS": "1"}
    return Program(METRICS, argv, environment=environment, settle_seconds=2, stop_seconds=20, order=45)


def store_probe(home: Home, ports: Mapping[str, int]) -> Probe:
    """Return where the store says how it is; that, it tells everybody."""
    return Probe(f"https://{LOOPBACK}:{ports[METRICS]}/health", metrics_pki(home).certificate("ca"))


def cluster_scrape_config(cluster: ScrapedCluster) -> list[dict[str, Any]]:
    """Return how one cluster's metrics are asked for, and what is noted with each of them. Pure."""
    tls = {"ca_file": str(cluster.authority)}
    labels = {"project": cluster.project, "cluster": cluster.name, "cluster_id": cluster.id}
    return [
        {
            "job_name": f"kwok/{cluster.id}",
            "scheme": "https",
            "tls_config": tls,
            "http_sd_configs": [{"url": f"{cluster.server}{_DISCOVERY}", "tls_config": dict(tls)}],
            "relabel_configs": [
                {
                    "source_labels": ["__metrics_path__"],
                    "regex": _NODE,
                    "target_label": label,
                    "replacement": "$1",
                }
                for label in ("instance", "node")
            ]
            + [
                {"target_label": label, "replacement": value}
                for label, value in {"job": "kwok", **labels}.items()
            ]
            + [{"action": "labeldrop", "regex": "metrics_name"}],
            "metric_relabel_configs": [
                # kwok tells of every Pod that is there; a Pod that has ended uses nothing.
                {"action": "drop", "source_labels": ["phase"], "regex": "Pending|Succeeded|Failed|Unknown"},
                {"action": "drop", "source_labels": ["asked"], "regex": "no"},
                {"action": "labeldrop", "regex": "phase|asked"},
            ],
        }
    ]


def scrape(home: Home, cluster: ScrapedCluster) -> None:
    """Have a cluster's metrics kept from now on; within some seconds they are."""
    config = yaml.safe_dump(cluster_scrape_config(cluster), sort_keys=False)
    write_if_changed(private_folder(home.clusters / cluster.id) / _SCRAPE, config)


def leave(home: Home, cluster_id: str) -> None:
    """Ask a cluster for nothing any more; what was kept of it is kept for as long as everything else."""
    (home.clusters / cluster_id / _SCRAPE).unlink(missing_ok=True)


def _password(home: Home) -> Path:
    return metrics_pki(home).path / "password"


def _one(path: Path) -> str:
    """Write a path where a list is expected, in which a comma would end it."""
    return json.dumps(str(path), ensure_ascii=False)
