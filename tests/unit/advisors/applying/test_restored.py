"""What taking an advice back has made again is as old as what it replaces; what people make is new."""

from __future__ import annotations

import json
from typing import Any

import pytest

from moorage.advisors.applying.restored import restored, with_age
from moorage.api.advice import Advice

OLD, FIRST, NOW = "2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z", "2027-03-01T00:00:00Z"
US, SOMEBODY = "moorage-advice", "kubectl-create"


def binding(created: str = OLD, *, makers: tuple[str, ...] = (SOMEBODY,), to: str = "web") -> dict[str, Any]:
    writers = [
        {"manager": maker, "operation": "Update", "time": f"2027-03-01T00:00:0{place}Z"}
        for place, maker in enumerate(makers)
    ]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "creationTimestamp": created,
            "uid": created,
            **({"managedFields": writers} if makers else {}),
        },
        "roleRef": {"kind": "Role", "name": to},
        "subjects": [{"kind": "ServiceAccount", "name": "web", "namespace": "shop"}],
    }


def followed(phase: str, *before: dict[str, Any] | None) -> Advice:
    steps = [
        {"action": "delete", "object": binding(), **({"before": json.dumps(each)} if each else {})}
        for each in before
    ]
    application = {"phase": phase, "by": "ann", "at": NOW, "steps": steps}
    spec = {
        "advisor": "permissions",
        "cluster": "web",
        "subject": "ServiceAccount shop/web",
        "code": "unused-binding",
        "severity": "high",
        "confidence": 90,
        "summary": "Nothing of it was used.",
    }
    metadata = {"name": "web-1", "namespace": "project-shop"}
    return Advice.parse(
        {"metadata": metadata, "spec": spec, "status": {"state": "Open", "application": application}}
    )


def age(live: dict[str, Any], *advices: Advice) -> str:
    [obj] = with_age([live], restored(advices))
    assert {**obj, "metadata": {**obj["metadata"], "creationTimestamp": ""}} == {
        **live,
        "metadata": {**live["metadata"], "creationTimestamp": ""},
    }
    return str(obj["metadata"]["creationTimestamp"])


AGAIN = binding(NOW, makers=(US,))


def test_what_was_put_back_is_as_old_as_it_was() -> None:
    assert age(AGAIN, followed("Reverted", binding())) == OLD


def test_of_several_that_put_it_back_the_first_knows_best() -> None:
    advices = [followed("Reverted", binding(FIRST)), followed("Reverted", binding(OLD))]
    assert age(AGAIN, *advices) == age(AGAIN, *advices[::-1]) == OLD


@pytest.mark.parametrize(
    ("live", "advice"),
    [
        (binding(NOW), followed("Reverted", binding())),
        (binding(NOW, makers=(SOMEBODY, US)), followed("Reverted", binding())),
        (binding(NOW, makers=()), followed("Reverted", binding())),
        (binding(NOW, makers=(US,), to="admin"), followed("Reverted", binding())),
        (AGAIN, followed("Applied", binding())),
        (AGAIN, followed("Reverting", binding())),
        (AGAIN, followed("Reverted", None)),
    ],
    ids=[
        "somebody has made it anew",
        "somebody has made it anew, and we have written to it",
        "nobody knows who has made it",
        "it gives something else",
        "the advice stands",
        "it is not taken back yet",
        "there was none before",
    ],
)
def test_what_no_advice_has_put_back_is_as_new_as_it_is(live: dict[str, Any], advice: Advice) -> None:
    assert age(live, advice) == NOW


def test_what_was_changed_back_is_not_made_younger() -> None:
    assert age(binding(OLD, makers=(US,)), followed("Reverted", binding(FIRST))) == OLD
