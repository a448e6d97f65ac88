"""Findings become objects of a real API server, and people decide about them with their own rights."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lightkube import AsyncClient
from lightkube.core.exceptions import ApiError

from moorage.advisors.advice import Change
from moorage.advisors.evidence import open_store
from moorage.advisors.keeping import Kept, keep, life, reopen_applied, withdraw_outgrown
from moorage.advisors.keeping.write import status_patch
from moorage.advisors.keeping.written import name_of
from moorage.api.advice import AdviceState, Application, ApplicationPhase
from moorage.kube.kinds import ADVICE, KUBERNETES_CLUSTER, ROLE_BINDING
from moorage.kube.objects import apply, create, get, is_status, list_objects, merge_patch
from moorage.reports.findings import Action, Severity

from ..kube.conftest import started
from .advice import PeopledApiServer, advice, entered, finding, head, install, new_project, read

NOW = datetime.now(UTC).replace(microsecond=0)
LATER = timedelta(hours=2)


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[PeopledApiServer]:
    async with started(PeopledApiServer) as server, server.client() as client:
        await install(client)
        yield server


@pytest.fixture
async def client(server: PeopledApiServer) -> AsyncIterator[AsyncClient]:
    async with server.client() as client:
        yield client


@pytest.fixture
async def namespace(client: AsyncClient) -> str:
    return f"project-{await new_project(client)}"


async def kept(client: AsyncClient, namespace: str, *findings: Any, at: datetime = NOW, **more: Any) -> Kept:
    return await keep(
        client,
        project_namespace=namespace,
        cluster="web",
        advice=advice(*findings, time=at),
        now=at,
        **more,
    )


async def test_a_finding_becomes_one_object_however_often_it_is_found(
    client: AsyncClient, namespace: str
) -> None:
    found = finding()
    assert await kept(client, namespace, found) == Kept(created=1)
    assert await kept(client, namespace, found) == Kept(unchanged=1)
    counted = replace(found, evidence={**found.evidence, "requests": 3})
    assert await kept(client, namespace, counted) == Kept(unchanged=1)
    assert await kept(client, namespace, counted, at=NOW + LATER) == Kept(updated=1)

    [item] = await list_objects(client, ADVICE, namespace)
    assert item["metadata"]["name"] == name_of(found, "web")
    assert item["spec"]["evidence"] == {"requests": 3, "window": {"days": 30}}
    assert item["status"]["state"] == "Open"
    cluster = await get(client, KUBERNETES_CLUSTER, "web", namespace)
    assert item["metadata"]["ownerReferences"][0]["uid"] == cluster["metadata"]["uid"]


async def test_what_is_found_no_more_is_resolved_and_opens_again_when_it_returns(
    client: AsyncClient, namespace: str
) -> None:
    found = finding()
    await kept(client, namespace, found)
    assert await kept(client, namespace, at=NOW + LATER) == Kept(resolved=1)
    assert await kept(client, namespace, at=NOW + 2 * LATER) == Kept(unchanged=1)
    assert await kept(client, namespace, found, at=NOW + 3 * LATER) == Kept(reopened=1, updated=0)
    item = await read(client, namespace, name_of(found, "web"))
    assert item.state is AdviceState.OPEN
    assert [each.what for each in item.status.history] == [
        "found, high",
        "resolved: found no more",
        "opened again: it is found again",
    ]
    assert await kept(client, namespace, at=NOW + 4 * LATER) == Kept(resolved=1)
    assert await kept(client, namespace, at=NOW + timedelta(days=40)) == Kept(removed=1)
    assert await list_objects(client, ADVICE, namespace) == []


async def test_a_longer_window_withdraws_what_was_said_of_a_shorter_one_until_it_is_known(
    client: AsyncClient, namespace: str
) -> None:
    def made_with(window: str, subject: str = "User ann") -> Any:
        return finding(subject, evidence={"requests": 0, "window": window})

    async def longer(window: timedelta) -> int:
        return await withdraw_outgrown(
            client,
            project_namespace=namespace,
            cluster="web",
            advisor="permissions",
            window=window,
            now=NOW + LATER,
        )

    short = made_with("14d")
    await kept(client, namespace, short, made_with("30d", "User bob"))
    assert await longer(timedelta(days=14)) == 0
    assert await longer(timedelta(days=30)) == 1
    assert (await read(client, namespace, name_of(short, "web"))).state is AdviceState.RESOLVED
    assert await longer(timedelta(days=30)) == 0
    again = await kept(client, namespace, made_with("30d"), made_with("30d", "User bob"), at=NOW + 2 * LATER)
    assert again == Kept(reopened=1, updated=1, unchanged=1)


async def test_two_runs_at_once_make_one_object_each(client: AsyncClient, namespace: str) -> None:
    found = [finding(f"User {number}") for number in range(8)]
    await asyncio.gather(*(kept(client, namespace, *found) for _ in range(4)))
    assert len(await list_objects(client, ADVICE, namespace)) == len(found)
    assert await kept(client, namespace, *found) == Kept(unchanged=len(found))


async def test_a_decision_that_is_made_meanwhile_is_not_overwritten(
    client: AsyncClient, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = finding()
    await kept(client, namespace, found)
    name = name_of(found, "web")
    real = list_objects

    async def looked_at_before(*arguments: Any, **more: Any) -> Any:
        objects = await real(*arguments, **more)
        item = await read(client, namespace, name)
        after = life.dismissed(item.status, by="ann", reason="We know of it.", until=None, now=NOW)
        await write_status(client, namespace, name, after)
        return objects

    monkeypatch.setattr("moorage.advisors.keeping.write.list_objects", looked_at_before)
    assert await kept(client, namespace, at=NOW + LATER) == Kept(contested=1)
    assert (await read(client, namespace, name)).state is AdviceState.DISMISSED


async def test_advice_of_a_cluster_that_is_gone_is_not_written(client: AsyncClient, namespace: str) -> None:
    gone = await keep(client, project_namespace=namespace, cluster="gone", advice=advice(finding()), now=NOW)
    assert gone == Kept()
    assert await list_objects(client, ADVICE, namespace) == []


async def test_what_is_too_large_is_in_the_store_and_so_is_all_that_became_of_it(
    client: AsyncClient, namespace: str, tmp_path: Path
) -> None:
    rules = [{"verbs": ["get"], "apiGroups": [""], "resources": [f"r{number}" * 40]} for number in range(900)]
    change = Change(Action.APPLY, {**head("Role", "web"), "rules": rules}, {})
    evidence = {"requests": [f"get {number}" for number in range(9000)]}
    found = finding(change=(change,), evidence=evidence)
    store = open_store(tmp_path / "advice.sqlite3")
    await kept(client, namespace, found, store=store)
    item = await read(client, namespace, name_of(found, "web"))
    assert item.spec.change == []
    key = f"{namespace}/{item.spec.stored_change.key}"
    assert json.loads(store.get(key))[0]["object"]["rules"] == rules
    assert json.loads(store.get(f"{namespace}/{item.spec.stored_evidence.key}")) == evidence

    after = life.dismissed(item.status, by="ann", reason="We know of it.", until=None, now=NOW)
    await write_status(client, namespace, item.metadata.name, after)
    await kept(client, namespace, at=NOW + LATER, store=store)
    told = [(each.by, each.what) for each in store.history(f"{namespace}/{item.metadata.name}")]
    assert told == [
        ("moorage:operator", "found, high"),
        ("ann", "dismissed: We know of it."),
        ("moorage:operator", "resolved: found no more"),
    ]
    store.close()


async def test_what_did_harm_is_opened_again_with_what_went_wrong(
    client: AsyncClient, namespace: str
) -> None:
    found, other = finding(), finding("ServiceAccount shop/other")
    await kept(client, namespace, found, other)
    for each in (found, other):
        item = await read(client, namespace, name_of(each, "web"))
        done = Application(phase=ApplicationPhase.APPLIED, by="ann", at=NOW)
        await write_status(client, namespace, item.metadata.name, life.applied(item.status, done, now=NOW))
    await kept(client, namespace, at=NOW + LATER)
    opened = await reopen_applied(
        client,
        project_namespace=namespace,
        cluster="web",
        subject=found.subject,
        why="get secrets in shop was refused",
        now=NOW + LATER,
    )
    assert opened == (name_of(found, "web"),)
    item = await read(client, namespace, opened[0])
    assert item.state is AdviceState.OPEN
    assert item.status.application.harm == "get secrets in shop was refused"
    assert (await read(client, namespace, name_of(other, "web"))).state is AdviceState.RESOLVED
    again = await reopen_applied(
        client, project_namespace=namespace, cluster="web", subject=found.subject, why="x", now=NOW + LATER
    )
    assert again == ()
    assert await kept(client, namespace, at=NOW + 2 * LATER) == Kept(unchanged=2)


async def write_status(client: AsyncClient, namespace: str, name: str, status: Any) -> None:
    patch = {"status": status_patch(status)}
    assert await merge_patch(client, ADVICE, name, namespace, patch, field_manager="test", status=True)


class TestWhoMayDecide:
    """Members have the roles of `members.yaml`, and these alone."""

    @pytest.fixture
    async def item(self, client: AsyncClient, namespace: str) -> str:
        for user, role in (("bob", "editor"), ("bob", "viewer"), ("eve", "viewer")):
            await create(
                client,
                ROLE_BINDING,
                {
                    "metadata": {"name": f"{user}-{role}", "namespace": namespace},
                    "roleRef": {
                        "apiGroup": "rbac.authorization.k8s.io",
                        "kind": "ClusterRole",
                        "name": f"moorage:project-{role}",
                    },
                    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
                },
                field_manager="test",
            )
        found = finding()
        await kept(client, namespace, found)
        return name_of(found, "web")

    @pytest.fixture
    async def bob(self, server: PeopledApiServer) -> AsyncIterator[AsyncClient]:
        async with entered(server.as_user("bob")) as client:
            yield client

    async def refused(self, work: Any) -> str:
        with pytest.raises(ApiError) as caught:
            await work
        assert is_status(caught.value, 403) or is_status(caught.value, 422)
        return str(caught.value.status.message)

    async def test_an_editor_decides_in_their_own_name(
        self, client: AsyncClient, bob: AsyncClient, namespace: str, item: str
    ) -> None:
        found = await read(bob, namespace, item)
        dismissed = life.dismissed(
            found.status, by="bob", reason="We know of it.", until=NOW + 9 * LATER, now=NOW
        )
        await write_status(bob, namespace, item, dismissed)
        assert (await read(client, namespace, item)).status == dismissed
        await write_status(bob, namespace, item, life.reopened(dismissed, by="bob", why="no", now=NOW))
        await kept(client, namespace, at=NOW + LATER)
        assert (await read(client, namespace, item)).state is AdviceState.RESOLVED

    async def test_an_editor_decides_in_nobody_elses_name_and_takes_nothing_away(
        self, bob: AsyncClient, namespace: str, item: str
    ) -> None:
        status = (await read(bob, namespace, item)).status
        reason = "We know of it."
        forged = life.dismissed(status, by="ann", reason=reason, until=None, now=NOW)
        assert "signs it" in await self.refused(write_status(bob, namespace, item, forged))
        done = Application(phase=ApplicationPhase.APPLIED, by="ann", at=NOW)
        forged = life.applied(status, done, now=NOW)
        assert "signs it" in await self.refused(write_status(bob, namespace, item, forged))
        resolved = status.model_copy(update={"state": AdviceState.RESOLVED})
        assert "only the advisor says" in await self.refused(write_status(bob, namespace, item, resolved))
        mine = life.dismissed(status, by="bob", reason=reason, until=None, now=NOW)
        emptied = mine.model_copy(update={"history": mine.history[1:]})
        assert "nothing of it is taken away" in await self.refused(
            write_status(bob, namespace, item, emptied)
        )

    async def test_nobody_but_the_platform_writes_what_was_found(
        self, bob: AsyncClient, server: PeopledApiServer, namespace: str, item: str
    ) -> None:
        patch = {"spec": {"severity": "low"}}
        work = merge_patch(bob, ADVICE, item, namespace, patch, field_manager="test")
        assert 'cannot patch resource "advices"' in await self.refused(work)
        async with entered(server.as_user("eve")) as eve:
            status = (await read(eve, namespace, item)).status
            mine = life.dismissed(status, by="eve", reason="I do not like it.", until=None, now=NOW)
            work = write_status(eve, namespace, item, mine)
            assert 'cannot patch resource "advices/status"' in await self.refused(work)

    @pytest.mark.parametrize(
        ("status", "says"),
        [
            ({"state": "Dismissed"}, "says why"),
            ({"state": "Dismissed", "dismissal": {"by": "x", "at": "2027-03-01T00:00:00Z",
              "reason": "short"}}, "ten"),
            ({"state": "Dismissed", "dismissal": {"by": "x", "at": "2027-03-01T00:00:00Z",
              "reason": "We know of it.", "until": "2027-02-01T00:00:00Z"}}, "until is later"),
            ({"state": "Applied"}, "write an application"),
            ({"state": "Forgotten"}, "supported values"),
        ],
    )  # fmt: skip
    async def test_a_decision_says_what_it_has_to(
        self, client: AsyncClient, namespace: str, item: str, status: dict[str, Any], says: str
    ) -> None:
        work = merge_patch(
            client, ADVICE, item, namespace, {"status": status}, field_manager="test", status=True
        )
        said = await self.refused(work)
        assert says in said or "should be at least 10" in said

    async def test_an_advice_stays_about_what_it_is_about(
        self, client: AsyncClient, namespace: str, item: str
    ) -> None:
        for field in ("advisor", "subject", "code", "cluster"):
            patch = {"spec": {field: "other"}}
            work = merge_patch(client, ADVICE, item, namespace, patch, field_manager="test")
            assert "an advice stays one" in await self.refused(work)
        stored = await get(client, ADVICE, item, namespace)
        other = {"metadata": {"name": "other-1", "namespace": namespace}, "spec": dict(stored["spec"])}
        assert "begins with its cluster's" in await self.refused(
            apply(client, ADVICE, other, field_manager="test")
        )


async def test_severity_is_shown_to_change(client: AsyncClient, namespace: str) -> None:
    found = finding()
    await kept(client, namespace, found)
    await kept(client, namespace, replace(found, severity=Severity.LOW), at=NOW + LATER)
    item = await read(client, namespace, name_of(found, "web"))
    assert (item.spec.severity, item.status.severity_change.was) == ("low", "high")
