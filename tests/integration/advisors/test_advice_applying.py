"""Following advice in a real cluster, interrupted anywhere, and taking it back exactly."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightkube.core.exceptions import ApiError

from moorage.advisors.advice import Change
from moorage.advisors.applying import act
from moorage.advisors.applying.act import Person, follow, prepare, undo
from moorage.advisors.applying.images import plain
from moorage.advisors.applying.plan import ApplyError
from moorage.advisors.applying.record import ContestedError
from moorage.advisors.applying.restored import read_restored, with_age
from moorage.advisors.applying.watch import concerned, worse
from moorage.advisors.keeping import Kept, keep
from moorage.advisors.keeping.written import change_of, name_of
from moorage.advisors.permissions.model import Outcome, Place, Request, Seen, Tally, Usage, Who
from moorage.advisors.permissions.parsing import parse
from moorage.advisors.permissions.plan import Wanted, plan
from moorage.api.advice import Advice, AdviceState, ApplicationPhase
from moorage.cli.main import run as main
from moorage.kube.kinds import ADVICE, DEPLOYMENT, NAMESPACE, ROLE, ROLE_BINDING, SECRET
from moorage.kube.objects import create, delete, get, list_objects, merge_patch
from moorage.reports.findings import Action

from ..kube.conftest import started
from .advice import (
    PeopledApiServer,
    advice,
    entered,
    finding,
    head,
    install,
    new_project,
    put,
    read,
    without_bookkeeping,
)

NOW = datetime.now(UTC).replace(microsecond=0)
_GROUP = "rbac.authorization.k8s.io"


class Killed(BaseException):
    """The process is gone."""


@dataclass(frozen=True)
class World:
    """Both API servers; `who` has all rights in them."""

    management: PeopledApiServer
    user: PeopledApiServer
    who: Person
    namespace: str

    @property
    def project(self) -> str:
        return self.namespace.removeprefix("project-")

    async def advise(self, *change: Change, **fields: Any) -> Advice:
        """An advice with this change, as the platform writes it."""
        found = finding(f"ServiceAccount {secrets.token_hex(3)}/web", change=change, **fields)
        await keep(
            self.who.management,
            project_namespace=self.namespace,
            cluster="web",
            advice=advice(found),
            now=NOW,
        )
        return await self.look(name_of(found, "web"))

    async def look(self, name: str) -> Advice:
        return await read(self.who.management, self.namespace, name)

    async def apply(
        self, item: Advice, *, kill_at: int | None = None, who: Person | None = None
    ) -> list[str]:
        """Follow an advice; be killed after so many steps. Return what was told."""
        who = who or self.who
        told: list[str] = []
        prepared = await prepare(who, item, [change_of(each) for each in item.spec.change])
        await follow(who, item, prepared, now=NOW, progress=killer(told, kill_at))
        return told

    async def revert(self, name: str, *, kill_at: int | None = None) -> list[str]:
        told: list[str] = []
        await undo(self.who, await self.look(name), now=NOW, progress=killer(told, kill_at))
        return told


def killer(told: list[str], kill_at: int | None) -> Callable[[str], None]:
    def progress(what: str) -> None:
        told.append(what)
        if len(told) == kill_at:
            raise Killed

    return progress


@pytest.fixture(scope="module")
async def servers() -> AsyncIterator[tuple[PeopledApiServer, PeopledApiServer]]:
    async with (
        started(PeopledApiServer) as management,
        started(PeopledApiServer) as user,
        management.client() as client,
    ):
        await install(client)
        yield management, user


@pytest.fixture
async def world(servers: tuple[PeopledApiServer, PeopledApiServer]) -> AsyncIterator[World]:
    management, user = servers
    async with management.client() as client, user.client() as inside:
        project = await new_project(client)
        yield World(management, user, Person("admin", client, inside), f"project-{project}")


@pytest.fixture
async def shop(world: World) -> str:
    """A namespace in the user cluster, with roles, bindings and a Deployment that others have made."""
    return await new_shop(world)


async def new_shop(world: World) -> str:
    inside, shop = world.who.inside, f"shop-{secrets.token_hex(3)}"
    await create(inside, NAMESPACE, {"metadata": {"name": shop}}, field_manager="kubectl")
    await put(inside, ROLE, role(shop, "web", "get", "list", "delete"), role(shop, "logs", "get", "list"))
    await put(inside, ROLE_BINDING, binding(shop, "web"), binding(shop, "logs"), binding(shop, "old"))
    await put(inside, DEPLOYMENT, deployment(shop))
    return shop


def role(shop: str, name: str, *verbs: str) -> dict[str, Any]:
    labels = {"made-by": "people"}
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": [*verbs]}]
    return {**head("Role", name, shop), "rules": rules} | {
        "metadata": {"name": name, "namespace": shop, "labels": labels}
    }


def binding(shop: str, name: str, to: str | None = None) -> dict[str, Any]:
    return {
        **head("RoleBinding", name, shop),
        "roleRef": {"apiGroup": _GROUP, "kind": "Role", "name": to or name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": shop}],
    }


def deployment(shop: str) -> dict[str, Any]:
    labels = {"app": "web"}
    containers = [
        {"name": "log", "image": "log:1"},
        {"name": "app", "image": "app:1", "resources": {"requests": {"cpu": "2", "memory": "4Gi"}}},
    ]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": shop},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"serviceAccountName": "web", "containers": containers},
            },
        },
    }


def resources(shop: str, requests: dict[str, str], **limits: str) -> dict[str, Any]:
    told: dict[str, Any] = {"requests": requests, **({"limits": limits} if limits else {})}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": shop},
        "spec": {"template": {"spec": {"containers": [{"name": "app", "resources": told}]}}},
    }


def everything(shop: str) -> tuple[Change, ...]:
    """Each kind of step: made, made with what was just made, deleted, made anew, changed, changed in part."""
    return (
        Change(Action.APPLY, role(shop, "web-least", "get"), {}),
        Change(Action.APPLY, binding(shop, "web-least"), {}),
        Change(Action.DELETE, head("RoleBinding", "web", shop), binding(shop, "web")),
        Change(Action.APPLY, binding(shop, "old", "web-least"), binding(shop, "old")),
        Change(Action.APPLY, {**head("Role", "logs", shop), "rules": role(shop, "logs", "get")["rules"]},
               role(shop, "logs", "list", "get")),
        Change(Action.APPLY, resources(shop, {"cpu": "100m"}, memory="8Gi"), resources(shop, {"cpu": "2"})),
    )  # fmt: skip


async def snapshot(world: World, shop: str) -> dict[str, Any]:
    """All objects of a namespace, without what only the API server says of them."""
    found: dict[str, Any] = {}
    for kind in (ROLE, ROLE_BINDING, DEPLOYMENT):
        for obj in await list_objects(world.who.inside, kind, shop):
            plain = json.loads(json.dumps(without_bookkeeping(obj), default=dict))
            found[f"{kind.kind} {obj['metadata']['name']}"] = plain
    return found


async def test_an_advice_is_followed_watched_and_taken_back_exactly(world: World, shop: str) -> None:
    before = await snapshot(world, shop)
    item = await world.advise(*everything(shop))
    told = await world.apply(item)
    assert told == [
        "written down what there is now",
        f"created Role {shop}/web-least",
        f"created RoleBinding {shop}/web-least",
        f"deleted RoleBinding {shop}/web",
        f"deleted RoleBinding {shop}/old",
        f"created RoleBinding {shop}/old",
        f"applied Role {shop}/logs",
        f"applied Deployment {shop}/web",
    ]
    item = await world.look(item.metadata.name)
    assert item.state is AdviceState.APPLIED
    assert item.status.application.phase is ApplicationPhase.APPLIED
    after = await snapshot(world, shop)
    assert "RoleBinding web" not in after
    assert after["RoleBinding old"]["roleRef"]["name"] == "web-least"
    assert after["Role logs"]["rules"][0]["verbs"] == ["get"]
    assert after["Role logs"]["metadata"]["labels"] == {"made-by": "people"}
    [log, app] = after["Deployment web"]["spec"]["template"]["spec"]["containers"]
    assert log["name"] == "log"
    assert app["resources"] == {"requests": {"cpu": "100m", "memory": "4Gi"}, "limits": {"memory": "8Gi"}}
    with pytest.raises(ApplyError, match=f"you applied {item.metadata.name} at"):
        await world.apply(item)

    await world.revert(item.metadata.name)
    assert await snapshot(world, shop) == before
    item = await world.look(item.metadata.name)
    assert item.state is AdviceState.OPEN
    assert item.status.application.phase is ApplicationPhase.REVERTED
    with pytest.raises(ApplyError, match="nothing to undo"):
        await world.revert(item.metadata.name)


MOMENTS = range(1, 9)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_killed_at_any_moment_of_applying_it_is_taken_back_or_finished(
    world: World, moment: int
) -> None:
    shop = await new_shop(world)
    before = await snapshot(world, shop)
    item = await world.advise(*everything(shop))
    with pytest.raises(Killed):
        await world.apply(item, kill_at=moment)
    name = item.metadata.name
    assert (await world.look(name)).status.application.phase is ApplicationPhase.APPLYING
    await world.revert(name)
    assert await snapshot(world, shop) == before

    item = await world.look(name)
    with pytest.raises(Killed):
        await world.apply(item, kill_at=moment)
    await world.apply(await world.look(name))
    assert (await world.look(name)).state is AdviceState.APPLIED
    done = await snapshot(world, shop)
    assert "RoleBinding web" not in done
    assert done["Role logs"]["rules"][0]["verbs"] == ["get"]
    await world.revert(name)
    assert await snapshot(world, shop) == before


@pytest.mark.parametrize("moment", MOMENTS)
async def test_killed_at_any_moment_of_taking_it_back_it_is_taken_back_in_the_end(
    world: World, moment: int
) -> None:
    shop = await new_shop(world)
    before = await snapshot(world, shop)
    item = await world.advise(*everything(shop))
    await world.apply(item)
    name = item.metadata.name
    with pytest.raises(Killed):
        await world.revert(name, kill_at=moment)
    item = await world.look(name)
    assert item.status.application.phase is ApplicationPhase.REVERTING
    with pytest.raises(ApplyError, match="is being undone"):
        await world.apply(item)
    await world.revert(name)
    assert await snapshot(world, shop) == before


async def test_what_has_changed_since_is_refused_and_nothing_is_done(world: World, shop: str) -> None:
    item = await world.advise(*everything(shop))
    await put(world.who.inside, ROLE, role(shop, "logs", "get", "list", "watch"))
    before = await snapshot(world, shop)
    with pytest.raises(ApplyError, match=r"(?s)Role \S+/logs has changed since.*\+  - watch"):
        await world.apply(item)
    assert await snapshot(world, shop) == before
    assert (await world.look(item.metadata.name)).status.application is None


async def test_what_the_api_server_would_refuse_is_refused_before_anything_is_done(
    world: World, shop: str
) -> None:
    bad = {**head("Role", "logs", shop), "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": []}]}
    item = await world.advise(
        Change(Action.DELETE, head("RoleBinding", "web", shop), binding(shop, "web")),
        Change(Action.APPLY, bad),
    )
    before = await snapshot(world, shop)
    with pytest.raises(ApiError, match="verbs"):
        await world.apply(item)
    assert await snapshot(world, shop) == before
    assert (await world.look(item.metadata.name)).status.application is None


async def test_a_person_without_the_right_changes_nothing(world: World, shop: str) -> None:
    item = await world.advise(*everything(shop))
    before = await snapshot(world, shop)
    async with entered(world.user.as_user("eve")) as inside:
        eve = replace(world.who, name="eve", inside=inside)
        with pytest.raises(ApiError, match="eve"):
            await world.apply(item, who=eve)
    assert await snapshot(world, shop) == before


async def test_an_admin_of_a_namespace_follows_advice_that_binds_a_role_that_is_new(
    world: World, shop: str
) -> None:
    """Nobody may give what they do not have: the binding is only judged when its role is there."""
    rights = {
        **head("RoleBinding", "ann", shop),
        "roleRef": {"apiGroup": _GROUP, "kind": "Role", "name": "ann"},
        "subjects": [{"apiGroup": _GROUP, "kind": "User", "name": "ann"}],
    }
    rules = [
        {"apiGroups": [_GROUP], "resources": ["roles", "rolebindings"], "verbs": ["*"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "delete"]},
    ]
    await put(world.who.inside, ROLE, {**head("Role", "ann", shop), "rules": rules})
    await put(world.who.inside, ROLE_BINDING, rights)
    before = await snapshot(world, shop)
    item = await world.advise(*everything(shop)[:3])
    async with entered(world.user.as_user("ann")) as inside:
        ann = replace(world.who, name="ann", inside=inside)
        await world.apply(item, who=ann)
        item = await world.look(item.metadata.name)
        assert item.status.application.by == "ann"
        await undo(ann, item, now=NOW, progress=lambda _: None)
    assert await snapshot(world, shop) == before


async def test_of_two_people_at_once_one_is_first(world: World, shop: str) -> None:
    item = await world.advise(*everything(shop))
    await world.apply(item)
    prepared = await prepare(world.who, item, [change_of(each) for each in item.spec.change])
    with pytest.raises(ContestedError, match="somebody else has decided"):
        await follow(world.who, item, prepared, now=NOW, progress=lambda _: None)


async def test_the_advisor_that_looks_again_meanwhile_disturbs_nothing(world: World, shop: str) -> None:
    item = await world.advise(*everything(shop))
    prepared = await prepare(world.who, item, [change_of(each) for each in item.spec.change])
    looked: list[asyncio.Task[Any]] = []

    def look(what: str) -> None:
        looked.append(
            asyncio.create_task(
                keep(
                    world.who.management,
                    project_namespace=world.namespace,
                    cluster="web",
                    advice=advice(time=NOW),
                    now=NOW + timedelta(hours=len(looked)),
                )
            )
        )

    await follow(world.who, item, prepared, now=NOW, progress=look)
    await asyncio.gather(*looked)
    found = await world.look(item.metadata.name)
    assert found.status.application.phase is ApplicationPhase.APPLIED
    assert found.state in {AdviceState.APPLIED, AdviceState.RESOLVED}


async def test_what_others_have_changed_since_stays_and_what_is_ours_goes_back(
    world: World, shop: str
) -> None:
    item = await world.advise(everything(shop)[5])
    await world.apply(item)
    patch = {"spec": {"replicas": 7}, "metadata": {"annotations": {"theirs": "yes"}}}
    await merge_patch(world.who.inside, DEPLOYMENT, "web", shop, patch, field_manager="kubectl")
    await world.revert(item.metadata.name)
    found = await get(world.who.inside, DEPLOYMENT, "web", shop)
    assert found["spec"]["replicas"] == 7
    assert found["metadata"]["annotations"]["theirs"] == "yes"
    app = found["spec"]["template"]["spec"]["containers"][1]
    assert app["resources"] == {"requests": {"cpu": "2", "memory": "4Gi"}}


async def test_an_object_that_controllers_write_all_the_time_is_changed_all_the_same(
    world: World, shop: str
) -> None:
    before = await snapshot(world, shop)
    stop = asyncio.Event()

    async def controller() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            patch = {"status": {"observedGeneration": number}}
            await merge_patch(
                world.who.inside, DEPLOYMENT, "web", shop, patch, field_manager="controller", status=True
            )
            await asyncio.sleep(0.01)

    busy = [asyncio.create_task(controller())]
    try:
        item = await world.advise(*everything(shop))
        await world.apply(item)
        await world.revert(item.metadata.name)
    finally:
        stop.set()
        await asyncio.gather(*busy)
    after = await snapshot(world, shop)
    for each in (before, after):
        each["Deployment web"].pop("status", None)
    assert after == before


async def test_what_others_did_between_an_interruption_and_its_end_is_theirs(world: World, shop: str) -> None:
    item = await world.advise(*everything(shop))
    with pytest.raises(Killed):
        await world.apply(item, kill_at=3)
    patch = {"spec": {"replicas": 7}}
    await merge_patch(world.who.inside, DEPLOYMENT, "web", shop, patch, field_manager="kubectl")
    await world.apply(await world.look(item.metadata.name))
    await world.revert(item.metadata.name)
    found = await get(world.who.inside, DEPLOYMENT, "web", shop)
    assert found["spec"]["replicas"] == 7


async def test_what_somebody_puts_back_at_once_is_given_up_with_a_word(
    world: World, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = await world.advise(everything(shop)[4])
    real = act.apply

    async def put_back(*arguments: Any, **more: Any) -> Any:
        found = await real(*arguments, **more)
        if not more.get("dry_run"):
            await put(world.who.inside, ROLE, role(shop, "logs", "get", "list"))
        return found

    monkeypatch.setattr(act, "apply", put_back)
    with pytest.raises(ApplyError, match="does not stay as it is written"):
        await world.apply(item)


async def test_an_advice_of_the_permissions_advisor_is_resolved_by_applying_it(
    world: World, shop: str
) -> None:
    """The whole way: what a cluster grants, what is advised, what is applied, what is granted then."""
    before = await snapshot(world, shop)

    async def look(now: datetime) -> Kept:
        objects = [
            {"apiVersion": f"{_GROUP}/v1", "kind": kind.kind, **plain(obj)}
            for kind in (ROLE, ROLE_BINDING)
            for obj in await list_objects(world.who.inside, kind, shop)
        ]
        for obj in objects:  # those that are younger than the window are left alone
            obj["metadata"]["creationTimestamp"] = "2020-01-01T00:00:00Z"
        granted = parse([(obj, Place()) for obj in objects], origin="the cluster")
        found = plan(usage, granted, Wanted(), now=now)
        return await keep(
            world.who.management,
            project_namespace=world.namespace,
            cluster="web",
            advice=found,
            now=now,
        )

    who = Who(f"system:serviceaccount:{shop}:web", ())
    used = {(who, Request("get", resource="pods", namespace=shop, name="a"), Outcome.DONE): Seen(
        9, f"{NOW - timedelta(days=29):%Y-%m-%dT%H:%M:%S}", f"{NOW:%Y-%m-%dT%H:%M:%S}")}  # fmt: skip
    days = frozenset(f"{NOW - timedelta(days=day):%Y-%m-%d}" for day in range(30))
    usage = Usage(seen=used, tally=Tally(9), days=days)
    assert (await look(NOW)).created > 0
    applied = []
    for obj in await list_objects(world.who.management, ADVICE, world.namespace):
        item = await world.look(obj["metadata"]["name"])
        if item.spec.change and item.state is AdviceState.OPEN:
            await world.apply(item)
            applied.append(item.metadata.name)
    assert applied
    after = await snapshot(world, shop)
    verbs = {verb for rule in after["Role web"]["rules"] for verb in rule["verbs"]}
    assert verbs == {"get", "list"}, "delete was not used; list nobody used, so the log may leave it out"
    kept = await look(NOW + timedelta(hours=1))
    assert kept.created == kept.reopened == 0
    for name in applied:
        assert (await world.look(name)).state is AdviceState.RESOLVED
        await world.revert(name)
    assert await snapshot(world, shop) == before


async def test_what_others_have_made_of_our_change_is_not_overwritten(world: World, shop: str) -> None:
    item = await world.advise(*everything(shop))
    await world.apply(item)
    await put(world.who.inside, ROLE, role(shop, "logs", "get", "watch"))
    before = await snapshot(world, shop)
    with pytest.raises(ApplyError, match="somebody else has changed Role"):
        await world.revert(item.metadata.name)
    assert await snapshot(world, shop) == before, "not even a part of it is undone"
    assert (await world.look(item.metadata.name)).state is AdviceState.APPLIED


async def test_what_was_put_back_by_somebody_and_is_applied_again_is_taken_back_to_the_beginning(
    world: World, shop: str
) -> None:
    before = await snapshot(world, shop)
    item = await world.advise(*everything(shop)[:3])
    await world.apply(item)
    await put(world.who.inside, ROLE_BINDING, binding(shop, "web"))
    found = finding(item.spec.subject, change=everything(shop)[:3])
    later = NOW + timedelta(hours=1)
    await keep(
        world.who.management,
        project_namespace=world.namespace,
        cluster="web",
        advice=advice(found),
        now=later,
    )
    item = await world.look(item.metadata.name)
    assert item.state is AdviceState.OPEN
    await world.apply(item)
    await world.revert(item.metadata.name)
    assert await snapshot(world, shop) == before


async def test_whoever_else_writes_the_same_fields_is_named(world: World, shop: str) -> None:
    item = await world.advise(everything(shop)[4])
    prepared = await prepare(world.who, item, [change_of(each) for each in item.spec.change])
    [note] = prepared.notes
    assert note.startswith(f"Role {shop}/logs: kubectl also writes these fields; change its source, too")


class TestWatching:
    async def ready(self, world: World, shop: str, ready: int) -> None:
        obj = await get(world.who.inside, DEPLOYMENT, "web", shop)
        status = {
            "observedGeneration": obj["metadata"]["generation"],
            "replicas": 2,
            "updatedReplicas": 2,
            "readyReplicas": ready,
        }
        await merge_patch(
            world.who.inside, DEPLOYMENT, "web", shop, {"status": status}, field_manager="t", status=True
        )

    async def test_the_workloads_of_a_service_account_are_watched(self, world: World, shop: str) -> None:
        await self.ready(world, shop, 2)
        before = await concerned(world.who.inside, [], f"ServiceAccount {shop}/web")
        assert [str(workload) for workload in before] == [f"Deployment {shop}/web"]
        assert await concerned(world.who.inside, [], f"ServiceAccount {shop}/other") == {}
        assert await worse(world.who.inside, before, seconds=0.5) == ()
        await self.ready(world, shop, 1)
        [told] = await worse(world.who.inside, before, seconds=0.5)
        assert told == f"Deployment {shop}/web: 1 of 2 pods are ready; before, 2 were"
        await delete(world.who.inside, DEPLOYMENT, "web", shop)
        [told] = await worse(world.who.inside, before, seconds=0.5)
        assert told == f"Deployment {shop}/web is gone"

    async def test_what_was_no_better_before_is_not_worse(self, world: World, shop: str) -> None:
        await self.ready(world, shop, 0)
        before = await concerned(world.who.inside, [], f"ServiceAccount {shop}/web")
        assert await worse(world.who.inside, before, seconds=0.5) == ()


@pytest.fixture
async def moorage(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Any]:
    """`await moorage("list", ...)`: `moorage advice`, as the platform team."""
    path = world.management.root / f"kubeconfig-{world.management.port}"
    monkeypatch.setenv("MOORAGE_KUBECONFIG", str(path))
    monkeypatch.setenv("MOORAGE_PROJECT", world.project)
    config = base64.b64encode(yaml.safe_dump(embedded(world.user)).encode()).decode()
    secret = {"metadata": {"name": "web-kubeconfig", "namespace": world.namespace}, "data": {"value": config}}
    await create(world.who.management, SECRET, secret, field_manager="test")

    async def run(*words: str, code: int = 0) -> str:
        capsys.readouterr()
        ended = await asyncio.to_thread(main, ["advice", *words])
        out, err = capsys.readouterr()
        assert ended == code, f"{words} ended with {ended}:\n{out}\n{err}"
        return out + err

    return run


def embedded(server: PeopledApiServer) -> dict[str, Any]:
    """An administrator's kubeconfig with everything in it."""
    config: dict[str, Any] = yaml.safe_load(yaml.safe_dump(server.config(server.port)))
    for part in (config["clusters"][0]["cluster"], config["users"][0]["user"]):
        for key in ("certificate-authority", "client-certificate", "client-key"):
            if path := part.pop(key, None):
                content = Path(server.root, path).read_bytes()
                part[f"{key}-data"] = base64.b64encode(content).decode()
    return config


async def test_the_command_line_from_end_to_end(
    world: World, shop: str, moorage: Callable[..., Any], tmp_path: Path
) -> None:
    before = await snapshot(world, shop)
    item = await world.advise(*everything(shop))
    name = item.metadata.name
    short = name.removeprefix("web-")[:6]

    listed = await moorage("list")
    assert name in listed
    assert "unused-binding" in listed
    assert json.loads(await moorage("list", "-o", "json"))["items"][0]["metadata"]["name"] == name
    assert yaml.safe_load(await moorage("list", "-o", "yaml"))["items"][0]["spec"]["severity"] == "high"
    assert (await moorage("list", "-o", "name")).strip() == f"advice.advice.moorage.dev/{name}"
    sarif = json.loads(await moorage("list", "-o", "sarif"))
    [result] = sarif["runs"][0]["results"]
    assert result["partialFingerprints"] == {"moorageAdvice/v1": name.removeprefix("web-")}
    for words in (["--severity", "critical"], ["--advisor", "apis"], ["--state", "applied"]):
        assert "there is no such advice" in await moorage("list", *words)
    assert name in await moorage("list", "--severity", "medium", "--cluster", "web", "--state", "open")

    shown = await moorage("show", short)
    assert f"delete RoleBinding {shop}/web" in shown
    assert "found, high" in shown
    assert "-  name: web" in await moorage("diff", short, "--recorded")
    diff = await moorage("diff", short, "--admin")
    assert "+++ /dev/null" in diff
    assert "there is no advice nothing" in await moorage("show", "nothing", code=2)

    tried = await moorage("apply", short, "--admin", "--dry-run")
    assert tried.startswith(diff)
    assert f"note: Role {shop}/logs: kubectl also writes these fields" in tried
    assert await snapshot(world, shop) == before
    assert "nobody can be asked" in await moorage("apply", short, "--admin", code=2)
    assert await snapshot(world, shop) == before
    done = await moorage("apply", short, "--admin", "--yes", "--watch", "0s")
    assert f"{name} is applied" in done
    assert name in await moorage("list", "--state", "applied")
    again = await moorage("apply", short, "--admin", "--yes", code=2)
    assert f"you applied {name} at" in again
    refused = await moorage("dismiss", short, "--reason", "We know of it.", code=2)
    assert f"take it back first: `moorage advice revert {world.project}/{name}`" in refused
    assert f"{name} is taken back" in await moorage("revert", short, "--admin", "--yes")
    assert await snapshot(world, shop) == before


async def test_what_is_taken_back_is_as_old_as_it_was_however_often(world: World, shop: str) -> None:
    def age(obj: Any) -> str:
        return str(obj["metadata"]["creationTimestamp"])

    async def now() -> tuple[Any, str]:
        live = plain(await get(world.who.inside, ROLE_BINDING, "web", shop))
        live = {"apiVersion": ROLE_BINDING.api_version, "kind": ROLE_BINDING.kind, **live}
        before = await read_restored(world.who.management, world.namespace, "web")
        return live, age(with_age([live], before)[0])

    item = await world.advise(*everything(shop)[2:3])
    original, seen = await now()
    assert seen == age(original)
    for _ in range(2):
        await asyncio.sleep(1)  # the API server counts in seconds
        await world.apply(await world.look(item.metadata.name))
        await world.revert(item.metadata.name)
        live, seen = await now()
        assert seen == age(original) < age(live)


async def test_a_cluster_that_there_is_not_is_named_and_the_project_where_there_are_several(
    world: World, shop: str, moorage: Callable[..., Any]
) -> None:
    await world.advise(*everything(shop)[:1])
    where = f"there is no cluster {world.project}/other"
    assert where in await moorage("list", "--cluster", "other", code=2)
    assert "there is no cluster other in any project" in await moorage(
        "list", "-A", "--cluster", "other", code=2
    )
    head, line = (await moorage("list", "-A", "--cluster", "web")).splitlines()[0], f"{world.project}   "
    assert head.split()[:2] == ["PROJECT", "NAME"]
    assert [each for each in (await moorage("list", "-A")).splitlines() if each.startswith(line)]


async def test_what_is_dismissed_is_followed_by_nobody_before_it_is_open_again(
    world: World, shop: str, moorage: Callable[..., Any]
) -> None:
    before = await snapshot(world, shop)
    item = await world.advise(*everything(shop))
    name = item.metadata.name
    short = name.removeprefix("web-")[:6]
    assert "says too little" in await moorage("dismiss", short, "--reason", "no", code=2)
    assert "is over already" in await moorage(
        "dismiss", short, "--reason", "We know of it.", "--until", "2020-01-01", code=2
    )
    assert "is dismissed until" in await moorage(
        "dismiss", short, "--reason", "We know of it.", "--until", "30d"
    )
    assert (await world.look(name)).status.dismissal.by == "admin"
    assert name in await moorage("list", "--state", "dismissed")
    refused = await moorage("apply", short, "--admin", "--yes", code=2)
    assert f"{name} was dismissed by you until " in refused
    assert " UTC: We know of it." in refused
    assert f"`moorage advice reopen {world.project}/{name}`" in refused
    assert await snapshot(world, shop) == before
    assert "is open again" in await moorage("reopen", short)
    assert "is open, not dismissed" in await moorage("reopen", short, code=2)
    history = await moorage("show", short)
    assert "admin: dismissed until" in history


async def test_what_is_applied_is_found_and_taken_back_also_when_it_is_resolved(
    world: World, shop: str, moorage: Callable[..., Any]
) -> None:
    before = await snapshot(world, shop)
    item = await world.advise(everything(shop)[4])
    name = item.metadata.name
    told = await moorage("apply", name, "--admin", "--dry-run")
    assert "nothing to watch" not in told
    with pytest.raises(Killed):
        await world.apply(item, kill_at=1)
    assert "was begun before, and would be finished now" in await moorage(
        "apply", name, "--admin", "--dry-run"
    )
    assert (await world.look(name)).status.application.phase is ApplicationPhase.APPLYING
    assert "1 object of cluster web is changed, and nobody" in await moorage("apply", name, "--admin", code=2)
    told = await moorage("apply", name, "--admin", "--yes")
    assert "was begun before, and is finished now" in told
    assert "nothing to watch: no workload is concerned" in told

    gone = replace(advice(), findings=())
    await keep(world.who.management, project_namespace=world.namespace, cluster="web", advice=gone, now=NOW)
    assert (await world.look(name)).state is AdviceState.RESOLVED
    assert "there is no" in await moorage("list")
    assert "resolved, applied" in await moorage("list", "--state", "applied")
    assert f"you applied {name} at" in await moorage("apply", name, "--admin", "--yes", code=2)
    assert "there is nothing to dismiss" in await moorage(
        "dismiss", name, "--reason", "We know of it.", code=2
    )
    assert "is resolved, not dismissed" in await moorage("reopen", name, code=2)
    await moorage("revert", name, "--admin", "--yes")
    assert await snapshot(world, shop) == before
    assert "there is no such advice" in await moorage("list", "--state", "applied")


async def test_what_the_same_change_resolves_is_named(
    world: World, shop: str, moorage: Callable[..., Any]
) -> None:
    change = everything(shop)[2:3]
    found = [finding(f"ServiceAccount {shop}/web", change=change, code=code) for code in ("one", "two")]
    other = finding(f"ServiceAccount {shop}/web", change=everything(shop)[4:5], code="three")
    await keep(
        world.who.management,
        project_namespace=world.namespace,
        cluster="web",
        advice=advice(*found, other),
        now=NOW,
    )
    first, second, third = (name_of(each, "web") for each in (*found, other))
    assert f"The same change resolves {second}, too." in await moorage("show", first)
    assert "The same change" not in await moorage("show", third)


async def test_a_workload_that_is_worse_off_has_it_taken_back_when_asked(
    world: World, shop: str, moorage: Callable[..., Any]
) -> None:
    await TestWatching().ready(world, shop, 2)
    before = await snapshot(world, shop)
    item = await world.advise(everything(shop)[5])
    name = item.metadata.name
    told = await moorage("apply", name, "--admin", "--yes", "--watch", "1s", "--revert-if-worse", code=1)
    assert "its controller is not done with the change" in told, "nobody rolls it out here"
    assert f"{name} is taken back" in told
    after = await snapshot(world, shop)
    for each in (before, after):
        each["Deployment web"].pop("status", None)
    assert after == before
