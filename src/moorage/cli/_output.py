"""What commands print: tables for people, JSON, YAML and names for programs."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest
from typing import Annotated, Any, TextIO

import typer

from moorage.cli._wrap import wrapped

Record = Mapping[str, Any]
"""One thing that is printed: an API object, or what else has fields."""


class Output(StrEnum):
    """How a command prints what it found."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="How to print the result.")]
"""The option ``-o`` of every command that prints things."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Args:
        title: Its heading.
        value: What it shows of a record; an empty text is shown as ``-``.
        style: The style of a text (see `paint`), where a colour says more.
    """

    title: str
    value: Callable[[Record], str]
    style: Callable[[str], str | None] | None = None


def print_records(
    records: Sequence[Record],
    output: Output,
    *,
    columns: Sequence[Column],
    name: Callable[[Record], str] = lambda record: str(record["name"]),
    nothing: str | None = None,
    whole: bool = False,
) -> None:
    """Print things that are not API objects. JSON and YAML are a plain list.

    Args:
        records: What to print.
        output: How to print it.
        columns: The table.
        name: What ``-o name`` prints of each.
        nothing: What a person is told, on stderr, when there is none.
        whole: Whether the last column is shown in full also where the terminal is too narrow.
    """
    match output:
        case Output.TABLE:
            if records:
                print_table(columns, records, whole=whole)
            elif nothing:
                say(nothing)
        case Output.NAME:
            for record in records:
                write(name(record))
        case _:
            dump(list(records), output)


def print_objects(
    objects: Sequence[Record],
    output: Output,
    *,
    columns: Sequence[Column],
    nothing: str | None = None,
    whole: bool = False,
) -> None:
    """Print API objects as ``kubectl`` does: JSON and YAML are a ``List``, a name is ``kind.group/name``.

    A table is that of `print_records`.
    """
    if output in (Output.JSON, Output.YAML):
        items = [as_printed(item) for item in objects]
        dump({"apiVersion": "v1", "kind": "List", "items": items}, output)
    else:
        print_records(objects, output, columns=columns, name=object_name, nothing=nothing, whole=whole)


def print_object(item: Record, output: Output, *, columns: Sequence[Column]) -> None:
    """Print one API object: JSON and YAML are the object itself."""
    if output in (Output.JSON, Output.YAML):
        dump(as_printed(item), output)
    else:
        print_records([item], output, columns=columns, name=object_name)


def object_name(item: Record) -> str:
    """Return an API object's name as ``kubectl`` takes it: ``kubernetescluster.moorage.dev/web``."""
    group, slash, _ = str(item.get("apiVersion", "")).partition("/")
    kind = str(item.get("kind", "")).lower()
    return f"{kind}.{group}/{item['metadata']['name']}" if slash else f"{kind}/{item['metadata']['name']}"


def as_printed(item: Record) -> dict[str, Any]:
    """Return an API object without the API server's book-keeping of who wrote which field."""
    metadata = {key: value for key, value in item["metadata"].items() if key != "managedFields"}
    head = {key: item[key] for key in ("apiVersion", "kind") if key in item}
    return {
        **head,
        "metadata": metadata,
        **{key: item[key] for key in item if key not in (*head, "metadata")},
    }


def dump(value: Any, output: Output) -> None:
    """Print a value as JSON or YAML."""
    if output is Output.YAML:
        write(to_yaml(value), end="")
    else:
        write(json.dumps(_plain(value), indent=2, ensure_ascii=False))


def dump_manifests(objects: Sequence[Record], output: Output = Output.YAML) -> None:
    """Print objects as ``kubectl apply -f -`` takes them: YAML documents, or a JSON List."""
    if output is Output.JSON:
        dump({"apiVersion": "v1", "kind": "List", "items": [dict(item) for item in objects]}, output)
    elif output is Output.NAME:
        for item in objects:
            write(object_name(item))
    else:
        write("---\n".join(to_yaml(item) for item in objects), end="")


def to_yaml(value: Any) -> str:
    """Return a value as YAML, in the order of its fields."""
    import yaml

    text = yaml.safe_dump(_plain(value), sort_keys=False, allow_unicode=True, default_flow_style=False)
    return str(text)


def print_table(columns: Sequence[Column], records: Sequence[Record], *, whole: bool = False) -> None:
    """Print a table as narrow as its content; on a terminal the last column is cut where the line ends.

    With ``whole`` nothing of it is lost: columns go on in the next lines, those of many words first.
    """
    from rich.cells import cell_len, set_cell_size

    rows = [[column.title.upper() for column in columns]]
    rows += [[" ".join(column.value(record).split()) or "-" for column in columns] for record in records]
    widths = [max(map(cell_len, cells)) for cells in zip(*rows, strict=True)]
    gaps = len(_GAP) * (len(widths) - 1)
    if whole and (width := terminal_width()):
        widths[:-1] = _narrowed(rows, widths, width - gaps)
    room = (terminal_width() or sys.maxsize) - sum(widths[:-1]) - gaps
    indent = sum(widths[:-1]) + gaps
    for number, row in enumerate(rows):
        below: list[str] = []
        cells = [[text] for text in row]
        if whole and number:
            cells = [_wrapped(text, size) for text, size in zip(row, widths, strict=True)]
            if cell_len(row[-1]) <= room:
                cells[-1] = [row[-1]]
            elif room < _NARROWEST_WHOLE:
                indent = len(_GAP)
                below, cells[-1] = _wrapped(row[-1], (terminal_width() or 80) - indent), [""]
            else:
                cells[-1] = _wrapped(row[-1], room)
        elif cell_len(row[-1]) > max(room, _NARROWEST):
            cells[-1] = [set_cell_size(row[-1], max(room, _NARROWEST) - 1) + "…"]
        for texts in zip_longest(*cells, fillvalue=""):
            styles = ["bold" if number == 0 else column.style and column.style(row[place])
                      for place, column in enumerate(columns)]  # fmt: skip
            painted = [
                (paint(text, style) if text else "") + " " * (width - cell_len(text))
                for text, style, width in zip(texts, styles, widths, strict=True)
            ]
            write(_GAP.join(painted).rstrip())
        for line in below:
            write(" " * indent + line)


def table_width(columns: Sequence[Column], records: Sequence[Record]) -> int:
    """Return how wide a table is where nothing limits it."""
    from rich.cells import cell_len

    gaps = len(_GAP) * (len(columns) - 1)
    return gaps + sum(
        max(cell_len(column.title), *(cell_len(" ".join(column.value(each).split())) for each in records))
        for column in columns
    )


def _narrowed(rows: Sequence[Sequence[str]], widths: Sequence[int], width: int) -> list[int]:
    """Return how wide the columns before the last are to be, that it has room.

    What can be wrapped at words is made narrower first; names only where the others would not do.
    """
    from rich.cells import cell_len

    columns = list(zip(*rows, strict=True))[:-1]
    words = [max(cell_len(word) for cell in cells for word in (cell or "-").split()) for cells in columns]
    found = list(widths[:-1])
    for room, least in ((_NARROWEST_WHOLE, words), (0, [_NARROWEST] * len(found))):
        while sum(found) + min(room, widths[-1]) > width:
            place = max(range(len(found)), key=lambda each: found[each] - least[each], default=None)
            if place is None or found[place] <= max(least[place], _NARROWEST):
                break
            found[place] -= 1
    return found


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    broken = any(len(word) > width for word in text.split())  # a name stays in one piece, if it can
    return textwrap.wrap(text, width, break_on_hyphens=broken) or [""]


_GAP = "   "
_NARROWEST = 12
_NARROWEST_WHOLE = 20
_CODES = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33}


def paint(text: str, style: str | None, *, stream: TextIO | None = None) -> str:
    """Return a text in a style ("bold", "dim", "red", "green", "yellow") where colours are wanted."""
    stream = stream or sys.stdout
    if not style or not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m"


def terminal_width() -> int | None:
    """Return how long a line of the terminal is; ``None`` where the output is not a terminal."""
    if not sys.stdout.isatty():
        return None
    return shutil.get_terminal_size().columns


def health_style(text: str) -> str | None:
    """Return the style of a word that says whether something is well."""
    return {"True": "green", "False": "red", "Unknown": "yellow"}.get(text)


def write(text: str, *, end: str = "\n") -> None:
    """Print a line of the result."""
    sys.stdout.write(text + end)


def say(text: str) -> None:
    """Tell a person what happens; on stderr, so that a result can be piped on."""
    sys.stderr.write(wrapped(text, sys.stderr) + "\n")
    sys.stderr.flush()


def _plain(value: Any) -> Any:
    """Return a value made of JSON's own types only; API objects are mappings of their own class."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, str | int | float | bool) or value is None:
        return str(value) if isinstance(value, StrEnum) else value
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    return str(value)
