"""What can go wrong with a bundle, said for the person who must act."""

from __future__ import annotations

from moorage.policies.model import PolicyError


class BundleError(PolicyError):
    """Anything about a bundle of policies that a person must act on."""


class BrokenBundleError(BundleError):
    """It is not a bundle of policies, or not one that can be read."""


class AlteredBundleError(BundleError):
    """Bytes are not what their digest promises: never used, and never papered over."""


class RegistryError(BundleError):
    """A registry cannot be reached, or refuses."""


class NotFoundError(RegistryError):
    """The registry answers, and has no such thing."""


class NotCachedError(BundleError):
    """Offline, and it was never here."""


class KeyFileError(BundleError):
    """A key cannot be read, written or unlocked."""


class SignatureError(BundleError):
    """A bundle is not signed by any of the keys that count."""
