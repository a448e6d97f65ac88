"""What a change would refuse, judged by the engine: only what is new, and only where it is asked about."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.unit.policies.builders import library, policy_files, set_files

from moorage.errors import MoorageError
from moorage.policies.cluster.preview import AuditLog, Preview, Request, labels_of, opted_in, preview
from moorage.policies.compiling import compile_policies
from moorage.policies.model import Action

NOW = datetime(2027, 1, 1, tzinfo=UTC)
LIBRARY = library(policy_files("names"), set_files("low", ["names"]), set_files("high", ["names"]))
NAMESPACES = labels_of(
    {"metadata": {"name": name, "labels": labels}}
    for name, labels in {
        "free": {},
        "warned": {"policy.moorage.dev/low": "warn"},
        "judged": {"policy.moorage.dev/low": "enforce"},
    }.items()
)


def pod(namespace: str) -> dict[str, Any]:
    spec = {"containers": [{"name": "web", "image": "web:1"}]}
    metadata = {"name": "bad", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def ask(gator: Path, asked: dict[str, Action], *only: str) -> Preview:
    return preview(
        compile_policies([LIBRARY], now=NOW),
        live=[pod(name) for name in NAMESPACES],
        log=AuditLog((Request(NOW, "bob", "create", pod("free")),), 0, NOW),
        namespaces=opted_in(NAMESPACES, asked, only),
        before=NAMESPACES if asked else None,
        only=only,
        gator=gator,
    )


def rows(found: Preview) -> list[tuple[str, str, int, int]]:
    return sorted((row.namespace, str(row.action), row.objects, row.requests) for row in found.rows)


def test_what_is_refused_already_is_no_news(gator: Path) -> None:
    found = ask(gator, {"high": Action.ENFORCE})
    assert rows(found) == [("free", "enforce", 1, 1), ("warned", "enforce", 1, 0)]
    assert found.already == 1


def test_a_warning_is_no_news_where_it_is_enforced(gator: Path) -> None:
    found = ask(gator, {"high": Action.WARN})
    assert rows(found) == [("free", "warn", 1, 1)]
    assert found.already == 2


def test_only_the_namespaces_that_are_named_are_looked_at(gator: Path) -> None:
    found = ask(gator, {"high": Action.ENFORCE}, "warned")
    assert rows(found) == [("warned", "enforce", 1, 0)]
    assert (found.objects, found.requests) == (1, 0)


def test_without_an_opt_in_everything_is_told(gator: Path) -> None:
    found = ask(gator, {})
    assert rows(found) == [("judged", "enforce", 1, 0), ("warned", "warn", 1, 0)]
    assert found.already == 0


def test_a_library_that_does_not_compile_is_no_bundle(gator: Path) -> None:
    from moorage.cli._trying import require_judging

    require_judging(LIBRARY)
    code = {"failurePolicy": "Fail", "validations": [{"expression": "nonsense(", "message": "no"}]}
    with pytest.raises(MoorageError, match="policy broken: its template: "):
        require_judging(library(policy_files("broken", code=code), policy_files("names")))


def test_a_set_of_policies_that_are_elsewhere_is_no_fault_of_a_library(gator: Path) -> None:
    from moorage.cli._trying import require_judging

    require_judging(library(policy_files("names"), set_files("ours", ["names", "of-the-company"])))
