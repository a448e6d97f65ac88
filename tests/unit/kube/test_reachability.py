"""An API server's silence is said once."""

from __future__ import annotations

import logging

import pytest

from moorage.kube import reachability
from moorage.kube.reachability import Reachability


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(reachability.time, "monotonic", lambda: now[0])
    return now


def test_a_broken_connection_is_nobodys_business(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server = Reachability()
    server.silent("ConnectError")
    clock[0] += 1
    server.silent("ConnectError")
    server.answered()
    assert caplog.messages == []


def test_a_silence_is_said_once_and_so_is_its_end(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server = Reachability()
    for _ in range(10):
        server.silent("ConnectError")
        clock[0] += 6
    server.answered()
    server.answered()
    assert caplog.messages == [
        "the API server does not answer (ConnectError); work goes on when it does",
        "the API server answers again, after 60 s",
    ]
