"""Logins, as `docker login` and its relatives leave them."""

from __future__ import annotations

import base64
import json

import pytest

from moorage.policies.bundles.credentials import ANONYMOUS, Credentials, Login
from moorage.policies.bundles.errors import RegistryError
from moorage.policies.bundles.reference import Reference

REFERENCE = Reference.parse("registry.example.com:5000/team/policies:1")
HUB = Reference.parse("docker.io/team/policies:1")


def encoded(text):
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def login(tmp_path):
    """`await login(config)`: what a registry would be shown."""

    async def ask(config, reference=REFERENCE, **environ):
        (tmp_path / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
        return await Credentials({"DOCKER_CONFIG": str(tmp_path), **environ}).login(reference)

    return ask


@pytest.fixture
def helper(tmp_path):
    """`helper(script)`: a credential helper that is called "mine"; returns the environment that finds it."""

    def make(script):
        program = tmp_path / "bin" / "docker-credential-mine"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return {"PATH": f"{program.parent}:/usr/bin:/bin", "OUT": str(tmp_path / "asked")}

    return make


@pytest.mark.parametrize(
    "key",
    [
        "registry.example.com:5000",
        "https://registry.example.com:5000",
        "https://registry.example.com:5000/v2/",
    ],
)
async def test_a_login_in_the_file_is_used(login, key):
    found = await login({"auths": {key: {"auth": encoded("ann:pass:word")}}})
    assert found == Login("ann", "pass:word")


async def test_a_login_for_another_registry_is_not(login):
    auths = {
        "registry.example.com": {"auth": encoded("ann:secret")},
        "example.com:5000": {"auth": encoded("b:c")},
    }
    assert await login({"auths": auths}) is ANONYMOUS


async def test_a_login_for_the_repository_goes_before_that_for_the_registry(login):
    auths = {
        "registry.example.com:5000": {"auth": encoded("all:1")},
        "registry.example.com:5000/team": {"auth": encoded("team:2")},
        "registry.example.com:5000/te": {"auth": encoded("other:3")},
    }
    assert await login({"auths": auths}) == Login("team", "2")


async def test_docker_hub_is_found_under_its_old_address(login):
    auths = {"https://index.docker.io/v1/": {"auth": encoded("ann:secret")}}
    assert await login({"auths": auths}, HUB) == Login("ann", "secret")


async def test_a_refresh_token_is_used(login):
    entry = {"auth": encoded("ann:"), "identitytoken": "refresh"}
    found = await login({"auths": {"registry.example.com:5000": entry}})
    assert found.refresh_token == "refresh"


@pytest.mark.parametrize(
    "config", [{"credHelpers": {"registry.example.com:5000": "mine"}}, {"credsStore": "mine"}]
)
async def test_a_helper_is_asked(login, helper, config, tmp_path):
    environ = helper("""[ "$1" = get ] && cat > "$OUT" && echo '{"Username": "ann", "Secret": "s3cret"}'""")
    assert await login({**config, "auths": {"registry.example.com:5000": {}}}, **environ) == Login(
        "ann", "s3cret"
    )
    assert (tmp_path / "asked").read_text() == "registry.example.com:5000"


async def test_a_helper_that_gives_a_token_is_understood(login, helper):
    environ = helper("""echo '{"Username": "<token>", "Secret": "refresh"}'""")
    assert await login({"credsStore": "mine"}, **environ) == Login(refresh_token="refresh")


async def test_a_helper_that_has_nothing_is_no_error(login, helper):
    environ = helper("echo credentials not found in native keychain; exit 1")
    assert await login({"credsStore": "mine"}, **environ) is ANONYMOUS


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo the keychain is locked >&2; exit 3", "the keychain is locked"),
        ("exit 3", "exit code 3"),
        ("echo s3cret", "not a login"),
        ("echo '[]'", "not a login"),
    ],
)
async def test_a_helper_that_fails_is_named_and_no_secret_is_told(login, helper, script, words):
    with pytest.raises(RegistryError, match=words) as error:
        await login({"credsStore": "mine"}, **helper(script))
    assert "docker-credential-mine" in error.value.message
    assert "s3cret" not in str(error.value)


async def test_a_helper_that_is_not_installed_is_named(login):
    with pytest.raises(RegistryError, match="docker-credential-nowhere"):
        await login({"credsStore": "nowhere"}, PATH="/nonexistent")


async def test_a_helper_that_is_a_path_is_not_run(login):
    with pytest.raises(RegistryError, match="no name of a program"):
        await login({"credsStore": "../../tmp/evil"})


@pytest.mark.parametrize("config", ["{", "[]", {"auths": {"registry.example.com:5000": {"auth": "%%"}}}])
async def test_a_file_that_cannot_be_read_is_an_error(login, config):
    with pytest.raises(RegistryError, match=r"config\.json") as error:
        await login(config)
    assert error.value.hint


@pytest.mark.parametrize(
    "config", ["{}", {"auths": None}, {"auths": []}, {"auths": {"registry.example.com:5000": "x"}}]
)
async def test_a_file_without_a_login_is_no_error(login, config):
    assert await login(config) is ANONYMOUS


async def test_podmans_file_is_read_before_dockers(tmp_path):
    for path, user in ((".docker/config.json", "docker"), ("run/containers/auth.json", "podman")):
        file = tmp_path / path
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps({"auths": {"registry.example.com:5000": {"auth": encoded(f"{user}:x")}}}))
    environ = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    assert (await Credentials(environ).login(REFERENCE)).username == "podman"
    (tmp_path / "run/containers/auth.json").unlink()
    assert (await Credentials(environ).login(REFERENCE)).username == "docker"


def test_a_login_is_not_in_its_repr():
    assert "s3cret" not in repr(Login("ann", "s3cret", "s3cret"))
