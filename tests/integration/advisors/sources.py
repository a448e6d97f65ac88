"""What tests about sources look at."""

from __future__ import annotations

from moorage.advisors.sources.patching import unified_diff
from moorage.advisors.sources.placing import Placed


def changes(found: Placed) -> list[str]:
    """The files that are edited, and what is different in them."""
    diff = unified_diff(found.before, found.after).splitlines()
    return [line for line in diff if line.startswith(("+++", "-", "+")) and not line.startswith("---")]
