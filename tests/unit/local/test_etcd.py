"""Forgetting what one cluster stored: that, all of that, and nothing else."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.local import etcd
from moorage.local.controlplane import EtcdClient
from moorage.local.pki import Leaf, PkiFolder


@pytest.fixture
def client(tmp_path: Any) -> EtcdClient:
    pki = PkiFolder(tmp_path / "pki")
    pki.leaf("c1", pki.authority("ca", "etcd CA"), Leaf("c1"))
    return EtcdClient("https://127.0.0.1:1", pki, "c1")


@given(
    name=st.from_regex(r"\A[a-z0-9-]{1,20}\Z"),
    other=st.from_regex(r"\A[a-z0-9-]{1,20}\Z"),
    key=st.binary(max_size=9),
)
def test_the_range_is_what_is_below_the_prefix(name: str, other: str, key: bytes) -> None:
    start, end = etcd.range_below(f"/clusters/{name}")
    assert start <= f"/clusters/{name}/".encode() + key < end
    for prefix in (f"/clusters/{name}{other}/", f"/clusters/{other}/" if other != name else "/management/"):
        assert not start <= prefix.encode() + key < end


@pytest.mark.parametrize("prefix", ["", "/", "//"])
def test_everything_at_once_cannot_be_meant(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        etcd.range_below(prefix)


async def test_it_says_how_many_there_were(client: EtcdClient, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(200, json={"header": {}, "deleted": "7"})

    real = httpx2.AsyncClient
    monkeypatch.setattr(etcd.httpx2, "AsyncClient", lambda **_: real(transport=httpx2.MockTransport(answer)))
    assert await etcd.delete_prefix(client, "/clusters/c1/") == 7
    [request] = asked
    assert request.url.path == "/v3/kv/deleterange"
    body = json.loads(request.content)
    assert b64decode(body["key"]) == b"/clusters/c1/"
    assert b64decode(body["range_end"]) == b"/clusters/c10"


async def test_a_refusal_is_an_error(client: EtcdClient, monkeypatch: pytest.MonkeyPatch) -> None:
    real = httpx2.AsyncClient
    refuse = httpx2.MockTransport(lambda _: httpx2.Response(503, json={"error": "no leader"}))
    monkeypatch.setattr(etcd.httpx2, "AsyncClient", lambda **_: real(transport=refuse))
    with pytest.raises(httpx2.HTTPError):
        await etcd.delete_prefix(client, "/clusters/c1")
