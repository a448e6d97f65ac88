"""The table of `moorage advice list`: as much of it as a line of the terminal holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from moorage.cli._columns import AGE, at
from moorage.cli._columns import project as project_of
from moorage.cli._describe_advice import state
from moorage.cli._output import Column, Record, table_width

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moorage.api.advice import Advice

_STYLES: Final = {"critical": "red", "high": "red", "medium": "yellow", "low": "dim"}
_SHORTEST: Final = 7
"""Of what tells advice apart: enough that new advice seldom begins so, too."""

_KINDS: Final = {
    "ServiceAccount": "sa",
    "Deployment": "deploy",
    "ReplicaSet": "rs",
    "StatefulSet": "sts",
    "DaemonSet": "ds",
    "CronJob": "cj",
}
"""As kubectl abbreviates them."""

_SEVERITY: Final = Column("Severity", lambda record: at(record, "spec", "severity"), _STYLES.get)
_STATE: Final = Column("State", state)
_SUBJECT: Final = Column("Subject", lambda record: at(record, "spec", "subject"))
_CODE: Final = Column("Code", lambda record: at(record, "spec", "code"))
_MORE: Final = (
    Column("Sure", lambda record: f"{at(record, 'spec', 'confidence')}%"),
    Column("Advisor", lambda record: at(record, "spec", "advisor")),
    AGE,
)


def shortened(items: Iterable[Advice]) -> dict[str, str]:
    """Return for each advice (``NAMESPACE/NAME``) the beginning of its name that commands take for it.

    Args:
        items: all advice that there is in their projects, whatever is shown of it.
    """
    found = {f"{item.metadata.namespace}/{item.metadata.name}": item for item in items}
    shared = dict.fromkeys(found, 0)
    for one, other in pairwise(sorted(found)):
        length = next(
            (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one)
        )
        shared[one], shared[other] = max(shared[one], length), length
    short = {}
    for key, item in found.items():
        place = len(str(item.metadata.namespace)) + 1
        least = len(item.spec.cluster) + 1 + _SHORTEST
        short[key] = item.metadata.name[: max(least, shared[key] - place + 1)]
    return short


def fitting(
    records: Sequence[Record], names: Mapping[str, str], *, width: int | None, of_all: bool = False
) -> tuple[Column, ...]:
    """Return the columns that a line has room for.

    Where there is room for all of it, nothing is left out. Where not, names become as short as they can be;
    then what tells least goes; then kinds are abbreviated.

    Args:
        records: what is shown.
        names: the shortest of each (`shortened`).
        width: of the terminal; ``None`` where the output is none.
        of_all: whether it is shown of which project each is.
    """

    def short(record: Record) -> str:
        metadata = record["metadata"]
        return names[f"{metadata['namespace']}/{metadata['name']}"]

    of = (Column("Project", project_of),) if of_all else ()
    name, cut = Column("Name", lambda record: at(record, "metadata", "name")), Column("Name", short)
    brief = Column("Subject", _abbreviated)
    tried = [(*of, name, _SEVERITY, _STATE, _SUBJECT, _CODE, *_MORE)]
    tried += [
        (*of, cut, _SEVERITY, _STATE, _SUBJECT, _CODE, *_MORE[:count]) for count in range(len(_MORE), -1, -1)
    ]
    tried.append((*of, cut, _SEVERITY, _STATE, brief, _CODE))
    if width is None or not records:
        return tried[0]
    return next((columns for columns in tried if table_width(columns, records) <= width), tried[-1])


def _abbreviated(record: Record) -> str:
    kind, space, rest = at(record, "spec", "subject").partition(" ")
    return f"{_KINDS.get(kind, kind)}{space}{rest}"
