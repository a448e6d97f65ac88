"""What stands in the way of an upgrade."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from moorage.api.advice import Advice, AdviceState
from moorage.api.upgrade_advice import blocks_upgrade
from moorage.api.versions import InvalidVersionError

AT = datetime(2026, 11, 1, tzinfo=UTC).isoformat()
DECIDED: dict[AdviceState, dict[str, Any]] = {
    AdviceState.DISMISSED: {"dismissal": {"by": "ada", "at": AT, "reason": "nobody needs it any more"}},
    AdviceState.APPLIED: {"application": {"phase": "Applied", "by": "ada", "at": AT}},
}


def advice(
    name: str = "one",
    *,
    advisor: str = "apis",
    severity: str = "medium",
    state: AdviceState = AdviceState.OPEN,
    code: str = "applied-removed",
    **evidence: Any,
) -> Advice:
    return Advice.model_validate(
        {
            "metadata": {"name": f"web-{name}", "namespace": "project-shop"},
            "spec": {
                "advisor": advisor,
                "cluster": "web",
                "subject": "ResourceClaim default/gpu",
                "code": code,
                "severity": severity,
                "confidence": 70,
                "summary": "it is written in resource.k8s.io/v1beta1",
                "evidence": evidence,
            },
            "status": {"state": state.value, **DECIDED.get(state, {})},
        }
    )


@pytest.mark.parametrize(
    ("target", "removed", "blocked"),
    [
        ("1.38", "1.38", True),
        ("1.38.4", "1.38", True),
        ("v1.39.0", "1.38", True),
        ("1.37", "1.38", False),
        ("1.100", "1.99", True),
        ("1.38", None, False),
        ("1.38", "soon", False),
    ],
)
def test_what_the_target_does_not_serve_is_in_the_way(
    target: str, removed: str | None, blocked: bool
) -> None:
    for code in ("applied-removed", "call-deprecated"):
        item = advice(code=code, **({"removedIn": removed} if removed else {}))
        assert blocks_upgrade([item], target) == ((item,) if blocked else ())


@pytest.mark.parametrize(
    ("state", "blocked"),
    [
        (AdviceState.OPEN, True),
        (AdviceState.APPLIED, True),
        (AdviceState.DISMISSED, False),
        (AdviceState.RESOLVED, False),
    ],
)
def test_what_is_resolved_or_dismissed_is_in_nobodys_way(state: AdviceState, blocked: bool) -> None:
    assert bool(blocks_upgrade([advice(state=state, removedIn="1.38")], "1.38")) is blocked


def test_only_apis_of_kubernetes_itself_go_with_kubernetes() -> None:
    others = [
        advice(advisor="permissions", removedIn="1.38"),
        advice(removedIn="1.5", project="cert-manager"),
    ]
    assert blocks_upgrade(others, "1.38") == ()


def test_the_worst_comes_first() -> None:
    items = [
        advice("b", removedIn="1.38"),
        advice("c", severity="critical", removedIn="1.38"),
        advice("a", removedIn="1.38"),
    ]
    assert [each.metadata.name for each in blocks_upgrade(items, "1.38")] == ["web-c", "web-a", "web-b"]


def test_a_target_that_is_no_version_is_refused() -> None:
    with pytest.raises(InvalidVersionError):
        blocks_upgrade([], "next")
