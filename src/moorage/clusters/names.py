"""Names that follow from what users declare."""

from __future__ import annotations

import hashlib
import re

_SLUG_LENGTH = 40
_NOT_A_LABEL = re.compile(r"[^a-z0-9]+")


def member_account(user: str) -> str:
    """Return the name of the ServiceAccount whose tokens a member gets.

    It can be read by a person and is the same for the same user everywhere; two users never share one,
    whatever characters their names consist of.
    """
    slug = _NOT_A_LABEL.sub("-", user.lower()).strip("-")[:_SLUG_LENGTH].strip("-") or "user"
    digest = hashlib.sha256(user.encode()).hexdigest()[:8]
    return f"member-{slug}-{digest}"


def user_cluster_username(user: str) -> str:
    """Return who a member is to the API server of a user cluster."""
    return f"moorage:{member_account(user)}"


def token_audience(cluster_uid: str) -> str:
    """Return what a token for one user cluster is meant for; no other cluster accepts it."""
    return f"https://moorage.dev/clusters/{cluster_uid}"
