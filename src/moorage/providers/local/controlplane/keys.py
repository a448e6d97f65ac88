"""A cluster's keys, kept as Secrets of the management cluster under the names of Cluster API's contract.

They are made once. What is lost after the cluster has served is not made anew: new keys would be another
cluster's.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar

import yaml
from lightkube import AsyncClient

from moorage.api.meta import LOCAL_PROVIDER_MANAGER
from moorage.errors import MoorageError
from moorage.kube.kinds import LOCAL_CONTROL_PLANE, SECRET, Object
from moorage.kube.objects import apply, create, delete, get
from moorage.local.material import ClusterKeys
from moorage.local.pki import KeyPair, public_key
from moorage.providers.local.contract import CLUSTER_NAME_LABEL, SECRET_TYPE

AUTHORITY: Final = "ca"
FRONT_PROXY_AUTHORITY: Final = "proxy"
SERVICE_ACCOUNT: Final = "sa"
ENCRYPTION: Final = "encryption"
KUBECONFIG: Final = "kubeconfig"
BELIEVED: Final = timedelta(minutes=10)
PURPOSES: Final = (AUTHORITY, FRONT_PROXY_AUTHORITY, SERVICE_ACCOUNT, ENCRYPTION)

_CERTIFICATE = "tls.crt"
_KEY = "tls.key"
_VALUE = "value"


Value = TypeVar("Value")


class KeysMissingError(MoorageError):
    """Keys of a cluster that has served are gone."""


class KeysUnusableError(MoorageError):
    """A Secret that should hold keys does not."""


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """The control plane that the Secrets belong to, and go with.

    Args:
        namespace: of all of them.
        cluster: the Cluster's name, which begins the Secrets' names.
        name: the control plane's.
        uid: the control plane's.
    """

    namespace: str
    cluster: str
    name: str
    uid: str

    def secret_name(self, purpose: str) -> str:
        """Return the name of the Secret for a purpose."""
        return f"{self.cluster}-{purpose}"


def key_secret(holder: KeyHolder, purpose: str, content: Mapping[str, bytes]) -> Object:
    """Return a Secret that belongs to a control plane."""
    return {
        "metadata": {
            "name": holder.secret_name(purpose),
            "namespace": holder.namespace,
            "labels": {CLUSTER_NAME_LABEL: holder.cluster},
            "ownerReferences": [
                {
                    "apiVersion": LOCAL_CONTROL_PLANE.api_version,
                    "kind": LOCAL_CONTROL_PLANE.kind,
                    "name": holder.name,
                    "uid": holder.uid,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "type": SECRET_TYPE,
        "data": {key: b64encode(value).decode() for key, value in content.items()},
    }


def contents(keys: ClusterKeys) -> dict[str, dict[str, bytes]]:
    """Return what the Secrets of a cluster's keys hold, by their purposes."""
    return {
        AUTHORITY: {_CERTIFICATE: keys.authority.certificate, _KEY: keys.authority.key},
        FRONT_PROXY_AUTHORITY: {
            _CERTIFICATE: keys.front_proxy_authority.certificate,
            _KEY: keys.front_proxy_authority.key,
        },
        SERVICE_ACCOUNT: {_CERTIFICATE: public_key(keys.service_account_key), _KEY: keys.service_account_key},
        ENCRYPTION: {_VALUE: keys.encryption_key},
    }


def parse_keys(secrets: Mapping[str, Object]) -> ClusterKeys:
    """Read a cluster's keys from their Secrets.

    Raises:
        KeysUnusableError: one does not hold what it should.
    """
    read = _reader(secrets)
    return ClusterKeys(
        authority=KeyPair(read(AUTHORITY, _CERTIFICATE), read(AUTHORITY, _KEY)),
        front_proxy_authority=KeyPair(
            read(FRONT_PROXY_AUTHORITY, _CERTIFICATE), read(FRONT_PROXY_AUTHORITY, _KEY)
        ),
        service_account_key=read(SERVICE_ACCOUNT, _KEY),
        encryption_key=read(ENCRYPTION, _VALUE),
    )


class KeyStore:
    """The keys of control planes, and their kubeconfigs, as they were last seen in the management cluster.

    Reading them takes longer than all else that there is to do for a control plane at rest. So what was seen
    is believed for some minutes.
    """

    def __init__(self, client: AsyncClient, now: Callable[[], datetime]) -> None:
        self._client = client
        self._now = now
        self._keys: dict[str, _Seen[ClusterKeys]] = {}
        self._kubeconfigs: dict[str, _Seen[Mapping[str, Any]]] = {}

    async def get(self, holder: KeyHolder, *, served: bool) -> ClusterKeys:
        """Return a cluster's keys, made if this is their first use.

        Raises:
            KeysMissingError: the cluster has served, and some are not there.
            KeysUnusableError: a Secret does not hold what it should.
        """
        seen = self._keys.get(holder.uid)
        if seen is not None and self._now() - seen.at < BELIEVED:
            return seen.value
        keys = await ensure_keys(self._client, holder, served=served)
        self._keys[holder.uid] = _Seen(keys, self._now())
        return keys

    async def publish(self, holder: KeyHolder, kubeconfig: Mapping[str, Any]) -> None:
        """Keep the Secret through which Cluster API and Moorage reach the cluster."""
        seen = self._kubeconfigs.get(holder.uid)
        if seen is not None and seen.value == kubeconfig and self._now() - seen.at < BELIEVED:
            return
        await publish_kubeconfig(self._client, holder, yaml.safe_dump(dict(kubeconfig), sort_keys=False))
        self._kubeconfigs[holder.uid] = _Seen(kubeconfig, self._now())

    def forget(self, uid: str) -> None:
        """Forget the keys of a control plane that is gone."""
        self._keys.pop(uid, None)
        self._kubeconfigs.pop(uid, None)


@dataclass(frozen=True, slots=True)
class _Seen(Generic[Value]):
    value: Value
    at: datetime


async def ensure_keys(client: AsyncClient, holder: KeyHolder, *, served: bool) -> ClusterKeys:
    """Return a cluster's keys, made if this is their first use.

    A Secret that somebody has put there beforehand is used: so a cluster can be given an authority.

    Args:
        client: of the management cluster.
        holder: whose keys.
        served: whether the cluster has served, and its keys must be there.

    Raises:
        KeysMissingError: it has served, and some are not there.
        KeysUnusableError: a Secret does not hold what it should.
    """
    found = await _read(client, holder)
    missing = [purpose for purpose in PURPOSES if purpose not in found]
    if missing and served:
        names = ", ".join(holder.secret_name(purpose) for purpose in missing)
        raise KeysMissingError(
            f"the cluster's keys are gone: Secret {names} in {holder.namespace}",
            hint="restore them from a backup; the cluster runs on until its processes are started anew",
        )
    if missing:
        fresh = contents(ClusterKeys.generate(f"{holder.namespace}/{holder.cluster}"))
        await asyncio.gather(
            *(
                create(
                    client,
                    SECRET,
                    key_secret(holder, purpose, fresh[purpose]),
                    field_manager=LOCAL_PROVIDER_MANAGER,
                )
                for purpose in missing
            )
        )
        # Whoever made one first has made it for all.
        found = await _read(client, holder)
    return parse_keys(found)


async def publish_kubeconfig(client: AsyncClient, holder: KeyHolder, kubeconfig: str) -> None:
    """Write a cluster's kubeconfig into its Secret, unless it says so already."""
    content = kubeconfig.encode()
    found = await get(client, SECRET, holder.secret_name(KUBECONFIG), holder.namespace)
    if found is not None and not _belongs(found, holder):
        await delete(client, SECRET, holder.secret_name(KUBECONFIG), holder.namespace)
    elif found is not None and _value(found, _VALUE) == content:
        return
    await apply(
        client,
        SECRET,
        key_secret(holder, KUBECONFIG, {_VALUE: content}),
        field_manager=LOCAL_PROVIDER_MANAGER,
    )


async def _read(client: AsyncClient, holder: KeyHolder) -> dict[str, Object]:
    found = await asyncio.gather(
        *(get(client, SECRET, holder.secret_name(purpose), holder.namespace) for purpose in PURPOSES)
    )
    secrets = {purpose: obj for purpose, obj in zip(PURPOSES, found, strict=True) if obj is not None}
    for purpose, obj in list(secrets.items()):
        if not _belongs(obj, holder):
            # A cluster of the same name was here before, and its Secret is still waiting to be collected.
            await delete(client, SECRET, obj["metadata"]["name"], holder.namespace)
            del secrets[purpose]
    return secrets


def _belongs(secret: Object, holder: KeyHolder) -> bool:
    """Say whether a Secret is the cluster's: made for its control plane, or put there by somebody."""
    owners = secret["metadata"].get("ownerReferences") or ()
    return all(owner["uid"] == holder.uid for owner in owners if owner.get("controller"))


def _reader(secrets: Mapping[str, Object]) -> Callable[[str, str], bytes]:
    def read(purpose: str, key: str) -> bytes:
        value = _value(secrets[purpose], key) if purpose in secrets else None
        if not value:
            name = secrets[purpose]["metadata"]["name"] if purpose in secrets else purpose
            raise KeysUnusableError(
                f"Secret {name} has no {key}", hint="delete it, or put the right key into it"
            )
        return value

    return read


def _value(secret: Object, key: str) -> bytes | None:
    text = (secret.get("data") or {}).get(key)
    try:
        return b64decode(text) if text else None
    except ValueError:
        return None
