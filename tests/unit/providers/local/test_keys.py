"""A cluster's keys and the Secrets that hold them."""

from __future__ import annotations

import pytest

from moorage.local.material import ClusterKeys
from moorage.providers.local.controlplane.keys import (
    PURPOSES,
    KeyHolder,
    KeysUnusableError,
    contents,
    key_secret,
    parse_keys,
)

HOLDER = KeyHolder("project-shop", "web", "web-plane", "uid-1")


def secrets(keys):
    return {purpose: key_secret(HOLDER, purpose, content) for purpose, content in contents(keys).items()}


def test_what_was_put_into_secrets_is_read_from_them():
    keys = ClusterKeys.generate("shop/web")
    assert parse_keys(secrets(keys)) == keys


def test_secrets_are_named_typed_and_labelled_as_the_contract_wants_and_go_with_their_control_plane():
    made = secrets(ClusterKeys.generate("shop/web"))
    assert {secret["metadata"]["name"] for secret in made.values()} == {
        "web-ca",
        "web-proxy",
        "web-sa",
        "web-encryption",
    }
    for secret in made.values():
        assert secret["type"] == "cluster.x-k8s.io/secret"
        assert secret["metadata"]["labels"] == {"cluster.x-k8s.io/cluster-name": "web"}
        [owner] = secret["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"], owner["controller"]) == ("LocalControlPlane", "uid-1", True)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_secret_without_its_key_is_named(purpose):
    made = secrets(ClusterKeys.generate("shop/web"))
    made[purpose]["data"] = {}
    with pytest.raises(KeysUnusableError, match=f"Secret web-{purpose} has no"):
        parse_keys(made)


def test_a_secret_that_is_no_base64_is_no_key():
    made = secrets(ClusterKeys.generate("shop/web"))
    made["encryption"]["data"]["value"] = "%%%"
    with pytest.raises(KeysUnusableError):
        parse_keys(made)


def test_no_key_shows_in_a_log():
    keys = ClusterKeys.generate("shop/web")
    assert "PRIVATE KEY" not in repr(keys)
    assert repr(keys.encryption_key) not in repr(keys)
