"""The resources advisor beside a real VictoriaMetrics: what it reads, and what the command says."""

from __future__ import annotations

import asyncio
import json
import math
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx2
import pytest

from moorage.advisors.resources.advise import Request, advise
from moorage.advisors.resources.cluster import read_cluster
from moorage.advisors.resources.model import GIB, MIB, Workload
from moorage.advisors.resources.observe import Span, Tally, read_use
from moorage.advisors.resources.prometheus import Endpoint, Prometheus, PrometheusError
from moorage.advisors.resources.queries import Queries
from moorage.advisors.resources.recommenders import Strategy, recommender
from moorage.advisors.resources.surroundings import read_world
from moorage.toolchain import ensure

from .conftest import AuditedApiServer
from .metrics import DAY, HOUR, Metrics, Server, victoria_metrics

NOW = int(time.time()) // 300 * 300
WINDOW = 14 * DAY


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory):
    binary = (await ensure(["victoria-metrics"]))["victoria-metrics"]
    with victoria_metrics(binary, tmp_path_factory.mktemp("metrics")) as running:
        running.write(world())
        yield running


def world() -> list[str]:
    """One of each: too large, killed and throttled, nightly, young, growing, scaled, and nobody's."""
    rnd = random.Random(1)  # noqa: S311 - the same every time
    made = Metrics(NOW - WINDOW, NOW)
    made.node("one", 4, 8 * GIB)
    made.replicaset("shop", "web-1", "Deployment", "web")
    made.replicaset("shop", "canary-1", "Rollout", "canary")
    for number in range(2):
        made.pod("shop", f"web-1-{number}", owner=("ReplicaSet", "web-1"),
                 cpu=lambda when: 0.05 + 0.04 * math.sin(when / DAY * 2 * math.pi),
                 memory=lambda when: (150 + 10 * rnd.random()) * MIB,
                 requests={"cpu": 1, "memory": GIB}, limits={"memory": GIB})  # fmt: skip
    made.pod("shop", "canary-1-0", owner=("ReplicaSet", "canary-1"), cpu=lambda when: 0.1,
             memory=lambda when: 100 * MIB, requests={"cpu": 2, "memory": 110 * MIB})  # fmt: skip
    made.pod("shop", "db-0", owner=("StatefulSet", "db"), cpu=lambda when: 0.2, memory=lambda when: 250 * MIB,
             requests={"cpu": 0.22, "memory": 256 * MIB}, limits={"cpu": 0.25, "memory": 256 * MIB},
             throttled=0.3, kills=[NOW - day * DAY - 1000 for day in (1, 2, 3)])  # fmt: skip
    for run in range(13):
        begin = NOW - (run + 1) * DAY + 3 * HOUR
        made.job("shop", f"report-{run}", "report", begin)
        made.pod("shop", f"report-{run}-x", owner=("Job", f"report-{run}"), cpu=lambda when: 0.5,
                 memory=lambda when: 300 * MIB, begin=begin, end=begin + 1800,
                 requests={"cpu": 2, "memory": 200 * MIB})  # fmt: skip
    sidecar = {"namespace": "shop", "pod": "db-0", "container": "proxy"}
    made.steady("kube_pod_init_container_info", sidecar, 1)
    made.steady("container_cpu_usage_seconds_total", sidecar, 1, 300)
    made.steady("container_memory_working_set_bytes", sidecar, 1e9, 300)
    made.pod("new", "fresh-0", owner=("StatefulSet", "fresh"), cpu=lambda when: 0.5,
             memory=lambda when: 300 * MIB, begin=NOW - DAY)  # fmt: skip
    made.pod("new", "scaled-0", owner=("StatefulSet", "scaled"), cpu=lambda when: 0.1,
             memory=lambda when: 100 * MIB, requests={"cpu": 1, "memory": 110 * MIB})  # fmt: skip
    made.pod("new", "alone", owner=("", ""), cpu=lambda when: 0.5, memory=lambda when: 300 * MIB,
             begin=NOW - DAY)  # fmt: skip
    hpa = {"namespace": "new", "horizontalpodautoscaler": "scaled"}
    target = {"scaletargetref_kind": "StatefulSet", "scaletargetref_name": "scaled"}
    made.steady("kube_horizontalpodautoscaler_info", {**hpa, **target}, 1)
    made.steady("kube_horizontalpodautoscaler_spec_target_metric",
                {**hpa, "metric_name": "cpu", "metric_target_type": "utilization"}, 60)  # fmt: skip
    return made.lines


def asked(url: str, **more: Any) -> Any:
    with Prometheus(Endpoint(url)) as prometheus:
        return advise(prometheus, Request(recommender(Strategy.MOORAGE), now=NOW, window=WINDOW, **more))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "moorage", "advise", "resources", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_was_used_is_read_as_it_was(server: Server):
    with Prometheus(Endpoint(server.url)) as prometheus:
        surroundings = read_world(prometheus, NOW, Queries())
        tally = Tally()
        found = [
            use
            for batch in read_use(prometheus, Span(NOW - WINDOW, NOW), surroundings, namespaces=["shop"],
                                  selector="", tally=tally)
            for use in batch
        ]  # fmt: skip
    uses = {use.workload: use for use in found}
    assert set(uses) == {
        Workload("shop", "Deployment", "web"),
        Workload("shop", "Rollout", "canary"),
        Workload("shop", "StatefulSet", "db"),
        Workload("shop", "CronJob", "report"),
    }
    db = uses[Workload("shop", "StatefulSet", "db")]
    (pod,) = db.pods
    assert pod.cpu.present == pytest.approx(0.2, abs=0.001)
    assert len(pod.cpu.present) == pytest.approx(WINDOW / 300, abs=3)
    assert pod.memory.present.max() == 250 * MIB
    assert pod.ooms.present.sum() == pod.restarts.present.sum() == 3
    assert pod.throttled.present == pytest.approx(0.3, abs=0.02)
    assert (db.setting.cpu_limit, db.setting.memory_request) == (0.25, 256 * MIB)
    report = uses[Workload("shop", "CronJob", "report")]
    assert len(report.pods) == 13
    assert report.setting.cpu_request == 2, "its last pod ended long ago"
    assert report.running == 0
    assert uses[Workload("shop", "Deployment", "web")].replicas == pytest.approx(2, abs=0.01)


def test_advice_of_all_of_it(server: Server):
    found = asked(server.url)
    said = {(finding.subject.partition(",")[0], finding.code) for finding in found.findings}
    assert said == {
        ("Deployment shop/web", "cpu-request-large"),
        ("Deployment shop/web", "memory-request-large"),
        ("Rollout shop/canary", "cpu-request-large"),
        ("StatefulSet shop/db", "oom-killed"),
        ("StatefulSet shop/db", "cpu-throttled"),
        ("CronJob shop/report", "cpu-request-large"),
        ("CronJob shop/report", "memory-request-small"),
    }
    notes = " ".join(found.notes)
    assert "Not yet: StatefulSet new/fresh" in notes
    assert "HorizontalPodAutoscaler scales by them (the evidence says which): StatefulSet new/scaled" in notes
    assert "1 container of pods whose owner is not known" in notes
    assert "Of 1 node" in notes


def test_pieces_of_any_size_come_to_the_same(server: Server, monkeypatch: pytest.MonkeyPatch):
    whole = asked(server.url)
    monkeypatch.setattr("moorage.advisors.resources.prometheus.MOST_POINTS", 3000)
    monkeypatch.setattr("moorage.advisors.resources.observe.MOST_SERIES", 1)
    assert asked(server.url).findings == whole.findings


def test_samples_that_come_twice_change_nothing(server: Server):
    whole = asked(server.url)
    copies = [line for line in world() if "_bytes" in line or "_seconds_total" in line]
    server.write(line.replace("{", '{replica="two",', 1) for line in copies[::2])
    assert asked(server.url).findings == whole.findings


def test_the_command_says_it_in_json_and_ends_with_1(server: Server, tmp_path: Path):
    prices = tmp_path / "types.yaml"
    prices.write_text(
        "kind: MachineType\nmetadata: {name: m}\n"
        "spec: {cpu: 4, memory: 16Gi, pricePerHour: {amount: '0.46', currency: EUR}}\n"
    )
    done = run("--prometheus", server.url, "-n", "shop", "--prices", str(prices), "-o", "json")
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert report["advisor"] == "resources"
    assert report["facts"]["money"]["savedPerMonth"] > 0
    web = next(each for each in report["findings"] if each["subject"].startswith("Deployment shop/web"))
    container = web["change"][0]["object"]["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["requests"]["memory"] in {"176Mi", "177Mi"}
    assert web["evidence"]["backTest"]["podDaysOverMemoryLimit"] == 0


@pytest.mark.parametrize("strategy", ["vpa", "simple"])
def test_the_other_methods_are_asked_by_name(server: Server, strategy: str):
    done = run("--prometheus", server.url, "-n", "shop", "--strategy", strategy)
    assert done.returncode == 1, done.stderr
    assert f"method: {strategy}: CPU: percentile" in done.stdout


def test_a_server_without_such_metrics_is_an_error_that_says_which(server: Server):
    done = run("--prometheus", server.url, "-n", "nowhere")
    assert done.returncode == 2
    assert "has no container_memory_working_set_bytes of nowhere" in done.stderr


def test_a_server_that_is_not_there_is_an_error():
    gone = Prometheus(Endpoint("http://127.0.0.1:9"), sleep=lambda _: None)
    with gone as prometheus, pytest.raises(PrometheusError, match="does not answer"):
        prometheus.instant("up", NOW, ())


class Moody(BaseHTTPRequestHandler):
    """Lets nobody in without a token, is busy at first, and finds long ranges too much."""

    upstream = ""
    refused: ClassVar[list[str]] = []
    busy = 2

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        form = dict(httpx2.QueryParams(body))
        kind = type(self)
        if self.headers.get("authorization") != "Bearer secret" or self.headers.get("x-scope-orgid") != "one":
            self.answer(401, b'{"status":"error","error":"who are you"}')
        elif kind.busy:
            kind.busy -= 1
            kind.refused.append("busy")
            self.answer(503, b"busy")
        elif "start" in form and float(form["end"]) - float(form["start"]) > 5 * DAY:
            kind.refused.append("long")
            self.answer(422, b'{"status":"error","error":"query processing would load too many samples"}')
        else:
            done = httpx2.post(f"{self.upstream}{self.path}", data=form, timeout=60, trust_env=False)
            self.answer(done.status_code, done.content)

    def answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def moody(server: Server) -> Iterator[str]:
    Moody.upstream, Moody.busy, Moody.refused = server.url, 2, []
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Moody)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{proxy.server_port}"
    proxy.shutdown()
    proxy.server_close()


def test_a_server_that_is_busy_or_finds_a_piece_too_much_is_asked_again(server: Server, moody: str):
    headers = {"Authorization": "Bearer secret", "X-Scope-OrgID": "one"}
    pauses: list[float] = []
    with Prometheus(Endpoint(moody, headers), sleep=pauses.append) as prometheus:
        found = advise(prometheus, Request(recommender(Strategy.MOORAGE), now=NOW, window=WINDOW))
    assert found.findings == asked(server.url).findings
    assert Moody.refused.count("busy") == 2
    assert "long" in Moody.refused
    assert len(pauses) == 2


def test_a_token_from_a_file_lets_in_and_none_does_not(moody: str, tmp_path: Path):
    token = tmp_path / "token"
    token.write_text("secret\n")
    arguments = ("--prometheus", moody, "--header", "X-Scope-OrgID: one", "-n", "shop")
    done = run(*arguments)
    assert done.returncode == 2
    assert "who are you" in done.stderr
    assert "--token-file" in done.stderr
    assert run(*arguments, "--token-file", str(token)).returncode == 1


def test_secrets_are_not_taken_from_the_command_line(server: Server):
    done = run("--prometheus", server.url, "--header", "Authorization: Bearer secret")
    assert done.returncode == 2
    assert "--token-file" in done.stderr
    done = run("--prometheus", server.url.replace("//", "//me:secret@"))
    assert done.returncode == 2
    assert "secret" not in done.stderr


async def test_a_change_is_merged_by_a_real_api_server(audited: AuditedApiServer, server: Server):
    """The other container stays, and so does what else the first one says."""
    binaries = await ensure(["kubectl"])
    kubectl = [str(binaries["kubectl"]), f"--kubeconfig={audited.kubeconfig}"]

    def do(*arguments: str, told: Any = None) -> str:
        done = subprocess.run(
            [*kubectl, *arguments], input=json.dumps(told), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    resources = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}
    pods = [{"name": "app", "image": "a:1", "resources": resources}, {"name": "log", "image": "b:1"}]
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": pods}}
    metadata = {"name": "web", "namespace": "shop"}
    await asyncio.to_thread(do, "create", "namespace", "shop")
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }
    await asyncio.to_thread(do, "apply", "--server-side", "-f", "-", told=deployment)
    surroundings = await asyncio.to_thread(read_cluster, "", str(audited.kubeconfig))
    web = Workload("shop", "Deployment", "web")
    assert surroundings.settings[web, "app"].memory_limit == GIB
    assert surroundings.settings[web, "log"].memory_limit is None
    with Prometheus(Endpoint(server.url)) as prometheus:
        request = Request(recommender(Strategy.MOORAGE), now=NOW, window=WINDOW, namespaces=("shop",))
        found = await asyncio.to_thread(advise, prometheus, request, surroundings)
    (change,) = {
        str(each.content): each
        for finding in found.findings
        if finding.subject.startswith(str(web))
        for each in finding.change
    }.values()
    force = ("--server-side", "--field-manager=moorage", "--force-conflicts")
    await asyncio.to_thread(do, "apply", *force, "-f", "-", told=change.content)
    after = json.loads(await asyncio.to_thread(do, "get", "deployment", "web", "-n", "shop", "-o", "json"))
    app, log = after["spec"]["template"]["spec"]["containers"]
    assert (app["image"], log["image"]) == ("a:1", "b:1")
    assert app["resources"]["requests"]["memory"] == app["resources"]["limits"]["memory"] == "176Mi"
    assert app["resources"]["requests"]["cpu"] != "1"
