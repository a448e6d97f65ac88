"""What was counted, in a database: written segment by segment, read back as what was used.

A segment's counts and its name are stored in one transaction: whatever is killed when, it counts once. One
process at a time writes the counts of a cluster; any number read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Engine, delete, func, select, update

from moorage.advisors.apis.counting import Call, Times
from moorage.advisors.audit import called, schema
from moorage.advisors.audit.folding import DENIALS, Denial, Folded
from moorage.advisors.audit.rows import AT_ONCE, digest, first_day, parts, put, room_for, text_of
from moorage.advisors.evidence import migrate, reading, upsert, writing
from moorage.advisors.permissions.model import Request, Tally, Usage, Who
from moorage.advisors.permissions.store import Store

SOURCE: Final = "audit events of the cluster"

ROWS: Final = 100_000
"""How many different things done in a cluster are kept of a day; whoever may impersonate may invent users."""

_DIGESTS_FOR: Final = timedelta(minutes=30)
"""How long an API server may go on sending the same list again; it gives up much sooner."""

_NAMES_FOR: Final = timedelta(days=1)
_json: Final = msgspec.json.Encoder().encode
_names: Final = msgspec.json.Decoder(dict[str, list[Any]]).decode
_what: Final = msgspec.json.Decoder(tuple[str, str, str, str, str, int]).decode
_who: Final = msgspec.json.Decoder(tuple[str, tuple[str, ...]]).decode
_refused: Final = msgspec.json.Decoder(list[tuple[list[str], int, str]]).decode


@dataclass(frozen=True, slots=True)
class Signal:
    """What whoever gives advice looks at every few seconds.

    Args:
        since: since when the cluster's events come in.
        changes: grows when roles, bindings or ServiceAccounts are written.
        denials: grows when somebody is refused something.
        deprecated: grows when somebody begins to call something in a version that goes.
        followed: grows when somebody follows an advice, or takes one back.
    """

    since: datetime
    changes: int
    denials: int
    deprecated: int = 0
    followed: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """What a user was refused.

    Args:
        who: the user.
        denials: the requests, the latest first.
    """

    who: Who
    denials: tuple[Denial, ...]


class Counts:
    """What was counted of all clusters.

    Every method blocks, and raises a DatabaseError when the database cannot be used.

    Args:
        database: where they are; the tables are made, or brought up to date.
    """

    def __init__(self, database: Engine) -> None:
        self._database = database
        migrate(database, schema.PART, schema.MIGRATIONS)

    def enter(self, cluster: str, *, now: datetime) -> None:
        """Take note that a cluster's events come in from now on, if that is not known."""
        with writing(self._database) as connection:
            self._enter(connection, cluster, now)

    def store(self, cluster: str, segment: str, folded: Folded, *, now: datetime) -> bool:
        """Add the counts of a segment; say whether they were not there yet. All of it or nothing."""
        day = now.astimezone(UTC).date().isoformat()
        with writing(self._database) as connection:
            self._enter(connection, cluster, now)
            row = {
                "cluster": cluster,
                "segment": segment,
                "folded": now,
                "digests": folded.digests,
            }
            new = upsert(connection, schema.segments).values(row).on_conflict_do_nothing()
            # Not by the number of rows: psycopg does not tell it of an INSERT.
            if connection.execute(new.returning(schema.segments.c.segment)).first() is None:
                return False
            # Before anything is read: this row is what another writer would wait for.
            connection.execute(
                update(schema.clusters)
                .where(schema.clusters.c.cluster == cluster)
                .values(
                    changes=schema.clusters.c.changes + int(folded.changes),
                    denials=schema.clusters.c.denials + int(bool(folded.denials)),
                    followed=schema.clusters.c.followed + int(folded.followed),
                )
            )
            left_out = self._add_uses(connection, cluster, day, folded)
            left_out += self._add_denials(connection, cluster, day, folded)
            self._add_day(connection, cluster, day, folded, left_out)
            if news := called.add(connection, cluster, day, folded.calls):
                connection.execute(
                    update(schema.clusters)
                    .where(schema.clusters.c.cluster == cluster)
                    .values(deprecated=schema.clusters.c.deprecated + news)
                )
        return True

    def has(self, cluster: str, segment: str) -> bool:
        """Say whether a segment is counted."""
        table = schema.segments
        query = select(table.c.segment).where(table.c.cluster == cluster, table.c.segment == segment)
        with reading(self._database) as connection:
            return connection.execute(query).first() is not None

    def digests(self, cluster: str) -> list[bytes]:
        """Return the digests of the events that were counted last, in the order of the counting."""
        table = schema.segments
        query = select(table.c.digests).where(table.c.cluster == cluster).order_by(table.c.segment)
        with reading(self._database) as connection:
            return [row.digests for row in connection.execute(query) if row.digests]

    def signals(self) -> dict[str, Signal]:
        """Return how far each cluster is."""
        with reading(self._database) as connection:
            return {
                row.cluster: Signal(row.since, row.changes, row.denials, row.deprecated, row.followed)
                for row in connection.execute(select(schema.clusters))
            }

    def usage(self, cluster: str, *, since: datetime) -> Usage:
        """Return what was used in a cluster since a time, and perhaps for a day before it."""
        first = first_day(since)
        store, tally, named = Store(), Tally(), set[str]()
        with reading(self._database) as connection:
            whos = self._users(connection, cluster)
            table = schema.uses
            query = select(table.c.user, table.c.what, table.c.names)
            for row in connection.execute(query.where(table.c.cluster == cluster, table.c.day >= first)):
                store.merge([(whos[row.user], [(_what(row.what), _names(row.names))])], {})
            denied = schema.denials
            refusals = select(denied.c.user, denied.c.refusals)
            refusals = refusals.where(denied.c.cluster == cluster, denied.c.day >= first)
            for user, count in connection.execute(refusals):
                store.merge([], {whos[user]: count})
            days = schema.days
            counted = select(days).where(days.c.cluster == cluster, days.c.day >= first)
            for day in connection.execute(counted):
                tally.add(Tally(day.events, day.duplicates, day.stages, day.corrupt, bytes=day.bytes))
                named.update(msgspec.json.decode(day.named))
        return Usage(
            seen=dict(store.seen()),
            denied=dict(store.denied),
            tally=tally,
            days=frozenset(named),
            sources=(SOURCE,),
        )

    def calls(self, cluster: str, *, since: datetime) -> dict[Call, Times]:
        """Return who has called what in a version that goes since a time; counts are of whole days."""
        with reading(self._database) as connection:
            return called.read(connection, cluster, since=since)

    def left_out(self, cluster: str, *, since: datetime) -> int:
        """Return how many different things were done since a time that were too many to be kept.

        Where there are any, nothing can be called unused.
        """
        first, days = first_day(since), schema.days
        query = select(func.sum(days.c.left_out)).where(days.c.cluster == cluster, days.c.day >= first)
        with reading(self._database) as connection:
            return int(connection.execute(query).scalar() or 0)

    def refused(self, cluster: str, *, since: datetime) -> list[Refused]:
        """Return who was refused what since a time."""
        begin = since.astimezone(UTC)
        table = schema.denials
        query = select(table).where(table.c.cluster == cluster, table.c.day >= begin.date().isoformat())
        found: dict[Who, list[Denial]] = {}
        with reading(self._database) as connection:
            whos = self._users(connection, cluster)
            for row in connection.execute(query):
                denials = [each for each in _denials(row.requests) if each.last >= text_of(begin)]
                if denials:
                    found.setdefault(whos[row.user], []).extend(denials)
        return [
            Refused(who, tuple(sorted(denials, key=lambda each: each.last, reverse=True)))
            for who, denials in sorted(found.items())
        ]

    def clusters(self) -> list[str]:
        """Return the clusters of which there is anything."""
        with reading(self._database) as connection:
            return sorted(connection.execute(select(schema.clusters.c.cluster)).scalars())

    def forget(self, cluster: str) -> None:
        """Remove all that there is of a cluster."""
        with writing(self._database) as connection:
            for table in schema.OF_A_CLUSTER:
                connection.execute(delete(table).where(table.c.cluster == cluster))

    def prune(self, *, now: datetime, keep: timedelta) -> None:
        """Remove the counts of days that are over for long, and what was remembered of segments.

        Users of whom nothing is left go with the days.
        """
        last = (now.astimezone(UTC) - keep - timedelta(days=1)).date().isoformat()
        segments, users = schema.segments, schema.users
        with writing(self._database) as connection:
            gone = 0
            for table in (schema.uses, schema.denials, schema.days, schema.calls):
                gone += connection.execute(delete(table).where(table.c.day < last)).rowcount
            over = segments.c.folded < now - _DIGESTS_FOR
            connection.execute(update(segments).where(over, segments.c.digests != b"").values(digests=b""))
            connection.execute(delete(segments).where(segments.c.folded < now - _NAMES_FOR))
            if gone:
                held = [
                    select(table.c.user)
                    .where(table.c.cluster == users.c.cluster, table.c.user == users.c.user)
                    .exists()
                    for table in (schema.uses, schema.denials)
                ]
                connection.execute(delete(users).where(~held[0], ~held[1]))

    def _enter(self, connection: Connection, cluster: str, now: datetime) -> None:
        row = {"cluster": cluster, "since": now, "changes": 0, "denials": 0, "deprecated": 0, "followed": 0}
        connection.execute(upsert(connection, schema.clusters).values(row).on_conflict_do_nothing())

    def _users(self, connection: Connection, cluster: str) -> dict[bytes, Who]:
        table = schema.users
        rows = connection.execute(select(table.c.user, table.c.who).where(table.c.cluster == cluster))
        return {row.user: Who(*_who(row.who)) for row in rows}

    def _add_users(self, connection: Connection, cluster: str, whos: Iterable[Who]) -> None:
        rows = [{"cluster": cluster, "user": digest(_told(who)), "who": _told(who)} for who in whos]
        for part in parts(rows):
            connection.execute(upsert(connection, schema.users).values(part).on_conflict_do_nothing())

    def _add_uses(self, connection: Connection, cluster: str, day: str, folded: Folded) -> int:
        """Add what was seen; return how much of it was too much."""
        found = folded.store.rows()
        keys = {}
        for who, bases in found:
            user = digest(_told(who))
            for base, _ in bases:
                what = _json(base)
                keys[who, base] = (digest(user, what), what)
        # What was there, and then what is new: the store gives up names by all of them together.
        store, before = Store(), self._names(connection, cluster, day, [key for key, _ in keys.values()])
        for (who, base), (key, _) in keys.items():
            if key in before:
                store.merge([(who, [(base, _names(before[key]))])], {})
        store.merge(found, {})
        room = room_for(connection, schema.uses, cluster, day, most=ROWS)
        new = [key for key, _ in keys.values() if key not in before]
        excess = set(new[room:])
        rows, whos = [], dict[Who, None]()
        for who, bases in store.rows():
            for base, names in bases:
                key, what = keys[who, base]
                if key in excess:
                    continue
                whos[who] = None
                rows.append(
                    {
                        "cluster": cluster,
                        "day": day,
                        "key": key,
                        "user": digest(_told(who)),
                        "what": what,
                        "names": _json(names),
                    }
                )
        self._add_users(connection, cluster, whos)
        put(connection, schema.uses, rows, ("names",))
        return len(excess)

    def _names(
        self, connection: Connection, cluster: str, day: str, keys: Sequence[bytes]
    ) -> dict[bytes, bytes]:
        table, found = schema.uses, dict[bytes, bytes]()
        query = select(table.c.key, table.c.names).where(table.c.cluster == cluster, table.c.day == day)
        for part in parts(keys):
            found |= {row.key: row.names for row in connection.execute(query.where(table.c.key.in_(part)))}
        return found

    def _add_denials(self, connection: Connection, cluster: str, day: str, folded: Folded) -> int:
        """Add what was refused; return to how many users more than are kept."""
        counted, table, rows = folded.store.denied, schema.denials, list[dict[str, Any]]()
        room, excess, whos = room_for(connection, table, cluster, day, most=ROWS), 0, list[Who]()
        query = select(table).where(table.c.cluster == cluster, table.c.day == day)
        for who in sorted({*folded.denials, *counted}):
            key = digest(_told(who))
            before = connection.execute(query.where(table.c.user == key)).first()
            if before is None and room <= 0:
                excess += 1
                continue
            room -= before is None
            whos.append(who)
            latest = _latest([*(_denials(before.requests) if before else ()), *folded.denials.get(who, ())])
            rows.append(
                {
                    "cluster": cluster,
                    "day": day,
                    "user": key,
                    "refusals": counted.get(who, 0) + (before.refusals if before else 0),
                    "requests": _json([(list(each.request), each.count, each.last) for each in latest]),
                }
            )
        self._add_users(connection, cluster, whos)
        put(connection, table, rows, ("refusals", "requests"))
        return excess

    def _add_day(self, connection: Connection, cluster: str, day: str, folded: Folded, left_out: int) -> None:
        table, tally = schema.days, folded.tally
        query = select(table).where(table.c.cluster == cluster, table.c.day == day)
        before = connection.execute(query).first()
        named = {each for each in folded.store.days if _is_day(each)}
        row: dict[str, Any] = {"cluster": cluster, "day": day}
        for name in ("events", "duplicates", "stages", "corrupt", "bytes"):
            row[name] = getattr(tally, name) + (getattr(before, name) if before else 0)
        row["left_out"] = left_out + (before.left_out if before else 0)
        if before:
            named.update(msgspec.json.decode(before.named))
        row["named"] = msgspec.json.encode(sorted(named)[-AT_ONCE:]).decode()
        names = ("events", "duplicates", "stages", "corrupt", "bytes", "left_out", "named")
        put(connection, table, [row], names)


def _denials(requests: bytes) -> Iterator[Denial]:
    for words, count, last in _refused(requests):
        yield Denial(Request(*words), count, last)


def _latest(denials: Iterable[Denial]) -> list[Denial]:
    """Put the same requests together, and return those that were refused last."""
    together: dict[Request, Denial] = {}
    for each in denials:
        known = together.get(each.request)
        if known is not None:
            each = Denial(each.request, known.count + each.count, max(known.last, each.last))  # noqa: PLW2901
        together[each.request] = each
    return sorted(together.values(), key=lambda each: each.last, reverse=True)[:DENIALS]


def _told(who: Who) -> bytes:
    return _json((who.name, who.groups))


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
