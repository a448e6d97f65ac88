"""What is not advised on, and why that is said."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from moorage.advisors.permissions.model import ACCOUNT, ALL, Grant, Rbac
from moorage.advisors.permissions.use import Used, Window

_SYSTEM_NAMESPACES: Final = frozenset({"kube-system", "kube-public", "kube-node-lease"})
_OPEN_GROUPS: Final = (
    "system:authenticated",
    "system:unauthenticated",
    "system:serviceaccounts",
    "system:anonymous",
)
_ACCOUNTS: Final = "system:serviceaccounts:"
_SOME: Final = 5


class Why(StrEnum):
    """Why a grant is left alone."""

    SYSTEM = "of Kubernetes itself"
    YOUNG = "younger than the window"
    GRANTING = "of subjects that write roles or bindings, for which they must hold what they give"


def why_left_alone(grant: Grant, used: Used, rbac: Rbac, window: Window) -> Why | None:
    """Return why a grant is not judged; nothing where it is."""
    if is_system(grant):
        return Why.SYSTEM
    account = rbac.accounts.get((grant.subject.namespace, grant.subject.name))
    made = [grant.binding.created, account.created if account and grant.subject.namespace else None]
    if any(created is not None and created > window.begin for created in made):
        return Why.YOUNG
    if used.about.grants:
        return Why.GRANTING
    return None


def is_system(grant: Grant) -> bool:
    """Say whether a grant is Kubernetes' own: its subject, or the binding that it makes itself."""
    subject = grant.subject
    if grant.binding.bootstrap:
        return True
    if subject.kind == "ServiceAccount":
        return subject.namespace in _SYSTEM_NAMESPACES
    for prefix in (ACCOUNT, _ACCOUNTS):  # a ServiceAccount as a User, or those of a namespace as a Group
        if subject.name.startswith(prefix):
            return subject.name.removeprefix(prefix).partition(":")[0] in _SYSTEM_NAMESPACES
    # What people give to everybody is theirs to answer for.
    return subject.name.startswith("system:") and not subject.name.startswith(_OPEN_GROUPS)


def is_gone(grant: Grant, rbac: Rbac) -> bool:
    """Say whether a grant's ServiceAccount is not there, where all of them are known."""
    subject = grant.subject
    if subject.kind != "ServiceAccount":
        return False
    known = ALL in rbac.known_namespaces or subject.namespace in rbac.known_namespaces
    return known and (subject.namespace, subject.name) not in rbac.accounts


class LeftAlone:
    """Collects what was left alone, for the notes."""

    def __init__(self) -> None:
        self._subjects: dict[Why, set[str]] = defaultdict(set)
        self._grants: dict[Why, int] = defaultdict(int)

    def add(self, why: Why, grant: Grant) -> None:
        """Take in one more."""
        self._subjects[why].add(str(grant.subject))
        self._grants[why] += 1

    def notes(self) -> Iterator[str]:
        """Yield a sentence for each reason."""
        for why in Why:
            subjects = sorted(self._subjects[why])
            if not subjects:
                continue
            more = f" and {len(subjects) - _SOME:,} more" if len(subjects) > _SOME else ""
            count = self._grants[why]
            grants = "1 grant is" if count == 1 else f"{count:,} grants are"
            yield f"{grants} left alone, {why}: {', '.join(subjects[:_SOME])}{more}."
