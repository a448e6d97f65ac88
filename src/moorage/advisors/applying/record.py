"""Writing into an Advice what people do about it; of two at once, one is first."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from lightkube import AsyncClient

from moorage.advisors.applying.plan import ApplyError
from moorage.advisors.keeping import life
from moorage.advisors.keeping.write import status_patch
from moorage.api.advice import Advice, AdviceStatus, Application
from moorage.kube.kinds import ADVICE, Object
from moorage.kube.objects import CONFLICT, FAILED, get, is_status, merge_patch

FIELD_MANAGER: Final = "moorage-advice"
_TRIES: Final = 5


class ContestedError(ApplyError):
    """Somebody else has written the same Advice."""


async def record(client: AsyncClient, advice: Advice, status: AdviceStatus) -> None:
    """Write what has become of an advice, if it still is as it was looked at.

    Raises:
        ContestedError: it is not.
        ApplyError: it is gone.
    """
    name = advice.metadata.name
    patch: Object = {
        "metadata": {"resourceVersion": advice.metadata.resource_version},
        "status": status_patch(status),
    }
    try:
        done = await merge_patch(
            client,
            ADVICE,
            name,
            advice.metadata.namespace,
            patch,
            field_manager=FIELD_MANAGER,
            status=True,
        )
    except FAILED as error:
        if not is_status(error, CONFLICT):
            raise
        raise ContestedError(
            f"somebody else has decided about {name} just now, or its advisor has looked again",
            hint=f"`moorage advice show {advice.full_name}` shows what it is now; try again",
        ) from error
    if done is None:
        raise ApplyError(f"{name} is gone")


async def finish(client: AsyncClient, advice: Advice, done: Application, now: datetime) -> AdviceStatus:
    """Write that all is done, also when the advisor has looked again meanwhile; return what it is now.

    Raises:
        ApplyError: the advice is gone.
    """
    for last in (False,) * (_TRIES - 1) + (True,):
        found = await get(client, ADVICE, advice.metadata.name, advice.metadata.namespace)
        if found is None:
            raise ApplyError(f"{advice.metadata.name} is gone; the change is made, and cannot be undone")
        fresh = Advice.parse(found)
        status = life.applied(fresh.status or AdviceStatus(), done, now=now)
        try:
            await record(client, fresh, status)
        except ContestedError:
            if last:
                raise
        else:
            break
    return status
