"""What a lease's times must be for one leader at a time to be sure."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from moorage.kube.lease import LeaseTimes, lead


def test_the_times_are_those_of_client_go() -> None:
    assert LeaseTimes() == LeaseTimes(15.0, 10.0, 2.0)


@pytest.mark.parametrize("times", [(10.0, 10.0, 2.0), (15.0, 2.0, 2.0), (15.0, 10.0, 0.0)])
def test_times_that_would_let_two_lead_or_none_are_refused(times: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="must outlast"):
        LeaseTimes(*times)


async def test_an_answer_that_is_no_status_does_not_end_a_lease_holder() -> None:
    """The lease is tried again: that a load balancer has nobody behind it says nothing about who leads."""

    class Client:
        calls = 0

        async def get(self, *_: Any, **__: Any) -> Any:
            Client.calls += 1
            request = httpx2.Request("GET", "https://127.0.0.1/api")
            response = httpx2.Response(502, request=request, text="<h1>Bad Gateway</h1>")
            raise httpx2.HTTPStatusError("bad", request=request, response=response)

    async def work() -> None:
        raise AssertionError("nobody leads without the lease")

    times = LeaseTimes(duration_seconds=0.3, renew_deadline_seconds=0.2, retry_period_seconds=0.01)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await lead(Client(), "l", "n", "me", run=work, times=times)  # type: ignore[arg-type]
    assert Client.calls > 1
