"""The platform follows advice by itself: where it is wanted, when it may, and back when that was worse."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from lightkube import AsyncClient
from lightkube.core.exceptions import ApiError

from moorage.advisors.automatic import act
from moorage.advisors.automatic.model import OPT_IN, SET_BY
from moorage.advisors.automatic.observe import CRON_JOB
from moorage.advisors.keeping.life import AUTO
from moorage.advisors.resources.wire import Newcomer, Proposed, Source
from moorage.api.advice import AdviceState, ApplicationPhase
from moorage.kube.controller import Key
from moorage.kube.kinds import CLUSTER_ROLE_BINDING, CONFIG_MAP, DEPLOYMENT, EVENT, NAMESPACE
from moorage.kube.objects import apply, create, delete, get, list_objects, merge_patch, poll
from moorage.local import manifests

from ..kube.conftest import started
from .advice import PeopledApiServer, entered, install, new_project, without_bookkeeping
from .automatic import SUNDAY, WATCH, WINDOW, Site, applied, deployment, too_large

RULES_SECONDS = 30


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[PeopledApiServer]:
    async with started(PeopledApiServer) as server, server.client() as client:
        await install(client)
        await manifests.install(client, manifests.load("user-cluster.yaml"), digest="test")
        async with entered(server.as_user(AUTO)) as auto:
            await create(client, DEPLOYMENT, deployment("default", "not-wanted"), field_manager="test")
            await _rules_hold(auto)
        yield server


async def _rules_hold(auto: AsyncClient) -> None:
    """Wait until the API server has read the rules: then the platform may not touch what is not opted in."""
    change = applied("default", "not-wanted", cpu="1")

    async def look() -> bool | None:
        try:
            await apply(auto, DEPLOYMENT, change, field_manager="test", dry_run=True)
        except ApiError as error:
            return True if "neither the workload nor its namespace" in str(error) else None
        return None

    assert await poll(look, timeout_seconds=RULES_SECONDS)


@pytest.fixture
async def site(server: PeopledApiServer) -> AsyncIterator[Site]:
    async with server.client() as admin:
        site = Site(admin, server.root / f"kubeconfig-of-{AUTO}", await new_project(admin))
        await site.declare(WINDOW)
        yield site
        for shop in site.shops:
            # They stay, as nobody empties namespaces here; but nothing in them is wanted any more.
            await merge_patch(
                admin, NAMESPACE, shop, None, {"metadata": {"labels": {OPT_IN: None}}}, field_manager="test"
            )


async def test_advice_is_followed_in_the_window_watched_and_then_the_next_is(site: Site) -> None:
    shop = await site.shop()
    await site.workload(shop)
    await site.workload(shop, "api")
    first, second = await site.advise(
        too_large(shop, "api"), too_large(shop, "web", cpu="500m", memory="1Gi")
    )
    process = site.controller()
    await site.turn(process)
    done = [name for name in (first, second) if (await site.look(name)).state is AdviceState.APPLIED]
    assert len(done) == 1
    item = await site.look(done[0])
    assert item.status is not None
    assert item.status.application is not None
    assert (item.status.application.phase, item.status.application.by) == (ApplicationPhase.APPLIED, AUTO)
    for _ in range(3):  # nothing else is begun while it is watched
        await site.turn(process)
    other = first if done == [second] else second
    assert (await site.look(other)).state is AdviceState.OPEN
    reason, message = await site.said() or ("", "")
    assert (reason, done[0] in message) == ("Watching", True)
    for name in ("web", "api"):
        await site.rolled_out(shop, name)
    site.now += WATCH
    await site.turn(process)
    watch = (await site.look(done[0])).status.application.watch  # type: ignore[union-attr]
    assert watch is not None
    assert watch.over
    await site.turn(process)
    assert (await site.look(other)).state is AdviceState.APPLIED
    assert await site.requests(shop, "api") == {"cpu": "250m", "memory": "4Gi"}
    assert await site.requests(shop) == {"cpu": "500m", "memory": "1Gi"}
    events = {each["reason"] for each in await list_objects(site.admin, EVENT, site.namespace)}
    assert "AdviceApplied" in events


async def test_when_needs_change_the_same_advice_is_followed_again_from_where_it_is(site: Site) -> None:
    shop = await site.shop()
    await site.workload(shop)
    await site.advise(too_large(shop))
    process = site.controller()
    await site.turn(process)
    await site.rolled_out(shop)
    await site.advise()  # the advisor sees that it was done
    site.now += WATCH
    await site.turn(process)
    now = {"now": {"requests.cpu": "250m", "requests.memory": "4Gi"}}
    [name] = await site.advise(replace(too_large(shop, cpu="1"), evidence=now))
    await site.turn(process)
    assert (await site.requests(shop))["cpu"] == "1"
    item = await site.look(name)
    assert item.state is AdviceState.APPLIED
    await site.rolled_out(shop, ready=0)
    site.now += WATCH
    await site.turn(process)
    assert (await site.requests(shop))["cpu"] == "250m"


async def test_what_makes_a_workload_worse_is_taken_back_and_not_done_again(site: Site) -> None:
    shop = await site.shop()
    await site.workload(shop)
    before = without_bookkeeping(await site.deployment(shop))
    found = [too_large(shop, memory="1Gi"), too_large(shop, code="memory-request-large", memory="1Gi")]
    names = await site.advise(*found)
    process = site.controller()
    await site.turn(process)
    assert await site.requests(shop) == {"cpu": "2", "memory": "1Gi"}
    await site.rolled_out(shop)
    site.now += timedelta(minutes=3)
    await site.killed_for_memory(shop)
    await site.turn(process)
    await site.rolled_out(shop)
    after = without_bookkeeping(await site.deployment(shop))
    assert after["spec"] == before["spec"]
    assert after["metadata"] == before["metadata"]
    items = [await site.look(name) for name in names]
    [harmed] = [item for item in items if item.status is not None and item.status.application is not None]
    application = harmed.status.application  # type: ignore[union-attr]
    assert application is not None
    assert (harmed.state, application.phase) == (AdviceState.OPEN, ApplicationPhase.REVERTED)
    assert "1 container killed for want of memory" in application.harm
    # Neither it nor the other advice with the same change is followed, nor one that is less or hardly more.
    for requests in ({"memory": "1Gi"}, {"memory": "1050Mi"}, {"memory": "512Mi"}):
        site.now += timedelta(minutes=11)
        await site.advise(*(too_large(shop, code=each.code, **requests) for each in found))
        await site.turn(process)
        await site.turn()
        assert await site.requests(shop) == {"cpu": "2", "memory": "4Gi"}
    await site.advise(*(too_large(shop, code=each.code, memory="2Gi") for each in found))
    await site.turn()
    assert await site.requests(shop) == {"cpu": "2", "memory": "2Gi"}


@pytest.mark.parametrize(
    ("window", "now", "reason"),
    [
        (None, SUNDAY, "NoMaintenanceWindow"),
        (WINDOW, SUNDAY - timedelta(seconds=1), "WaitingForWindow"),
        # It must stay open for as long as the workload is watched.
        (WINDOW, SUNDAY + timedelta(hours=4) - WATCH + timedelta(seconds=1), "WaitingForWindow"),
        ({**WINDOW, "timeZone": "Europe/Atlantis"}, SUNDAY, "NoMaintenanceWindow"),
    ],
)
async def test_outside_of_the_window_nothing_is_begun(
    site: Site, window: dict[str, Any] | None, now: datetime, reason: str
) -> None:
    shop = await site.shop()
    await site.workload(shop)
    [name] = await site.advise(too_large(shop))
    await site.declare(window)
    site.now = now
    await site.turn()
    assert await site.requests(shop) == {"cpu": "2", "memory": "4Gi"}
    assert (await site.look(name)).state is AdviceState.OPEN
    assert ((await site.said()) or ("",))[0] == reason


async def test_a_workload_says_for_itself_and_where_nobody_wants_it_nothing_is_said(site: Site) -> None:
    wanted, not_wanted = await site.shop(), await site.shop(wanted=False)
    await site.workload(wanted, "out", **{OPT_IN: "false"})
    await site.workload(not_wanted, "web")
    out, web = await site.advise(too_large(wanted, "out"), too_large(not_wanted, "web"))
    await site.turn()
    assert [(await site.look(name)).state for name in (out, web)] == [AdviceState.OPEN] * 2
    assert ((await site.said()) or ("",))[0] == "NothingToApply"
    nobody = {"metadata": {"labels": {OPT_IN: None}}}
    await merge_patch(site.admin, NAMESPACE, wanted, None, nobody, field_manager="kubectl")
    await site.turn()
    assert await site.said() is None
    mine = {"metadata": {"labels": {OPT_IN: "true"}}}
    await merge_patch(site.admin, DEPLOYMENT, "web", not_wanted, mine, field_manager="kubectl")
    await site.rolled_out(not_wanted)
    await site.turn()
    assert (await site.look(web)).state is AdviceState.APPLIED
    assert (await site.look(out)).state is AdviceState.OPEN


async def test_advice_that_rests_on_what_is_no_more_is_not_followed(site: Site) -> None:
    shop = await site.shop()
    await site.workload(shop)
    [name] = await site.advise(too_large(shop))
    await apply(site.admin, DEPLOYMENT, applied(shop, cpu="3", memory="4Gi"), field_manager="kubectl")
    await site.rolled_out(shop)
    await site.turn()
    assert await site.requests(shop) == {"cpu": "3", "memory": "4Gi"}
    assert (await site.look(name)).state is AdviceState.OPEN


def killer(kill_at: int) -> Callable[[str], Callable[[str], None]]:
    told: list[str] = []

    def progress(name: str) -> Callable[[str], None]:
        def tell(what: str) -> None:
            told.append(what)
            if len(told) == kill_at:
                raise Killed

        return tell

    return progress


@pytest.mark.parametrize("kill_at", [1, 2])
@pytest.mark.parametrize("later", [timedelta(minutes=1), timedelta(hours=8)], ids=["in time", "too late"])
async def test_killed_while_it_applies_it_ends_right(
    site: Site, monkeypatch: pytest.MonkeyPatch, kill_at: int, later: timedelta
) -> None:
    """Nothing is begun when the window is over; and what was done by then stays, so that no pod moves."""
    shop = await site.shop()
    await site.workload(shop)
    [name] = await site.advise(too_large(shop))
    with monkeypatch.context() as patch:
        patch.setattr(act, "_progress", killer(kill_at))
        with pytest.raises(Killed):
            await site.turn()
    was_done = (await site.requests(shop))["cpu"] == "250m"
    assert was_done is (kill_at == 2)
    site.now += later
    await site.turn()
    item = await site.look(name)
    assert item.status is not None
    assert item.status.application is not None
    stays = was_done or later < timedelta(hours=1)
    assert (await site.requests(shop))["cpu"] == ("250m" if stays else "2")
    phase = ApplicationPhase.APPLIED if stays else ApplicationPhase.REVERTED
    assert item.status.application.phase is phase
    if stays:
        assert item.status.application.watch is not None
        assert item.status.application.watch.until == site.now + WATCH
        assert item.status.application.watch.before[0].ready == 2


@pytest.mark.parametrize("kill_at", [0, 1, 2])
async def test_killed_while_it_takes_back_it_ends_right(
    site: Site, monkeypatch: pytest.MonkeyPatch, kill_at: int
) -> None:
    shop = await site.shop()
    await site.workload(shop)
    before = without_bookkeeping(await site.deployment(shop))
    [name] = await site.advise(too_large(shop))
    await site.turn()
    await site.rolled_out(shop, ready=1)
    site.now += WATCH
    with monkeypatch.context() as patch:
        if kill_at == 0:  # the harm is written, and nothing else

            async def killed(*args: Any, **told: Any) -> None:
                raise Killed

            patch.setattr(act, "undo", killed)
        else:
            patch.setattr(act, "_progress", killer(kill_at))
        with pytest.raises(Killed):
            await site.turn()
    site.now += timedelta(hours=8)  # what is worse is taken back whenever that is
    await site.turn()
    assert without_bookkeeping(await site.deployment(shop))["spec"] == before["spec"]
    item = await site.look(name)
    assert item.status is not None
    assert item.status.application is not None
    assert item.status.application.phase is ApplicationPhase.REVERTED
    assert "1 of 2 pods are ready (before: 2)" in item.status.application.harm
    await site.turn()
    assert (await site.requests(shop))["cpu"] == "2"


async def test_whoever_opts_out_keeps_what_there_is(site: Site) -> None:
    shop = await site.shop()
    await site.workload(shop)
    [name] = await site.advise(too_large(shop))
    await site.turn()
    out = {"metadata": {"labels": {OPT_IN: "false"}}}
    await merge_patch(site.admin, NAMESPACE, shop, None, out, field_manager="kubectl")
    await site.rolled_out(shop, ready=0)
    site.now += 3 * WATCH
    await site.turn()
    assert (await site.requests(shop))["cpu"] == "250m"
    item = await site.look(name)
    assert item.status is not None
    assert "not opted in any more" in item.status.history[-1].what


def _template(**fields: Any) -> dict[str, Any]:
    return {"spec": {"template": fields}}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (_template(spec={"containers": [{"name": "app", "image": "evil:1"}]}), "only the resources"),
        (_template(spec={"containers": [{"name": "more", "image": "app:1"}]}), "only the resources"),
        (_template(spec={"containers": [{"name": "log", "env": []}]}), ""),
        (_template(spec={"containers": [{"name": "log", "command": ["sh"]}]}), "only the resources"),
        (_template(spec={"serviceAccountName": "root"}), "only the resources"),
        (_template(spec={"initContainers": [{"name": "i", "image": "i:1"}]}), "only the resources"),
        (_template(metadata={"annotations": {"a": "b"}}), "only the resources"),
        ({"spec": {"replicas": 0}}, "only the resources"),
        ({"metadata": {"labels": {"a": "b"}}}, "nothing of a workload's metadata"),
        ({"metadata": {"annotations": {"a": "b"}}}, "nothing of a workload's metadata"),
        ({"metadata": {"finalizers": ["a/b"]}}, "nothing of a workload's metadata"),
    ],
)
async def test_the_platform_itself_changes_nothing_but_resources(
    site: Site, fields: dict[str, Any], says: str
) -> None:
    shop = await site.shop()
    await site.workload(shop)
    wanted = {**fields, "metadata": {"name": "web", "namespace": shop, **fields.get("metadata", {})}}
    async with entered(site.auto) as auto:
        if not says:  # it changes nothing
            await apply(auto, DEPLOYMENT, wanted, field_manager="evil")
            return
        with pytest.raises(ApiError, match=says):
            await apply(auto, DEPLOYMENT, wanted, field_manager="evil")


async def test_the_platform_itself_has_no_way_round_its_rules(site: Site) -> None:
    shop, other = await site.shop(), await site.shop(wanted=False)
    await site.workload(shop)
    await site.workload(shop, "out", **{OPT_IN: "false"})
    await site.workload(other)
    async with entered(site.auto) as auto:
        await apply(auto, DEPLOYMENT, applied(shop, cpu="1"), field_manager="test")
        for where, name in ((other, "web"), (shop, "out")):
            with pytest.raises(ApiError, match="neither the workload nor its namespace"):
                await apply(auto, DEPLOYMENT, applied(where, name, cpu="1"), field_manager="test")
        in_one = {**applied(other, cpu="1"), "metadata": {"name": "web", "namespace": other}}
        in_one["metadata"]["labels"] = {OPT_IN: "true"}
        with pytest.raises(ApiError, match=r"neither the workload|nothing of a workload's metadata"):
            await apply(auto, DEPLOYMENT, in_one, field_manager="test")
        with pytest.raises(ApiError, match="forbidden"):
            await merge_patch(
                auto, NAMESPACE, other, None, {"metadata": {"labels": {OPT_IN: "true"}}}, field_manager="test"
            )
        with pytest.raises(ApiError, match="forbidden"):
            await create(auto, DEPLOYMENT, deployment(shop, "new"), field_manager="test")
        with pytest.raises(ApiError, match="forbidden"):
            await delete(auto, DEPLOYMENT, "web", shop)
        async with everything_granted(site.admin):
            assert await poll(lambda: _is_refused(auto, shop), timeout_seconds=10)
            with pytest.raises(ApiError, match="changes workloads, and nothing else"):
                await delete(auto, DEPLOYMENT, "web", shop)


async def _is_refused(auto: AsyncClient, shop: str) -> bool | None:
    """Whether not the right is missing, but the rules forbid it."""
    try:
        await create(auto, CONFIG_MAP, {"metadata": {"name": "a", "namespace": shop}}, field_manager="test")
    except ApiError as error:
        return True if "changes workloads, and nothing else" in str(error) else None
    return False


@asynccontextmanager
async def everything_granted(admin: AsyncClient) -> AsyncIterator[None]:
    """What somebody might do by mistake."""
    binding = {
        "metadata": {"name": "mistake"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": AUTO}],
    }
    await create(admin, CLUSTER_ROLE_BINDING, binding, field_manager="test")
    try:
        yield
    finally:
        await delete(admin, CLUSTER_ROLE_BINDING, "mistake")


async def test_of_a_cron_job_the_same_is_changed_and_no_more(site: Site) -> None:
    shop = await site.shop()
    template = deployment(shop)["spec"]["template"]
    pod = {**template["spec"], "restartPolicy": "Never"}
    job = {
        "metadata": {"name": "night", "namespace": shop},
        "spec": {"schedule": "0 1 * * *", "jobTemplate": {"spec": {"template": {"spec": pod}}}},
    }
    await create(site.admin, CRON_JOB, job, field_manager="kubectl")

    def change(spec: dict[str, Any]) -> dict[str, Any]:
        return {"metadata": {"name": "night", "namespace": shop}, "spec": spec}

    less = {"containers": [{"name": "app", "resources": {"requests": {"cpu": "1"}}}]}
    async with entered(site.auto) as auto:
        await apply(
            auto, CRON_JOB, change({"jobTemplate": {"spec": {"template": {"spec": less}}}}), field_manager="t"
        )
        for spec in (
            {"suspend": True},
            {"jobTemplate": {"spec": {"backoffLimit": 0}}},
            {"jobTemplate": {"metadata": {"labels": {"a": "b"}}}},
            {"jobTemplate": {"spec": {"template": {"spec": {"hostNetwork": True}}}}},
        ):
            with pytest.raises(ApiError, match="only the resources"):
                await apply(auto, CRON_JOB, change(spec), field_manager="t")


class Siblings:
    """Knows what containers of one image need."""

    def __init__(self) -> None:
        self.asked: list[Newcomer] = []

    async def propose(self, key: Key, newcomers: Any) -> list[Proposed]:
        self.asked += newcomers
        return [Proposed(each, "300m", "", Source.SIBLINGS) for each in newcomers if each.image == "app:1"]


async def test_a_new_workload_that_asks_for_nothing_has_requests_at_once_and_once(site: Site) -> None:
    site.proposer = proposer = Siblings()
    site.now = datetime.now(UTC)  # no matter whether the window is open
    shop, other = await site.shop(), await site.shop(wanted=False)
    await site.workload(shop, "asks")
    for where in (shop, other):
        bare = deployment(where)
        for container in bare["spec"]["template"]["spec"]["containers"]:
            container.pop("resources", None)
        await create(site.admin, DEPLOYMENT, bare, field_manager="kubectl")
    process = site.controller()
    await site.turn(process)
    assert await site.requests(shop) == {"cpu": "300m"}
    assert await site.requests(other) == {}
    assert await site.requests(shop, "asks") == {"cpu": "2", "memory": "4Gi"}
    asked = {(each.namespace, each.name, each.container) for each in proposer.asked}
    assert asked == {(shop, "web", "log"), (shop, "web", "app"), (shop, "asks", "log")}
    made = await site.deployment(shop)
    assert made["metadata"]["annotations"] == {"team": "shop", SET_BY: "siblings"}
    # Whoever takes them away does not want them.
    none = deployment(shop)
    none["spec"]["template"]["spec"]["containers"][1]["resources"] = {"requests": {"cpu": None}}
    patch = {"spec": {"template": {"spec": {"containers": none["spec"]["template"]["spec"]["containers"]}}}}
    await merge_patch(site.admin, DEPLOYMENT, "web", shop, patch, field_manager="kubectl")
    await site.turn(process)
    assert await site.requests(shop) == {}
    # What has run for long is left to advice.
    proposer.asked.clear()
    site.now += timedelta(hours=1)
    await site.turn(process)
    assert proposer.asked == []


async def test_the_rules_are_understood_by_the_api_server_as_they_are_meant(site: Site) -> None:
    policy = await get(site.admin, manifests.ADMISSION_POLICY, "automatic.advice.moorage.dev")
    assert policy is not None
    assert not ((policy.get("status") or {}).get("typeChecking") or {}).get("expressionWarnings")
