"""Charts in a chart: what they are given, the chart around them says under their names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from moorage.advisors.sources.text import documents_in

CHARTS: Final = "charts"
VALUES: Final = "values.yaml"


def is_inside(folder: Path, file: Path) -> bool:
    """Say whether a file belongs to a chart in the chart, which is replaced when it is fetched again."""
    return file.is_relative_to(folder / CHARTS)


def values_of(folder: Path, texts: Mapping[Path, str]) -> dict[Path, str]:
    """Return the files with the values of the charts directly in a chart, each with what it is called there.

    One that is in the chart under several names is left out: its own values are those of all of them.
    """
    names: dict[str, list[str]] = {}
    for entry in _dependencies(texts.get(folder / "Chart.yaml", "")):
        name, alias = entry.get("name"), entry.get("alias")
        names.setdefault(str(name), []).append(str(alias or name))
    found: dict[Path, str] = {}
    for file in texts:
        inside = file.relative_to(folder).parts if file.is_relative_to(folder) else ()
        if len(inside) == 3 and (inside[0], inside[2]) == (CHARTS, VALUES):  # noqa: PLR2004 - charts/NAME/values.yaml
            called = names.get(inside[1], [inside[1]])
            if len(called) == 1:
                found[file] = called[0]
    return found


def _dependencies(text: str) -> list[dict[str, Any]]:
    found = [document.value for document in documents_in(text)]
    entries = found[0].get("dependencies") if found and isinstance(found[0], dict) else None
    return [each for each in entries if isinstance(each, dict)] if isinstance(entries, list) else []
