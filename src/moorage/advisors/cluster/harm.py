"""Telling which refusal is the fault of an advice that was followed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from moorage.advisors.audit.counts import Refused
from moorage.advisors.audit.folding import Denial
from moorage.advisors.cluster.observe import Followed, as_before, granted
from moorage.advisors.permissions.evaluate import allows
from moorage.advisors.permissions.model import Request, Who
from moorage.advisors.permissions.use import moment
from moorage.kube.kinds import Object


@dataclass(frozen=True, slots=True)
class Harm:
    """A request that was allowed before an advice was followed, and is refused now.

    Args:
        followed: the advice.
        who: who asked.
        denial: for what, how often, and when last.
    """

    followed: Followed
    who: Who
    denial: Denial

    @property
    def why(self) -> str:
        """What is to be told about it, in a sentence."""
        times = "once" if self.denial.count == 1 else f"{self.denial.count} times"
        return (
            f"{self.who.name} was refused {told(self.denial.request)} {times} since the change was made "
            f"(last {self.denial.last}), which it was allowed before"
        )


def find_harm(
    followed: Sequence[Followed], refused: Sequence[Refused], objects: Sequence[Object]
) -> list[Harm]:
    """Return for each advice that did harm the latest refusal that shows it.

    A refusal counts when the objects as they were before allow the request, and those of now do not. What
    somebody was never allowed is no fault of an advice, nor is what was given back meanwhile.
    """
    now = granted(objects, origin="")
    found = []
    for each in followed:
        before = granted(as_before(objects, each), origin="")
        harms = [
            Harm(each, one.who, denial)
            for one in refused
            for denial in one.denials
            if _is_later(denial, each)
            and allows(before, one.who, denial.request)
            and not allows(now, one.who, denial.request)
        ]
        if harms:
            found.append(max(harms, key=lambda harm: harm.denial.last))
    return found


def told(request: Request) -> str:
    """Return a request as a person says it: ``delete pods/log of web in shop``."""
    if request.path:
        return f"{request.verb} {request.path}"
    group = f".{request.group}" if request.group else ""
    name = f" {request.name}" if request.name else ""
    place = f" in {request.namespace}" if request.namespace else ""
    return f"{request.verb} {request.combined}{group}{name}{place}"


def _is_later(denial: Denial, followed: Followed) -> bool:
    at = moment(denial.last)
    return at is not None and at >= followed.at
