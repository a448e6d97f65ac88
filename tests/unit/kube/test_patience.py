"""A request is sent again when, and only when, the server asks for it."""

from __future__ import annotations

import httpx2
import pytest

from moorage.kube import patience
from moorage.kube.patience import MOST_TRIES, PatientTransport

URL = "https://127.0.0.1/api/v1/pods"


class Server:
    """Answers with one after another of the answers given, and with the last for ever."""

    def __init__(self, *answers: httpx2.Response) -> None:
        self.answers = list(answers)
        self.bodies: list[bytes] = []

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.bodies.append(await request.aread())
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=PatientTransport(httpx2.MockTransport(self)))


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(patience.asyncio, "sleep", sleep)
    return waits


def busy(code: int = 429, after: str | None = "1") -> httpx2.Response:
    return httpx2.Response(code, headers={"Retry-After": after} if after is not None else {})


@pytest.mark.parametrize("code", [429, 503])
async def test_what_the_server_asks_for_is_sent_again_with_its_body(code: int, waited: list[float]) -> None:
    server = Server(busy(code), busy(code), httpx2.Response(200, text="done"))
    async with server.client() as http:
        answer = await http.post(URL, content=b"pod")
    assert answer.text == "done"
    assert server.bodies == [b"pod"] * 3
    assert 0 < waited[0] < waited[1] <= 1


@pytest.mark.parametrize(
    "answer", [busy(after=None), busy(after="Wed, 21 Oct 2026 07:28:00 GMT"), busy(500), busy(404), busy(200)]
)
async def test_every_other_answer_is_handed_on_at_once(answer: httpx2.Response, waited: list[float]) -> None:
    server = Server(answer)
    async with server.client() as http:
        assert (await http.get(URL)).status_code == answer.status_code
    assert len(server.bodies) == 1
    assert waited == []


async def test_a_server_that_stays_busy_is_believed_in_the_end(waited: list[float]) -> None:
    server = Server(busy(after="2"))
    async with server.client() as http:
        assert (await http.get(URL)).status_code == 429
    assert len(waited) == MOST_TRIES
    assert len(server.bodies) == MOST_TRIES + 1
    assert max(waited) == 2


async def test_nobody_waits_longer_than_half_a_minute_at_a_time(waited: list[float]) -> None:
    server = Server(busy(after="86400"))
    async with server.client() as http:
        await http.get(URL)
    assert max(waited) == 30
