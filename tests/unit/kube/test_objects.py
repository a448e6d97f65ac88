"""What counts as passing, and for how long it is tried again."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from lightkube.core.exceptions import ApiError
from lightkube.models.meta_v1 import Status

from moorage.kube import objects
from moorage.kube.objects import is_passing, persist


def refused(code: int) -> ApiError:
    """An API server's own answer."""
    return ApiError(status=Status(code=code, message="said so"))


def html(code: int) -> httpx2.HTTPStatusError:
    """What a load balancer, or an API server that has just begun to listen, answers."""
    request = httpx2.Request("GET", "https://127.0.0.1/api")
    response = httpx2.Response(code, request=request, text="<h1>Bad Gateway</h1>")
    return httpx2.HTTPStatusError("bad", request=request, response=response)


class Attempt:
    """Fails with these errors in turn, and then works."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.times = 0

    async def __call__(self) -> str:
        self.times += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


async def trying(attempt: Any) -> str:
    return await persist(attempt, timeout_seconds=10, interval_seconds=0.001)


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (httpx2.ConnectError("refused"), True),
        (refused(503), True),
        (refused(429), True),
        (html(502), True),
        (refused(403), False),
        (refused(404), False),
        (refused(422), False),
    ],
)
def test_what_is_passing(error: Exception, passing: bool) -> None:
    assert is_passing(error) is passing


async def test_what_is_passing_is_tried_again() -> None:
    attempt = Attempt(httpx2.ConnectError("refused"), html(502), refused(503))
    assert await trying(attempt) == "done"
    assert attempt.times == 4


async def test_what_is_not_is_raised_at_once() -> None:
    attempt = Attempt(refused(422))
    with pytest.raises(ApiError):
        await trying(attempt)
    assert attempt.times == 1


async def test_an_api_server_that_reads_its_roles_yet_is_given_time() -> None:
    attempt = Attempt(httpx2.ConnectError("refused"), *[refused(403)] * 20)
    assert await trying(attempt) == "done"


async def test_a_right_that_is_missing_is_told_after_that_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "ROLES_SECONDS", 0.05)
    attempt = Attempt(*[refused(403)] * 10_000)
    with pytest.raises(ApiError):
        await trying(attempt)
    assert 1 < attempt.times < 10_000
