"""What a person is told before a change is made: who else writes its fields."""

from __future__ import annotations

from typing import Any

import pytest
from lightkube import ApiError
from lightkube.models.meta_v1 import Status

from moorage.advisors.applying import trying
from moorage.kube.kinds import Kind

ROLE = Kind("rbac.authorization.k8s.io", "v1", "Role", "roles")
OTHERS = "Role shop/logs: {} also writes these fields; change its source, too, or it will put them back"


def conflict(*managers: str) -> ApiError:
    """Return what an API server answers when others hold fields that are applied."""
    told = "".join(
        f'\nconflicts with "{each}" using rbac.authorization.k8s.io/v1:\n- .rules' for each in managers
    )
    message = f"Apply failed with {len(managers)} conflicts: {told.lstrip()}"
    if len(managers) == 1:
        message = f'Apply failed with 1 conflict: conflict with "{managers[0]}" using v1: .rules'
    return ApiError(status=Status(code=409, reason="Conflict", message=message))


@pytest.mark.parametrize(
    ("managers", "note"),
    [
        (["kubectl"], OTHERS.format("kubectl")),
        (["moorage-advice"], ""),
        (["moorage-advice", "kubectl"], OTHERS.format("kubectl")),
        (["kubectl", "argocd-controller"], OTHERS.format("argocd-controller, kubectl")),
    ],
    ids=["somebody else", "ourselves, after it was taken back", "both", "two others"],
)
async def test_others_who_write_the_fields_are_named_and_not_ourselves(
    monkeypatch: pytest.MonkeyPatch, managers: list[str], note: str
) -> None:
    async def apply(*_: Any, **__: Any) -> None:
        raise conflict(*managers)

    monkeypatch.setattr(trying, "apply", apply)
    assert await trying._owners(None, ROLE, {}, "Role shop/logs") == note  # type: ignore[arg-type]
