"""How exceptions stand, and what is told about them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from moorage.manifests.model import Item, Manifest
from moorage.policies.inputs.model import Inputs
from moorage.policies.report.exceptions import Listed, listed, remarks

NOW = datetime(2027, 1, 1, tzinfo=UTC)


def stands(**spec: Any) -> Listed:
    content = {
        "apiVersion": "policy.moorage.dev/v1alpha1",
        "kind": "PolicyException",
        "metadata": {"name": "old", "namespace": "shop"},
        "spec": {
            "policy": "host-ports",
            "target": {"kind": "Pod", "name": "web"},
            "reason": "The old load balancer needs it.",
            "owner": "team-shop",
            "expires": "2027-03-31",
            **spec,
        },
    }
    (found,) = listed(Inputs(exceptions=[Item(content, Manifest("a.yaml", "x\n"))]), {"host-ports"}, NOW)
    return found


def test_the_day_that_is_shown_is_the_one_that_was_declared():
    found = stands()
    assert (found.state, found.until, found.expires) == ("active", "2027-03-31", "2027-04-01T00:00:00+00:00")
    assert stands(expires="2026-12-30").problem == "it expired on 2026-12-30 and counts no more"
    assert stands(expires="2027-01-09").problem == "it expires on 2027-01-09"


def test_a_day_that_is_too_far_away_is_told_and_counts_all_the_same():
    found = stands(expires="2099-01-01")
    assert found.state == "active"
    assert "for a year from when it is made" in found.problem
    assert not stands(expires="2028-01-01").problem


def test_what_is_broken_is_shown_with_what_of_it_can_be_read():
    found = stands(reason="short", owner=None)
    assert (found.state, found.policy, found.target) == ("broken", "host-ports", "Pod web")
    (remark,) = remarks([found])
    assert "spec.reason has fewer than 10 characters" in remark.text
    assert "spec.owner is missing" in remark.text
