"""What a project and a cluster declare about policies, taken together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from moorage.kube.kinds import Object
from moorage.policies.levels import strongest
from moorage.policies.model import Action

OWNERS: Final = "owners"
MEMBERS: Final = "members"


@dataclass(frozen=True, slots=True)
class Declared:
    """Which policies judge in a cluster.

    Args:
        bundles: references of bundles: the project's first, each once.
        floor: the action below which no namespace can go, by set: the stronger of both.
        approval: whether an exception needs an owner's approval to count.
    """

    bundles: tuple[str, ...]
    floor: Mapping[str, Action] = field(default_factory=dict)
    approval: bool = True


def declared(project: Object | None, cluster: Object) -> Declared | None:
    """Return what is declared for a cluster; ``None`` when there is to be nothing of policies.

    A cluster adds to what its project says, and takes nothing away: whether members may grant exceptions is
    the project's to say.
    """
    ours, its = _policies(project), _policies(cluster)
    bundles = tuple(dict.fromkeys([*_bundles(ours), *_bundles(its)]))
    if not bundles:
        return None
    floors = [_floor(ours), _floor(its)]
    names = sorted({name for floor in floors for name in floor})
    return Declared(
        bundles=bundles,
        floor={
            name: action for name in names if (action := strongest(*(floor.get(name) for floor in floors)))
        },
        approval=ours.get("exceptions", OWNERS) != MEMBERS,
    )


def _policies(obj: Object | None) -> Mapping[str, Any]:
    found = ((obj or {}).get("spec") or {}).get("policies")
    return found if isinstance(found, Mapping) else {}


def _bundles(policies: Mapping[str, Any]) -> Iterable[str]:
    return [str(item["reference"]) for item in policies.get("bundles") or ()]


def _floor(policies: Mapping[str, Any]) -> dict[str, Action]:
    return {str(name): Action(action) for name, action in (policies.get("floor") or {}).items()}
