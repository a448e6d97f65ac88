"""Posting Events: counted where they repeat, and never in the way."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from lightkube.core.exceptions import ApiError
from lightkube.models.meta_v1 import Status

from moorage.kube.events import NOTE_MAX, EventPoster, Occurrence

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
WEB = {
    "apiVersion": "moorage.dev/v1alpha1",
    "kind": "KubernetesCluster",
    "metadata": {"name": "web", "namespace": "project-shop", "uid": "u1"},
}
READY = Occurrence("Ready", "the cluster is ready")


class Api:
    """An API server that stores Events."""

    def __init__(self) -> None:
        self.stored: dict[str, dict[str, Any]] = {}
        self.error: Exception | None = None

    async def create(self, obj: Any, **_: Any) -> Any:
        if self.error:
            raise self.error
        name = obj["metadata"]["name"]
        if name in self.stored:
            raise ApiError(status=Status(code=409, reason="AlreadyExists", message="x"))
        self.stored[name] = {**obj, "metadata": {**obj["metadata"], "resourceVersion": "1"}}
        return self.stored[name]

    async def patch(self, _resource: Any, name: str, patch: dict[str, Any], **_: Any) -> Any:
        assert set(patch) <= {"metadata", "series"}, "nothing else of an Event may change"
        series = patch.get("series")
        assert series is None or patch["metadata"] == {"resourceVersion": "1"}
        self.stored[name] |= {"series": series} if series else {}
        return self.stored[name]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def poster(api: Api, clock: Clock) -> EventPoster:
    return EventPoster(api, "moorage.dev/clusters", now=lambda: NOW, clock=clock)  # type: ignore[arg-type]


async def test_an_event_has_all_that_the_api_server_asks_for(api: Api, poster: EventPoster) -> None:
    await poster.post(WEB, [Occurrence("Unavailable", "it does not answer", warning=True)])
    [event] = api.stored.values()
    assert event["regarding"] == {
        "apiVersion": "moorage.dev/v1alpha1",
        "kind": "KubernetesCluster",
        "namespace": "project-shop",
        "name": "web",
        "uid": "u1",
    }
    assert event["metadata"]["namespace"] == "project-shop"
    assert (event["type"], event["reason"], event["note"]) == ("Warning", "Unavailable", "it does not answer")
    assert event["eventTime"] == "2026-11-24T12:00:00.000000Z"
    assert event["reportingController"] == "moorage.dev/clusters"
    assert event["reportingInstance"]
    assert event["action"]
    assert "series" not in event


async def test_what_happens_again_is_counted_and_not_told_anew(api: Api, poster: EventPoster) -> None:
    for _ in range(3):
        await poster.post(WEB, [READY])
    await poster.post(WEB, [Occurrence("Ready", "in other words")])
    first, other = api.stored.values()
    assert first["series"] == {"count": 3, "lastObservedTime": "2026-11-24T12:00:00.000000Z"}
    assert "series" not in other


async def test_the_count_goes_on_when_another_operator_does(api: Api, poster: EventPoster) -> None:
    await poster.post(WEB, [READY])
    await EventPoster(api, "moorage.dev/clusters", now=lambda: NOW).post(WEB, [READY])  # type: ignore[arg-type]
    [event] = api.stored.values()
    assert event["series"]["count"] == 2


async def test_a_cluster_of_the_same_name_that_was_made_anew_has_events_of_its_own(
    api: Api, poster: EventPoster
) -> None:
    await poster.post(WEB, [READY])
    await poster.post({**WEB, "metadata": {**WEB["metadata"], "uid": "u2"}}, [READY])  # type: ignore[dict-item]
    assert len(api.stored) == 2


async def test_an_object_to_which_too_much_happens_falls_silent_for_a_while(
    api: Api, poster: EventPoster, clock: Clock
) -> None:
    await poster.post(WEB, [Occurrence("Flaps", f"time {number}") for number in range(100)])
    assert len(api.stored) == 25
    other = {**WEB, "metadata": {**WEB["metadata"], "uid": "u2"}}  # type: ignore[dict-item]
    await poster.post(other, [READY])
    assert len(api.stored) == 26, "another one is not concerned"
    clock.now += 60
    await poster.post(WEB, [Occurrence("Flaps", "a"), Occurrence("Flaps", "b")])
    assert len(api.stored) == 27


async def test_a_long_note_is_cut_to_what_the_api_server_takes(api: Api, poster: EventPoster) -> None:
    await poster.post(WEB, [Occurrence("Long", "ö" * NOTE_MAX)])
    [event] = api.stored.values()
    assert len(event["note"].encode()) <= NOTE_MAX
    assert event["note"].endswith("...")


@pytest.mark.parametrize(
    "error",
    [
        httpx2.ConnectError("refused"),
        ApiError(status=Status(code=403, reason="Forbidden", message="no")),
        TimeoutError(),
    ],
)
async def test_an_event_that_cannot_be_posted_is_in_nobodys_way(
    api: Api, poster: EventPoster, error: Exception
) -> None:
    api.error = error
    await poster.post(WEB, [READY])
    assert api.stored == {}
