"""Which advice may be followed, and what whoever may not is told to do instead."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.advisors.advice import Change
from moorage.advisors.applying.plan import ApplyError, require_open
from moorage.api.advice import Advice
from moorage.reports.findings import Action

CHANGE = [Change(Action.DELETE, {"apiVersion": "v1", "kind": "Role", "metadata": {"name": "web"}})]
DISMISSAL = {"by": "member-bob", "at": "2027-03-01T00:00:00Z", "reason": "We know of it."}
UNTIL = {**DISMISSAL, "until": "2027-04-01T00:00:00Z"}
UNDO = "`moorage advice revert shop/web-1` undoes it"
REOPEN = "open it again first: `moorage advice reopen shop/web-1`"


def advice(status: dict[str, Any]) -> Advice:
    return Advice.parse(
        {
            "metadata": {"name": "web-1", "namespace": "project-shop"},
            "spec": {
                "advisor": "permissions",
                "cluster": "web",
                "subject": "ServiceAccount shop/web",
                "code": "unused-binding",
                "severity": "high",
                "confidence": 90,
                "summary": "Nothing of it was used.",
            },
            "status": status,
        }
    )


def followed(phase: str, by: str = "member-ann", **fields: str) -> dict[str, Any]:
    return {"phase": phase, "by": by, "at": "2027-03-01T12:00:00Z", **fields}


def called(name: str) -> str:
    return name.removeprefix("member-")


@pytest.mark.parametrize(
    ("status", "says", "hint"),
    [
        (
            {"state": "Dismissed", "dismissal": UNTIL},
            "web-1 was dismissed by bob until the end of 2027-03-31 (UTC): We know of it.",
            REOPEN,
        ),
        (
            {"state": "Dismissed", "dismissal": DISMISSAL},
            "web-1 was dismissed by bob: We know of it.",
            REOPEN,
        ),
        (
            {"state": "Dismissed", "dismissal": DISMISSAL, "application": followed("Applied")},
            "web-1 was dismissed by bob: We know of it.",
            REOPEN,
        ),
        (
            {"state": "Dismissed", "dismissal": {**DISMISSAL, "by": "member-eve"}},
            "web-1 was dismissed by you: We know of it.",
            REOPEN,
        ),
        (
            {"state": "Applied", "application": followed("Applied")},
            "ann applied web-1 at 2027-03-01 12:00 UTC",
            UNDO,
        ),
        (
            {"state": "Resolved", "application": followed("Applied", by="member-eve")},
            "you applied web-1 at 2027-03-01 12:00 UTC",
            UNDO,
        ),
        (
            {"state": "Resolved", "application": followed("Reverted")},
            "web-1 is resolved: the advisor finds it no more",
            "there is nothing to do",
        ),
        (
            {"state": "Open", "application": followed("Applied", harm="get is refused")},
            "web-1 was applied, and did harm: get is refused",
            UNDO,
        ),
        (
            {"state": "Resolved", "application": followed("Reverting")},
            "web-1 is being undone",
            "finish that first: `moorage advice revert shop/web-1`",
        ),
    ],
)
def test_what_somebody_has_decided_about_is_refused_with_what_to_do(
    status: dict[str, Any], says: str, hint: str
) -> None:
    with pytest.raises(ApplyError) as refused:
        require_open(advice(status), CHANGE, me="member-eve", called=called)
    assert (refused.value.message, refused.value.hint) == (says, hint)


@pytest.mark.parametrize(
    "status",
    [
        {"state": "Open"},
        {"state": "Open", "application": followed("Reverted")},
        {"state": "Open", "application": followed("Applied")},  # somebody has put it back
    ],
)
def test_what_is_open_is_followed_if_it_has_a_change(status: dict[str, Any]) -> None:
    require_open(advice(status), CHANGE, me="member-eve")
    with pytest.raises(ApplyError, match="has no change"):
        require_open(advice(status), (), me="member-eve")
