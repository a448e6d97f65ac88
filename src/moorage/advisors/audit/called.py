"""Who called what in a version that goes, by the day: added segment by segment, and read back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import Connection, select

from moorage.advisors.apis.counting import MOST_NAMESPACES, OTHER, Call, Times
from moorage.advisors.audit import schema
from moorage.advisors.audit.rows import digest, first_day, parts, put, room_for, text_of

CALLS: Final = 2_000
"""How many different calls are kept of a cluster's day; beyond that, callers are not told apart."""

_VERBS: Final = 20
_WORD_MAX: Final = 253
_Row = tuple[int, int, str, str, list[str], list[str]]
_json: Final = msgspec.json.Encoder().encode
_times: Final = msgspec.json.Decoder(_Row).decode
_what: Final = msgspec.json.Decoder(tuple[str, str, str, str, str, str]).decode


def add(connection: Connection, cluster: str, day: str, calls: Mapping[Call, Times]) -> int:
    """Add calls to those of a day; return how many of them are new, or do something new."""
    found: dict[Call, Times] = {}
    for call, times in calls.items():
        found.setdefault(_bounded(call), Times()).add(times)
    if not found:
        return 0
    before = _read(connection, cluster, day, found)
    new = [call for call in sorted(found) if call not in before]
    for call in new[room_for(connection, schema.calls, cluster, day, most=CALLS) :]:
        # What is called is told all the same, and nothing is lost of how often.
        found.setdefault(_by_others(call), Times()).add(found.pop(call))
    before |= _read(connection, cluster, day, found.keys() - before.keys())
    news, rows = 0, []
    for call, times in sorted(found.items(), key=lambda item: item[0]):
        known = before.get(call)
        verbs = set(known.verbs) if known is not None else set()
        if known is not None:
            times.add(known)
        news += known is None or not times.verbs <= verbs
        what = _json(call)
        rows.append(
            {"cluster": cluster, "day": day, "key": digest(what), "what": what, "times": _told(times)}
        )
    put(connection, schema.calls, rows, ("times",))
    return news


def read(connection: Connection, cluster: str, *, since: datetime) -> dict[Call, Times]:
    """Return the calls of those who have called since a time; counts are of whole days."""
    table, found, begin = schema.calls, dict[Call, Times](), text_of(since)
    query = select(table.c.what, table.c.times).where(
        table.c.cluster == cluster, table.c.day >= first_day(since)
    )
    for row in connection.execute(query):
        found.setdefault(Call(*_what(row.what)), Times()).add(_seen(row.times))
    return {call: times for call, times in found.items() if times.last >= begin}


def _read(connection: Connection, cluster: str, day: str, calls: Collection[Call]) -> dict[Call, Times]:
    table, found = schema.calls, dict[Call, Times]()
    query = select(table.c.what, table.c.times).where(table.c.cluster == cluster, table.c.day == day)
    for part in parts([digest(_json(call)) for call in calls]):
        for row in connection.execute(query.where(table.c.key.in_(part))):
            found[Call(*_what(row.what))] = _seen(row.times)
    return found


def _by_others(call: Call) -> Call:
    return call._replace(username=OTHER, agent=OTHER)


def _bounded(call: Call) -> Call:
    """Cut what somebody may have written as long as they like."""
    return Call(*(word[:_WORD_MAX] for word in call))


def _told(times: Times) -> bytes:
    # One namespace more than is shown tells that there are more; the first ones are the same in any order.
    namespaces = sorted(each[:_WORD_MAX] for each in times.namespaces)[: MOST_NAMESPACES + 2]
    verbs = sorted(each[:_WORD_MAX] for each in times.verbs)[:_VERBS]
    return _json((times.count, times.failed, times.first, times.last, verbs, namespaces))


def _seen(told: bytes) -> Times:
    times = Times()
    times.count, times.failed, times.first, times.last, verbs, namespaces = _times(told)
    times.verbs.update(verbs)
    times.namespaces.update(namespaces)
    return times
