"""The store of metrics: how it is started, what it asks of whom, and who may ask it."""

from __future__ import annotations

import re
import stat
from base64 import b64decode
from pathlib import Path

import pytest
import yaml

from moorage.local.errors import PlatformError
from moorage.local.home import Home
from moorage.local.metrics import (
    METRICS,
    METRICS_BINARY,
    RETENTION_DAYS,
    SCRAPE_SECONDS,
    ScrapedCluster,
    cluster_scrape_config,
    leave,
    metrics_endpoint,
    metrics_pki,
    scrape,
    scrape_config,
    store,
    store_probe,
    write_metrics_config,
)
from moorage.local.pki import Leaf, is_current
from moorage.local.ports import Ports

PORTS = {METRICS: 20005}
BINARIES = {METRICS_BINARY: Path("/bin/victoria-metrics")}
NODE = "web-workers-tvhw2-gxjrs-5rjqp"


def web(home: Home) -> ScrapedCluster:
    authority = home.clusters / "web-1" / "pki" / "ca.crt"
    return ScrapedCluster("web-1", "shop", "web", "https://127.0.0.1:20006", authority)


def flags(home: Home) -> dict[str, str]:
    return dict(word[1:].split("=", 1) for word in store(home, PORTS, BINARIES).argv[1:])


def relabeled(rules: list[dict], labels: dict[str, str]) -> dict[str, str] | None:
    """What is left of labels, by the rules of Prometheus that are used here; `None` for what is dropped."""
    labels = dict(labels)
    for rule in rules:
        action, regex = rule.get("action", "replace"), re.compile(str(rule.get("regex", "(.*)")))
        value = ";".join(labels.get(name, "") for name in rule.get("source_labels", ()))
        if action == "labeldrop":
            labels = {name: text for name, text in labels.items() if not regex.fullmatch(name)}
        elif match := regex.fullmatch(value):
            if action == "drop":
                return None
            labels[rule["target_label"]] = match.expand(rule["replacement"].replace("$1", r"\1"))
    return labels


# ---- the store ---------------------------------------------------------------------------------------------


def test_it_listens_on_this_machine_only_over_tls_and_to_whom_it_knows(home: Home) -> None:
    given = flags(home)
    assert given["httpListenAddr"] == "127.0.0.1:20005"
    assert given["tls"] == "true"
    assert given["httpAuth.username"]
    assert given["httpAuth.password"] == f"file://{metrics_pki(home).path}/password"
    assert not [flag for flag in given if flag.endswith("ListenAddr") and flag != "httpListenAddr"]
    # Each of these would let somebody in by a key of its own instead.
    assert not [flag for flag in given if flag.endswith("AuthKey")]


def test_its_password_is_on_no_command_line(home: Home) -> None:
    write_metrics_config(home)
    program = store(home, PORTS, BINARIES)
    secret = (metrics_pki(home).path / "password").read_text()
    assert len(secret) > 30
    assert secret not in " ".join((*program.argv, *program.environment.values()))


def test_what_it_keeps_and_what_it_takes_is_bounded(home: Home) -> None:
    given = flags(home)
    assert given["storageDataPath"] == str(home.metrics / "data")
    assert given["retentionPeriod"] == f"{RETENTION_DAYS}d"
    assert given["memory.allowedBytes"] == "64MiB"
    assert store(home, PORTS, BINARIES).environment == {"GOMAXPROCS": "1"}


def test_a_comma_in_a_path_does_not_end_it(tmp_path: Path) -> None:
    given = flags(Home(tmp_path / "a, b"))
    assert given["tlsCertFile"] == f'"{tmp_path}/a, b/pki/metrics/server.crt"'


def test_it_is_asked_whether_it_is_well_by_its_certificate(home: Home) -> None:
    probe = store_probe(home, PORTS)
    assert (probe.url, probe.authority) == (
        "https://127.0.0.1:20005/health",
        metrics_pki(home).certificate("ca"),
    )


def test_what_it_reads_is_its_owners_alone_and_is_not_made_twice(home: Home) -> None:
    def content() -> dict[Path, bytes]:
        folders = (home.metrics, metrics_pki(home).path)
        return {path: path.read_bytes() for folder in folders for path in folder.rglob("*")}

    write_metrics_config(home)
    before = content()
    write_metrics_config(home)
    assert content() == before
    assert {stat.S_IMODE(path.stat().st_mode) for path in before} == {0o600}
    assert yaml.safe_load((home.metrics / "scrape.yaml").read_text()) == scrape_config(home)


def test_every_cluster_that_has_a_file_is_asked(home: Home) -> None:
    config = scrape_config(home)
    assert config["global"]["scrape_interval"] == f"{SCRAPE_SECONDS}s"
    (pattern,) = config["scrape_config_files"]
    scrape(home, web(home))
    assert [str(path) for path in home.root.glob(str(Path(pattern).relative_to(home.root)))] == [
        str(home.clusters / "web-1" / "scrape.yaml")
    ]


# ---- who asks it -------------------------------------------------------------------------------------------


def test_the_platform_knows_how_to_ask(home: Home) -> None:
    write_metrics_config(home)
    endpoint = metrics_endpoint(home)
    assert endpoint.url == f"https://127.0.0.1:{Ports(home).known()[METRICS]}"
    authority, server = (metrics_pki(home).load(name) for name in ("ca", "server"))
    assert authority
    assert server
    assert endpoint.ca.read_bytes() == authority.certificate
    kind, _, secret = endpoint.headers["Authorization"].partition(" ")
    user, _, password = b64decode(secret).decode().partition(":")
    assert (kind, user) == ("Basic", flags(home)["httpAuth.username"])
    assert password == (metrics_pki(home).path / "password").read_text()
    assert secret not in repr(endpoint)


def test_the_certificate_is_that_of_a_server_of_this_machine(home: Home) -> None:
    write_metrics_config(home)
    authority, server = (metrics_pki(home).load(name) for name in ("ca", "server"))
    assert authority
    assert server
    assert is_current(server, authority, Leaf("metrics", hosts=("127.0.0.1", "localhost"), client=False))


def test_a_platform_that_was_never_started_is_named_as_such(home: Home) -> None:
    with pytest.raises(PlatformError, match="password cannot be read") as raised:
        metrics_endpoint(home)
    assert raised.value.hint is not None
    assert "moorage up" in raised.value.hint


# ---- whom it asks ------------------------------------------------------------------------------------------


def test_a_cluster_is_asked_by_its_own_authority(home: Home) -> None:
    (job,) = cluster_scrape_config(web(home))
    (discovery,) = job["http_sd_configs"]
    assert job["scheme"] == "https"
    assert discovery["url"] == "https://127.0.0.1:20006/discovery/prometheus"
    assert job["tls_config"] == discovery["tls_config"] == {"ca_file": str(web(home).authority)}
    assert "insecure_skip_verify" not in str(job)


def test_every_series_says_of_which_cluster_and_node_it_is(home: Home) -> None:
    (job,) = cluster_scrape_config(web(home))
    target = {
        "__address__": "127.0.0.1:20006",
        "__metrics_path__": f"/metrics/nodes/{NODE}/metrics/cadvisor",
        "metrics_name": "node",
    }
    labels = relabeled(job["relabel_configs"], target) or {}
    assert {name: value for name, value in labels.items() if not name.startswith("__")} == {
        "job": "kwok",
        "project": "shop",
        "cluster": "web",
        "cluster_id": "web-1",
        "node": NODE,
        "instance": NODE,
    }


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ({"pod": "a", "phase": "Running"}, {"pod": "a"}),
        ({"pod": "a", "phase": "Running", "asked": "yes"}, {"pod": "a"}),
        ({"pod": "a", "phase": "Running", "asked": "no"}, None),
        ({"pod": "a", "phase": "Pending"}, None),
        ({"pod": "a", "phase": "Succeeded"}, None),
        ({"pod": "a", "phase": "Failed"}, None),
        ({"resource": "cpu"}, {"resource": "cpu"}),
    ],
)
def test_only_what_runs_is_kept_and_only_what_was_asked_for(
    home: Home, told: dict[str, str], kept: dict[str, str] | None
) -> None:
    (job,) = cluster_scrape_config(web(home))
    assert relabeled(job["metric_relabel_configs"], told) == kept


def test_a_cluster_is_asked_until_it_goes(home: Home) -> None:
    scrape(home, web(home))
    path = home.clusters / "web-1" / "scrape.yaml"
    assert yaml.safe_load(path.read_text()) == cluster_scrape_config(web(home))
    assert "&" not in path.read_text()  # an anchor of YAML: nobody would read it with ease
    leave(home, "web-1")
    leave(home, "web-1")
    assert not path.exists()
