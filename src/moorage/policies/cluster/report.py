"""Summing up what audits find, so that it stays small whatever they find.

Ten thousand violations are ten thousand lines that the engine tells and nobody stores. What an API server
stores is one object a cluster: counts by namespace and policy, a few examples, and how many there were
before.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from lightkube import AsyncClient

from moorage.api.policyreport import (
    EXAMPLES_MAX,
    ROWS_MAX,
    PolicyReport,
    PolicyReportStatus,
    ReportedBundle,
    ReportExample,
    ReportRow,
    Totals,
    TrendPoint,
)
from moorage.kube.kinds import Object
from moorage.kube.objects import apply, apply_status, get
from moorage.local.gatekeeper import Audit
from moorage.policies.cluster.gatekeeper_kinds import FIELD_MANAGER, POLICY_REPORT
from moorage.policies.cluster.sources import Taken
from moorage.policies.cluster.wanted import ConstraintKey, Meaning, Wanted
from moorage.policies.model import Action

logger = logging.getLogger(__name__)

EXAMPLES_OF_A_POLICY: Final = 3
HOURLY: Final = timedelta(hours=24)
DAILY: Final = timedelta(days=31)
_LOOKED_AGAIN: Final = timedelta(minutes=10)
"""How often a report that says nothing new is written all the same: so that it shows that somebody looks."""

REST: Final = "*"
"""The policy of the row that has what is left over."""


def summarise(
    audit: Audit,
    meanings: Mapping[ConstraintKey, Meaning],
    bundles: Iterable[ReportedBundle],
    before: Sequence[TrendPoint],
) -> PolicyReportStatus:
    """Return what an audit has found, summed up. Pure.

    What others than ours have found is left aside: constraints that somebody has added by hand.

    Args:
        audit: what was found.
        meanings: what each constraint stands for.
        bundles: what it was judged by.
        before: how many there were before.
    """
    rows: Counter[tuple[str, str, Action, str]] = Counter()
    totals: Counter[Action] = Counter()
    for found in audit.found:
        meaning = meanings.get(ConstraintKey(found.constraint_kind, found.constraint))
        if meaning is not None:
            rows[found.namespace, meaning.policy, meaning.action, meaning.severity] += found.count
            totals[meaning.action] += found.count
    point = TrendPoint(
        at=audit.at,
        enforce=totals[Action.ENFORCE],
        warn=totals[Action.WARN],
        audit=totals[Action.AUDIT],
    )
    return PolicyReportStatus(
        audited=audit.at,
        bundles=list(bundles),
        totals=Totals(enforce=point.enforce, warn=point.warn, audit=point.audit),
        rows=_rows(rows),
        examples=_examples(audit, meanings),
        trend=thin([*before, point], audit.at),
    )


def thin(points: Iterable[TrendPoint], now: datetime) -> list[TrendPoint]:
    """Keep the last point of each hour for a day, and of each day for a month. Pure."""
    kept: dict[tuple[int, ...], TrendPoint] = {}
    for point in sorted(points, key=lambda point: point.at):
        age = now - point.at
        if age > DAILY:
            continue
        day = (point.at.year, point.at.month, point.at.day)
        kept[(*day, point.at.hour) if age <= HOURLY else day] = point
    return sorted(kept.values(), key=lambda point: point.at)


class Reporter:
    """Keeps the report of one cluster."""

    def __init__(self, management: AsyncClient, owner: Object, clock: Callable[[], datetime]) -> None:
        self._management = management
        self._owner = owner
        self._clock = clock
        self._last: datetime | None = None

    async def report(self, audit: Audit | None, wanted: Wanted, taken: Sequence[Taken]) -> None:
        """Write the report, when there was an audit since the last one."""
        if audit is None or audit.at == self._last:
            return
        name, namespace = str(self._owner["name"]), str(self._owner["namespace"])
        found = await get(self._management, POLICY_REPORT, name, namespace)
        old = PolicyReport.parse(found).status if found is not None else None
        bundles = [ReportedBundle(reference=item.library.origin, digest=item.digest) for item in taken]
        new = summarise(audit, wanted.meanings, bundles, old.trend if old is not None else ())
        if old is None or not _same(old, new):
            await self._write(name, namespace, new, there=found is not None)
        self._last = audit.at

    async def _write(self, name: str, namespace: str, status: PolicyReportStatus, *, there: bool) -> None:
        metadata: Object = {"name": name, "namespace": namespace}
        if not there:
            owner = {
                "apiVersion": "moorage.dev/v1alpha1",
                "kind": "KubernetesCluster",
                "name": name,
                "uid": self._owner["uid"],
            }
            content = {"metadata": {**metadata, "ownerReferences": [owner]}}
            await apply(self._management, POLICY_REPORT, content, field_manager=FIELD_MANAGER)
        await apply_status(
            self._management,
            POLICY_REPORT,
            {"metadata": metadata, "status": status.model_dump(mode="json", by_alias=True)},
            field_manager=FIELD_MANAGER,
        )


def _same(old: PolicyReportStatus, new: PolicyReportStatus) -> bool:
    """Say whether a report says nothing new, so that it need not be written this time.

    That it was looked again is news now and then.
    """
    if (old.rows, old.examples, old.totals, old.bundles) != (new.rows, new.examples, new.totals, new.bundles):
        return False
    return old.audited is not None and new.audited is not None and new.audited - old.audited < _LOOKED_AGAIN


def _rows(counts: Mapping[tuple[str, str, Action, str], int]) -> list[ReportRow]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rows = [
        ReportRow(namespace=namespace, policy=policy, action=str(action), severity=severity, violations=count)
        for (namespace, policy, action, severity), count in ordered[:ROWS_MAX]
    ]
    if rest := sum(count for _, count in ordered[ROWS_MAX:]):
        rows.append(ReportRow(namespace="", policy=REST, action=REST, severity="", violations=rest))
    return rows


def _examples(audit: Audit, meanings: Mapping[ConstraintKey, Meaning]) -> list[ReportExample]:
    taken: Counter[str] = Counter()
    found = []
    for example in audit.examples:
        meaning = meanings.get(ConstraintKey(example.constraint_kind, example.constraint))
        if meaning is None or taken[meaning.policy] >= EXAMPLES_OF_A_POLICY:
            continue
        taken[meaning.policy] += 1
        found.append(
            ReportExample(
                policy=meaning.policy,
                namespace=example.namespace,
                kind=example.kind,
                name=example.name,
                message=example.message,
            )
        )
    return found[:EXAMPLES_MAX]
