"""The libraries that clusters are judged by: bundles, pulled, checked and kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from lightkube import AsyncClient

from moorage.api.meta import SYSTEM_NAMESPACE
from moorage.kube.kinds import CONFIG_MAP
from moorage.kube.objects import get
from moorage.local.supervisor import in_thread
from moorage.policies.bundles.errors import BundleError, KeyFileError, SignatureError
from moorage.policies.bundles.keys import PublicKey
from moorage.policies.bundles.reference import Reference
from moorage.policies.bundles.transfer import Trust, pull
from moorage.policies.model import Library, PolicyError

KEYS: Final = "policy-keys"
"""The ConfigMap in the system's namespace with the public keys, one an entry, whose signatures count."""

RECHECK: Final = timedelta(minutes=5)
"""How often it is asked whether a tag names something else by now, and which keys count."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A bundle, and when it was taken.

    Args:
        library: what is in it.
        digest: it, for whoever wants to know what judges.
        at: when it was looked for last.
        trust: the fingerprints of the keys that counted.
    """

    library: Library
    digest: str
    at: datetime
    trust: tuple[str, ...]


class BundleMissingError(PolicyError):
    """A bundle cannot be had."""


class BundleUnsignedError(PolicyError):
    """Nobody who counts has signed a bundle, or it is not what was signed."""


class Sources:
    """Gets libraries, and keeps them: a registry that is away takes no policies away."""

    def __init__(self, client: AsyncClient, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._clock = clock
        self._taken: dict[str, Taken] = {}
        self._trust: tuple[datetime, Trust] | None = None

    async def take(self, references: Sequence[str]) -> list[Taken]:
        """Return the bundles of some references.

        Raises:
            BundleMissingError: one cannot be had, and was not had before.
            BundleUnsignedError: one is not signed as it has to be. What judged before goes on to.
            LibraryError: one is no library.
        """
        trust = await self._trusted()
        return [await self._one(reference, trust) for reference in references]

    async def _one(self, text: str, trust: Trust) -> Taken:
        now, keys = self._clock(), tuple(key.fingerprint for key in trust.keys)
        known = self._taken.get(text)
        if known is not None and known.trust == keys:
            pinned = bool(_reference(text).digest)
            if pinned or now - known.at < RECHECK:
                return known
        try:
            pulled = await pull(_reference(text), trust=trust)
        except SignatureError as error:
            raise BundleUnsignedError(error.message, hint=error.hint) from error
        except BundleError as error:
            if known is not None and known.trust == keys:
                return known  # what it was a while ago is better than nothing
            raise BundleMissingError(error.message, hint=error.hint) from error
        library = await in_thread(lambda: pulled.library)
        taken = Taken(library, str(pulled.reference.digest), now, keys)
        self._taken[text] = taken
        return taken

    async def _trusted(self) -> Trust:
        now = self._clock()
        if self._trust is None or now - self._trust[0] >= timedelta(seconds=30):
            found = await get(self._client, CONFIG_MAP, KEYS, SYSTEM_NAMESPACE) or {}
            try:
                keys = tuple(
                    PublicKey.parse(text.encode(), name=f"{KEYS}/{name}")
                    for name, text in sorted((found.get("data") or {}).items())
                )
            except KeyFileError as error:
                raise BundleUnsignedError(error.message, hint=error.hint) from error
            self._trust = now, Trust(keys)
        return self._trust[1]


def _reference(text: str) -> Reference:
    return Reference.parse(text)
