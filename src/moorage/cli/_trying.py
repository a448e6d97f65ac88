"""Seeing that policies can judge before they are given away."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from moorage.cli._needed import missing
from moorage.cli._output import say
from moorage.errors import MoorageError

if TYPE_CHECKING:
    from moorage.policies.model import Library


def require_judging(library: Library) -> None:
    """See that each policy of a library compiles, where the engine is at hand to say so.

    Raises:
        MoorageError: one does not; clusters would leave it out.
    """
    if missing(["gator"]):
        say("not tried whether the policies compile: no gator (`moorage tools install gator` gets it)")
        return
    from datetime import UTC, datetime

    from moorage.policies.cluster.trying import invalid_policies
    from moorage.toolchain import locate

    # Its sets may name policies of other libraries; whether these compile is not asked here.
    alone = replace(library, sets={})
    found = invalid_policies([alone], locate("gator"), datetime.now(UTC)) if library.policies else ()
    if found:
        raise MoorageError(
            "\n".join(str(each) for each in found),
            hint="clusters would leave such a policy out; `moorage policy verify` runs its suite",
        )
