"""Asking the API server what would become of a change, without making it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lightkube import AsyncClient

from moorage.advisors.advice import Change
from moorage.advisors.applying import writers
from moorage.advisors.applying.images import Images, content, plain
from moorage.advisors.applying.plan import Step, Target
from moorage.advisors.applying.record import FIELD_MANAGER
from moorage.advisors.applying.single import create_object, kind_of, live_object, replace_object
from moorage.kube.discovery import delete_exactly
from moorage.kube.kinds import Kind, Object
from moorage.kube.objects import CONFLICT, FAILED, FORBIDDEN, NOT_FOUND, apply, explain, is_status
from moorage.reports.findings import Action

_TRIED: Final = "-moorage-try"


async def read_target(client: AsyncClient, change: Change) -> Target:
    """Return a change with the object that it is about, as it is.

    Raises:
        ApplyError: the API server does not serve its kind.
    """
    obj: Object = dict(change.content)
    kind = await kind_of(client, obj)
    return Target(change, kind, await live_object(client, kind, obj))


async def try_step(client: AsyncClient, target: Target, targets: Sequence[Target]) -> tuple[Step, str]:
    """Ask the API server what would become of a step; return that, and what a person should know first.

    Raises:
        ApiError: the API server refuses.
    """
    change, kind, live = target.change, target.kind, target.live
    obj: Object = dict(change.content)
    if change.action is Action.DELETE:
        if live is not None:
            await delete_exactly(client, kind, live, dry_run=True)
        return Step(change.action, obj, Images(live, None)), ""
    images = Images(live, obj)
    note = ""
    try:
        if live is None:
            after = await create_object(client, kind, obj, dry_run=True)
        elif images.replaces:
            # In its own name it is there already; whether it may be, another name tells as well.
            tried = {**obj, "metadata": {**obj["metadata"], "name": f"{obj['metadata']['name']}{_TRIED}"}}
            await delete_exactly(client, kind, live, dry_run=True)
            after = await create_object(client, kind, tried, dry_run=True)
            after = {**after, "metadata": {**after["metadata"], "name": obj["metadata"]["name"]}}
        elif writers.told(obj):
            images = Images(writers.with_told(live, writers.told(change.was)), obj)
            wanted = writers.written(plain(live), obj, images.before)
            after = await replace_object(client, kind, wanted, dry_run=True)
        else:
            note = await _owners(client, kind, obj, change.name)
            after = await apply(client, kind, obj, field_manager=FIELD_MANAGER, dry_run=True)
    except FAILED as error:
        if not _comes_with(error, obj, targets):
            raise
        after = obj  # it needs what an earlier step makes, and is asked about again when that is there
    return Step(change.action, obj, Images(images.before, content(plain(after)))), note


def _comes_with(error: BaseException, obj: Object, targets: Sequence[Target]) -> bool:
    """Say whether a binding is refused only because its role is not there yet, and will be."""
    role = obj.get("roleRef")
    if role is None or not (is_status(error, NOT_FOUND) or is_status(error, FORBIDDEN)):
        return False
    return any(
        each.live is None
        and (each.kind.kind, each.change.content["metadata"]["name"]) == (role["kind"], role["name"])
        for each in targets
    )


async def _owners(client: AsyncClient, kind: Kind, obj: Object, name: str) -> str:
    """Say who else holds the fields of a change: what they put back, they put back.

    What we wrote ourselves, and took back, is held by nobody who would write it again.
    """
    try:
        await apply(client, kind, obj, field_manager=FIELD_MANAGER, force=False, dry_run=True)
    except FAILED as error:
        if not is_status(error, CONFLICT):
            raise
        owners = sorted({part.split('"')[1] for part in explain(error).split("conflict")[1:] if '"' in part})
        if owners == [FIELD_MANAGER]:
            return ""
        who = ", ".join(owner for owner in owners if owner != FIELD_MANAGER) or "somebody else"
        return f"{name}: {who} also writes these fields; change its source, too, or it will put them back"
    return ""
