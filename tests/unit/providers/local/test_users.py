"""Clients of user clusters: made once, given up when their kubeconfig has changed."""

from __future__ import annotations

from base64 import b64encode

import httpx2
import pytest
from lightkube.core.exceptions import ApiError

from moorage.kube.cache import Key
from moorage.providers.local import users as module
from moorage.providers.local.users import NoKubeconfigError, UserClusters

WEB = Key("project-shop", "web")


class Client:
    def __init__(self, kubeconfig):
        self.kubeconfig = kubeconfig
        self.closed = False

    async def close(self):
        self.closed = True


@pytest.fixture
def secret(monkeypatch):
    """The content of the Secret ``web-kubeconfig``; ``None`` when it is not there."""
    content = {"value": "first", "read": 0}

    async def get(_client, _kind, name, namespace):
        assert (name, namespace) == ("web-kubeconfig", "project-shop")
        content["read"] += 1
        if content["value"] is None:
            return None
        return {"data": {"value": b64encode(f"server: {content['value']}".encode()).decode()}}

    monkeypatch.setattr(module, "get", get)
    monkeypatch.setattr(module, "connect", lambda config, **_: Client(config["server"]))
    return content


def refused(code):
    response = httpx2.Response(
        code, json={"code": code, "message": "no"}, request=httpx2.Request("GET", "x:")
    )
    return ApiError(response=response)


async def client_of(users, error=None):
    async with users.reach(WEB) as client:
        if error is not None:
            raise error
        return client


async def test_a_client_is_made_once(secret):
    users = UserClusters(None)
    assert await client_of(users) is await client_of(users)
    assert secret["read"] == 1


async def test_without_a_kubeconfig_there_is_no_client(secret):
    secret["value"] = None
    with pytest.raises(NoKubeconfigError, match="project-shop/web: Secret web-kubeconfig is not there"):
        await client_of(UserClusters(None))


@pytest.mark.parametrize("error", [httpx2.ConnectError("refused"), refused(401)])
async def test_a_failure_leads_to_the_new_kubeconfig(secret, error):
    users = UserClusters(None)
    old = await client_of(users)
    secret["value"] = "second"
    assert await client_of(users) is old, "nobody looks while all is well"
    with pytest.raises(type(error)):
        await client_of(users, error)
    assert old.closed
    assert (await client_of(users)).kubeconfig == "second"


@pytest.mark.parametrize("error", [httpx2.ConnectError("refused"), refused(401), refused(404)])
async def test_a_failure_alone_is_no_reason_for_a_new_client(secret, error):
    users = UserClusters(None)
    old = await client_of(users)
    with pytest.raises(type(error)):
        await client_of(users, error)
    assert await client_of(users) is old
    assert not old.closed


async def test_the_client_of_a_cluster_that_is_gone_is_closed(secret):
    users = UserClusters(None)
    old = await client_of(users)
    await users.forget(WEB)
    await users.forget(WEB)
    assert old.closed
    new = await client_of(users)
    await users.close()
    assert new.closed
