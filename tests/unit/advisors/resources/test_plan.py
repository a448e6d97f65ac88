"""What is said of a container, with which change, and how it is fitted into its surroundings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from moorage.advisors.advice import Advice
from moorage.advisors.render import Format, render
from moorage.advisors.resources.cluster import parse, read_prices
from moorage.advisors.resources.model import (
    DAY,
    GIB,
    MIB,
    Bounds,
    HpaTarget,
    Quota,
    Resource,
    Use,
    Vpa,
    Workload,
    World,
)
from moorage.advisors.resources.plan import Wanted, plan
from moorage.advisors.resources.recommenders.own import OwnRecommender
from moorage.advisors.resources.savings import Fleet, Machine, Prices, PricesError, prices_of
from moorage.reports.findings import Severity

from .helpers import NOW, pod, use

WEB = Workload("shop", "Deployment", "web")


def advice(*uses: Use, world: World | None = None, **wanted) -> Advice:
    found = Wanted(OwnRecommender(), NOW - 14 * DAY, NOW, **wanted)
    return plan([list(uses)], world or World(), found).advice


def codes(found: Advice) -> list[str]:
    return [finding.code for finding in found.findings]


def containers(found: Advice) -> list[dict]:
    (change,) = {str(each.content): each for finding in found.findings for each in finding.change}.values()
    return change.content["spec"]["template"]["spec"]["containers"]


def test_a_container_that_fits_is_not_spoken_of():
    fits = use(pod(cpu=0.2, memory=200 * MIB), cpu_request=0.22, memory_request=220 * MIB)
    found = advice(fits)
    assert found.findings == ()
    assert found.exit_code == 0


def test_a_difference_that_is_not_worth_a_rollout_is_not_spoken_of():
    near = use(pod(cpu=0.2, memory=200 * MIB), cpu_request=0.235, memory_request=230 * MIB)
    assert codes(advice(near)) == []


def test_too_much_of_both_is_two_findings_and_one_change():
    large = use(pod("a"), pod("b"), cpu_request=1, memory_request=1 * GIB, memory_limit=2 * GIB)
    found = advice(large)
    assert codes(found) == ["cpu-request-large", "memory-request-large"]
    assert containers(found) == [
        {"name": "app", "resources": {"requests": {"cpu": "110m", "memory": "110Mi"}}}
    ]
    assert found.findings[0].change == found.findings[1].change
    assert found.facts["saved"] == {"cores": 1.78, "gib": round(2 * (1024 - 110) / 1024, 3)}


def test_containers_of_one_workload_are_changed_together():
    one = use(pod(), cpu_request=1, memory_request=GIB)
    other = use(pod(), container="log", cpu_request=1, memory_request=GIB)
    found = advice(one, other)
    assert [each["name"] for each in containers(found)] == ["app", "log"]


def test_a_kill_is_said_once_and_not_as_a_small_request_too():
    killed = use(
        pod(cpu=0.1, memory=250 * MIB, kills=[1.0]),
        cpu_request=0.11,
        memory_request=256 * MIB,
        memory_limit=256 * MIB,
    )
    found = advice(killed)
    assert codes(found) == ["oom-killed"]
    assert found.findings[0].severity is Severity.HIGH
    assert containers(found)[0]["resources"] == {
        "requests": {"memory": "356Mi"},
        "limits": {"memory": "356Mi"},
    }


def test_a_leak_is_said_with_the_day_on_which_it_ends_and_nothing_is_proposed():
    def growing(times):
        return 100 * MIB + 20 * MIB * (times - times[0]) / DAY

    leak = use(pod(memory=growing), cpu_request=0.11, memory_request=GIB, memory_limit=480 * MIB)
    (finding,) = advice(leak).findings
    assert finding.code == "memory-grows"
    assert finding.change == ()
    assert "2026-09-27" in finding.consequence


def test_what_an_autoscaler_scales_by_stays_and_the_same_point_is_told():
    large = use(pod(cpu=0.1), cpu_request=1, memory_request=110 * MIB)
    world = World(hpas={WEB: (HpaTarget("web-hpa", Resource.CPU, 60),)})
    found = advice(large, world=world)
    assert codes(found) == []
    assert any("HorizontalPodAutoscaler" in note for note in found.notes)
    memory = advice(replace(large, setting=replace(large.setting, memory_request=GIB)), world=world)
    assert codes(memory) == ["memory-request-large"]
    assert containers(memory)[0]["resources"] == {"requests": {"memory": "110Mi"}}
    assert "averageUtilization 545" in str(memory.findings[0].evidence["fitted"])


def test_a_vertical_autoscaler_that_acts_is_left_alone():
    large = use(pod(), cpu_request=1)
    assert advice(large, world=World(vpas={WEB: Vpa("v", acts=True)})).findings == ()
    assert advice(large, world=World(vpas={WEB: Vpa("v", acts=False)})).findings


def test_what_a_vertical_autoscaler_says_by_itself_is_evidence():
    vpa = Vpa("v", acts=False, recommended={"app": {"cpu": "120m", "memory": "130Mi"}})
    (finding,) = advice(
        use(pod(), cpu_request=1, memory_request=110 * MIB), world=World(vpas={WEB: vpa})
    ).findings
    assert finding.evidence["vpa"] == {"name": "v", "recommended": {"cpu": "120m", "memory": "130Mi"}}


def test_what_a_controller_keeps_as_it_is_is_not_changed_here():
    world = World(managed_by={WEB: Workload("shop", "Shop", "main")})
    (finding,) = advice(use(pod(), cpu_request=1, memory_request=110 * MIB), world=world).findings
    assert finding.change == ()
    assert finding.evidence["managedBy"].startswith("Shop shop/main: it would put back")


def test_a_history_of_an_hour_is_called_short_and_is_little_sure():
    short = OwnRecommender(least_days=0.01, least_samples=2)
    found = plan([[use(pod(days=1 / 24), cpu_request=1)]], World(), Wanted(short, NOW - DAY / 24, NOW)).advice
    assert found.findings[0].confidence <= 0.3
    assert found.findings[0].evidence["caution"].startswith("only 60 min of history")


def test_a_container_that_a_webhook_adds_is_not_changed():
    """To name it would be to add a container without an image."""
    app = use(pod(), cpu_request=1, memory_request=110 * MIB)
    proxy = use(pod(), container="proxy", cpu_request=1)
    world = World(api_versions={WEB: "apps/v1"}, settings={(WEB, "app"): app.setting})
    found = advice(app, proxy, world=world)
    assert [each["name"] for each in containers(found)] == ["app"]
    assert any(
        "admission webhook adds them): Deployment shop/web, container proxy" in each for each in found.notes
    )


def test_a_limit_range_sets_the_bounds():
    large = use(pod(), cpu_request=1, memory_request=GIB)
    bounds = Bounds("bounds", {Resource.CPU: 0.25}, {Resource.MEMORY: 100 * MIB})
    found = advice(large, world=World(bounds={"shop": (bounds,)}))
    assert containers(found)[0]["resources"]["requests"] == {"cpu": "250m", "memory": "100Mi"}
    assert found.findings[0].evidence["fitted"] == ["LimitRange bounds sets the bounds"]


def test_what_a_quota_does_not_leave_is_said_and_not_proposed():
    small = use(pod(memory=GIB), pod("b", memory=GIB), cpu_request=0.11, memory_request=100 * MIB)
    world = World(quotas={"shop": (Quota("compute", {"requests.memory": float(GIB)}),)})
    (finding,) = advice(small, world=world).findings
    assert finding.change == ()
    assert "ResourceQuota compute leaves 1Gi of requests.memory" in finding.consequence


@pytest.mark.parametrize(("kind", "changed"), [("CronJob", True), ("Job", False), ("Rollout", False)])
def test_only_what_can_be_applied_is_proposed_as_a_change(kind: str, changed: bool):
    runs = [pod(f"run{day}", days=0.1, ended=day) for day in range(5)] if kind != "Rollout" else [pod()]
    found = advice(use(*runs, kind=kind, cpu_request=4))
    assert codes(found)
    assert bool(found.findings[0].change) is changed
    if changed:
        spec = found.findings[0].change[0].content["spec"]
        assert spec["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["name"] == "app"


def test_what_is_too_young_is_named_with_the_time_from_which_on_it_is_not():
    found = advice(use(pod(days=1.0), cpu_request=1))
    assert found.findings == ()
    assert any("Not yet: Deployment shop/web, container app (24 h of history" in note for note in found.notes)


def test_the_identity_of_a_finding_does_not_depend_on_numbers():
    first, second = (advice(use(pod(cpu=cpu), cpu_request=2)).findings[0] for cpu in (0.1, 0.3))
    assert first.identity() == second.identity()
    assert first.summary != second.summary


def test_the_order_of_batches_and_containers_makes_no_difference():
    uses = [use(pod(cpu=0.1 * number), name=f"w{number}", cpu_request=2) for number in range(1, 6)]
    wanted = Wanted(OwnRecommender(), NOW - 14 * DAY, NOW)
    assert plan([uses], World(), wanted) == plan([[each] for each in reversed(uses)], World(), wanted)


def test_money_and_nodes_are_said_where_they_are_known():
    pods = [pod(f"p{number}") for number in range(8)]
    large = use(*pods, cpu_request=1, memory_request=110 * MIB)
    fleet = Fleet(((4.0, 8.0 * GIB, 110.0),) * 3, {("shop", each.pod): (1.0, 110.0 * MIB) for each in pods})
    found = advice(large, prices=Prices(0.03, 0.004, "EUR"), fleet=fleet)
    assert found.facts["money"]["savedPerMonth"] == pytest.approx(730 * 0.03 * 8 * 0.89, abs=0.01)
    assert any("Of 3 nodes, requests need 2 now and 1 then: 1 could go" in note for note in found.notes)
    assert "EUR a month" in found.findings[0].consequence


@pytest.mark.parametrize("wanted", Format)
def test_every_format_says_it(wanted: Format):
    printed = render(advice(use(pod(), cpu_request=1)), wanted)
    assert "cpu-request-large" in printed
    assert "NaN" not in printed


def test_prices_are_divided_between_cores_and_memory():
    prices = prices_of([Machine(4, 16 * GIB, 0.46, "EUR"), Machine(8, 32 * GIB, 0.92, "EUR")])
    assert prices.core == pytest.approx(7.5 * prices.gib)
    assert 4 * prices.core + 16 * prices.gib == pytest.approx(0.46)


def test_prices_in_two_currencies_are_refused(tmp_path):
    file = tmp_path / "types.yaml"
    types = [("a", "EUR"), ("b", "USD")]
    file.write_text(
        "---\n".join(
            f"kind: MachineType\nmetadata: {{name: {name}}}\nspec: {{cpu: 2, memory: 4Gi, "
            f"pricePerHour: {{amount: '0.1', currency: {currency}}}}}\n"
            for name, currency in types
        )
    )
    with pytest.raises(PricesError, match="EUR, USD"):
        read_prices(str(file))


def test_objects_say_what_surrounds_a_workload():
    def named(kind: str, name: str, api: str, **rest) -> dict:
        return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": "shop"}, **rest}

    web = {"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"}
    target = {"type": "Utilization", "averageUtilization": 60}
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": target}}
    resources = {"requests": {"cpu": "250m"}, "limits": {"memory": "1Gi"}}
    template = {"spec": {"containers": [{"name": "app", "resources": resources}]}}
    range_ = {"type": "Container", "min": {"cpu": "50m"}, "max": {"memory": "2Gi"}}
    hard = {"requests.cpu": "4", "pods": "9", "limits.memory": "8Gi"}
    policy = {"updateMode": "Off"}
    said = {"containerRecommendations": [{"containerName": "app", "target": {"cpu": "120m"}}]}
    scales = {"scaleTargetRef": web, "metrics": [metric]}
    objects = [
        named("Deployment", "web", "apps/v1", spec={"template": template}),
        named("HorizontalPodAutoscaler", "h", "autoscaling/v2", spec=scales),
        named(
            "VerticalPodAutoscaler",
            "v",
            "x/v1",
            spec={"targetRef": web, "updatePolicy": policy},
            status={"recommendation": said},
        ),
        named("LimitRange", "l", "v1", spec={"limits": [range_]}),
        named("ResourceQuota", "q", "v1", status={"hard": hard, "used": {"requests.cpu": "1500m"}}),
    ]
    world = parse(objects, origin="test")
    setting = world.settings[WEB, "app"]
    assert (setting.cpu_request, setting.memory_request, setting.memory_limit) == (0.25, GIB, GIB)
    assert world.hpas[WEB] == (HpaTarget("h", Resource.CPU, 60),)
    assert world.vpas[WEB] == Vpa("v", acts=False, recommended={"app": {"cpu": "120m"}})
    assert world.bounds["shop"] == (Bounds("l", {Resource.CPU: 0.05}, {Resource.MEMORY: 2 * GIB}),)
    assert world.quotas["shop"] == (Quota("q", {"requests.cpu": 2.5, "limits.memory": 8 * GIB}),)


def test_no_answer_is_made_of_what_is_not_there():
    empty = use(pod(cpu=lambda times: np.full(len(times), np.nan)))
    found = advice(empty)
    assert found.findings == ()
    assert any("nothing was used" in note for note in found.notes)
