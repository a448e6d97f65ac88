"""What is said of a cluster in which somebody is opted in: its condition ``AdviceAutomatic``. Pure."""

from __future__ import annotations

from typing import Final

from moorage.advisors.automatic.model import Opening
from moorage.advisors.automatic.plan import Idle, Look, Step
from moorage.kube.clusters import Said

ADVICE_AUTOMATIC: Final = "AdviceAutomatic"

NO_WINDOW: Final = "NoMaintenanceWindow"
WATCHING: Final = "Watching"
ACTING: Final = "Acting"
WAITING: Final = "WaitingForWindow"
IDLE: Final = "NothingToApply"
FAILING: Final = "Failing"


def said_of(step: Step, opening: Opening) -> Said:
    """Say what is done about advice, and what it waits for."""
    match step:
        case Look(name, thing, until):
            return Said(
                ok=True,
                reason=WATCHING,
                message=f"{name} is applied to {thing}, which is watched until {until:%Y-%m-%d %H:%M} UTC",
            )
        case Idle() if not opening.declared:
            return Said(
                ok=False,
                reason=NO_WINDOW,
                message="the cluster has no maintenance window, so no advice is applied by the platform",
            )
        case Idle() if opening.until is None and opening.opens is None:
            return Said(
                ok=False,
                reason=NO_WINDOW,
                message="the time zone of the maintenance window is not known here, so it never opens",
            )
        case Idle(waiting=True):
            when = f"{opening.opens:%Y-%m-%d %H:%M} UTC" if opening.opens is not None else "it is open"
            message = f"there is advice to apply; the maintenance window opens {when}"
            return Said(ok=True, reason=WAITING, message=message)
        case Idle():
            return Said(ok=True, reason=IDLE, message="there is no advice that the platform may apply")
    return Said(ok=True, reason=ACTING, message=f"advice {step.name} is applied or reverted")


def failing(why: str) -> Said:
    """Say that something cannot be done, and what."""
    return Said(ok=False, reason=FAILING, message=why)
