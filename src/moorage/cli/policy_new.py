"""``moorage policy new``: begin a policy."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from moorage.cli._output import say, write


class Language(StrEnum):
    """What a rule is written in."""

    CEL = "cel"
    REGO = "rego"


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it: lower case and hyphens.")],
    *,
    engine: Annotated[
        Language,
        typer.Option("--engine", help="The language of the rule: CEL, unless it reads other objects."),
    ] = Language.CEL,
    policies: Annotated[
        str, typer.Option("--policies", metavar="DIR", help="The folder of policies that it goes to.")
    ] = "policies",
    chosen: Annotated[
        str, typer.Option("--set", metavar="SET", help="Put it in this set, which is made, too.")
    ] = "",
) -> None:
    """Write a policy that works, with a suite that passes.

    A rule of your own takes the place of the one that is there. Namespaces opt in to sets: a policy judges
    nothing in a cluster until a set has it.

    \b
    moorage policy new team-label --set house-rules
    """  # noqa: D301 - typer wants the character
    from pathlib import Path

    from moorage.policies.scaffold import write_policy

    folder, files = write_policy(Path(policies), name, rego=engine is Language.REGO, chosen=chosen)
    for file in files:
        write(str(file))
    say(f"`moorage policy verify {folder}` runs its suite;")
    say(f"`moorage policy test --policies {policies}` judges by it")
    if not chosen:
        say(f"no cluster does until a set names it: add `- name: {name}` to one in sets/ (--set makes one)")
