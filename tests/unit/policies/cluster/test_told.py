"""Events about the policies of a cluster: one for each change that people ask about."""

from __future__ import annotations

from typing import Any, cast

import pytest

from moorage.kube.clusters import Said
from moorage.kube.events import Occurrence
from moorage.kube.kinds import Object
from moorage.policies.cluster.controller import PoliciesController

CLUSTER: Object = {"metadata": {"name": "web", "namespace": "project-shop", "uid": "1"}}
ENFORCED = Said(ok=True, reason="Enforced", message="63 policies judge; 0 exceptions count")
BUSY = Said(ok=False, reason="Progressing", message="3 of 9 constraints are taken up")
UNSIGNED = Said(ok=False, reason="BundleUnsigned", message="registry.example/p:1 is not signed")


class Posted:
    def __init__(self) -> None:
        self.reasons: list[str] = []

    async def post(self, _: Object, occurrences: list[Occurrence]) -> None:
        self.reasons += [occurrence.reason for occurrence in occurrences]


async def told(*said: Said, before: str = "") -> list[str]:
    """Say one after the other, and return what was posted."""
    controller, posted = PoliciesController(cast("Any", None), cast("Any", None), ()), Posted()
    controller._events = cast("Any", posted)
    for each in said:
        await controller._tell(CLUSTER, each, before)
        before = each.reason
    return posted.reasons


@pytest.mark.parametrize(
    ("said", "reasons"),
    [
        ([BUSY, ENFORCED], ["PoliciesEnforced"]),
        ([BUSY, ENFORCED, BUSY, ENFORCED], ["PoliciesEnforced"]),  # an exception was added, say
        (
            [ENFORCED, UNSIGNED, BUSY, ENFORCED],
            ["PoliciesEnforced", "PoliciesBundleUnsigned", "PoliciesEnforced"],
        ),
        ([UNSIGNED, UNSIGNED], ["PoliciesBundleUnsigned"]),
    ],
)
async def test_what_is_on_the_way_is_no_news_and_nothing_is_told_twice(
    said: list[Said], reasons: list[str]
) -> None:
    assert await told(*said) == reasons


async def test_another_process_does_not_tell_again_what_the_first_has_told() -> None:
    assert await told(BUSY, ENFORCED, before="Enforced") == []
    assert await told(UNSIGNED, before="Enforced") == ["PoliciesBundleUnsigned"]
