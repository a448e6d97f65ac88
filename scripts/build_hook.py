"""What a wheel holds beside the package: the policy library. An editable install has the checkout's own."""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class LibraryBuildHook(BuildHookInterface[Any]):
    """Puts the policy library where `moorage.policies.load` finds it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Say which folder goes where; called by hatchling."""
        if version == "standard":
            build_data["force_include"]["policies"] = "moorage/policies/library"
