"""What the audit log of a cluster tells of recent requests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from moorage.policies.cluster.preview import audit_log_files, labels_of, opted_in, read_audit_log, read_files
from moorage.policies.model import Action


def event(verb: str = "create", **more: Any) -> dict[str, Any]:
    pod = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "web"}, "spec": {}}
    return {
        "stage": "ResponseComplete",
        "verb": verb,
        "requestURI": "/api/v1/namespaces/shop/pods",
        "requestReceivedTimestamp": "2026-11-24T12:00:00.000000Z",
        "user": {"username": "moorage:member-bob", "groups": ["moorage:members"]},
        "objectRef": {"resource": "pods", "namespace": "shop", "apiVersion": "v1"},
        "requestObject": pod,
        "responseObject": {**pod, "metadata": {"name": "web", "namespace": "shop", "uid": "1"}},
        **more,
    }


def read(*events: dict[str, Any]) -> Any:
    return read_audit_log(json.dumps(item) for item in events)


def test_a_request_is_what_was_stored_of_it() -> None:
    [request] = read(event()).requests
    assert request.user == "moorage:member-bob"
    assert request.content["metadata"] == {"name": "web", "namespace": "shop", "uid": "1"}


def test_what_was_refused_is_what_was_sent() -> None:
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 403}
    [request] = read(event(responseObject=status)).requests
    assert request.content["metadata"] == {"name": "web", "namespace": "shop"}


def test_what_would_not_be_judged_is_none() -> None:
    log = read(
        event(verb="get"),
        event(verb="delete"),
        event(stage="RequestReceived"),
        event(user={"username": "kubernetes-admin", "groups": ["system:masters"]}),
        event(requestURI="/api/v1/namespaces/shop/pods?dryRun=All"),
        event(objectRef={"resource": "pods", "subresource": "status", "namespace": "shop"}),
        event(objectRef={"resource": "secrets", "namespace": "shop"}),
    )
    assert log.requests == ()
    assert log.without_object == 0


def test_what_was_not_kept_is_counted() -> None:
    bare = {key: value for key, value in event().items() if not key.endswith("Object")}
    patch = event(verb="patch", requestObject={"spec": {}}, responseObject={"kind": "Status"})
    log = read(bare, patch)
    assert (log.requests, log.without_object) == ((), 2)


def test_a_line_that_is_half_written_is_passed_over() -> None:
    lines = [json.dumps(event()), "", json.dumps(event())[:50], "[]", "7"]
    assert len(read_audit_log(lines).requests) == 1
    assert read_audit_log([]).since is None


def test_what_was_rotated_away_comes_first(tmp_path: Path) -> None:
    for name in ("audit.log", "audit-2026-11-24T10-00-00.000.log", "audit-2026-11-23T10-00-00.000.log"):
        (tmp_path / name).write_text(f"{name}\n")
    lines = list(read_files(audit_log_files(tmp_path / "audit.log")))
    assert [line[:13] for line in lines] == ["audit-2026-11", "audit-2026-11", "audit.log\n"]
    assert lines[0] < lines[1]


def test_opting_in_changes_those_who_would() -> None:
    namespaces = labels_of(
        {"metadata": {"name": name, "labels": {"team": "a"}}} for name in ("shop", "other")
    )
    label = "policy.moorage.dev/baseline"
    found = opted_in(namespaces, {"baseline": Action.WARN}, ["shop"])
    assert found == {"shop": {"team": "a", label: "warn"}, "other": {"team": "a"}}
    assert all(label in labels for labels in opted_in(namespaces, {"baseline": Action.WARN}, []).values())
