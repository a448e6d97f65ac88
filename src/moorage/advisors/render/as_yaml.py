"""Advice as YAML: what it is in JSON, for people who read it."""

from __future__ import annotations

from typing import Any

import yaml

from moorage.advisors.advice import Advice
from moorage.advisors.render.as_json import as_json


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is given
        """Write the same object twice in full: nobody has to look for its anchor."""
        return True


def render(advice: Advice) -> str:
    """Return advice as YAML."""
    return to_yaml(as_json(advice))


def to_yaml(value: Any) -> str:
    """Return a value as YAML, in the order of its fields."""
    return str(
        yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False)
    )
