"""Who wrote an object in which version: told by a change, brought about, and taken back."""

from __future__ import annotations

from typing import Any

from moorage.advisors.applying import writers
from moorage.advisors.applying.images import Images, Position, image
from moorage.advisors.applying.plan import Doing, Step, back, forward
from moorage.reports.findings import Action

OLD, NEW = "example.com/v1beta1", "example.com/v1"


def entry(manager: str, version: str, *, operation: str = "Update", **fields: Any) -> dict[str, Any]:
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": version,
        "time": "2026-10-01T00:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {f"f:{name}": {} for name in fields}},
    }


def named(version: str, manager: str = "ci") -> dict[str, Any]:
    return {"manager": manager, "operation": "Update", "apiVersion": version}


def widget(*entries: dict[str, Any], **spec: Any) -> dict[str, Any]:
    metadata = {"name": "one", "namespace": "shop", "managedFields": list(entries)}
    return {"apiVersion": NEW, "kind": "Widget", "metadata": metadata, "spec": spec or {"a": 1}}


CHANGE = {
    "apiVersion": NEW,
    "kind": "Widget",
    "metadata": {"name": "one", "namespace": "shop", "managedFields": [named(NEW)]},
}


def step(live: dict[str, Any]) -> Step:
    before = writers.with_told(live, [named(OLD)])
    after = {**live, "metadata": {"name": "one", "namespace": "shop"}}
    return Step.read(Step(Action.APPLY, CHANGE, Images(before, after)).written())


def test_it_is_told_where_an_object_stands_though_no_field_differs() -> None:
    live = widget(entry("ci", OLD, a=1))
    made = step(live)
    assert forward(made, live) is Doing.PATCH
    after = writers.written(live, CHANGE, made.images.before)
    assert made.images.position(after) is Position.AFTER
    assert (forward(made, after), back(made, after)) == (Doing.NOTHING, Doing.PUT)
    assert back(made, live) is Doing.NOTHING
    # Others may go on: fields that the change is not about do not count.
    assert forward(made, {**live, "spec": {"a": 7}}) is Doing.PATCH


def test_no_field_and_no_owner_is_lost_when_entries_become_one() -> None:
    live = widget(entry("ci", OLD, a=1, b=1), entry("ci", NEW, b=1, c=1), entry("other", OLD, d=1), a=1)
    after = writers.written(live, CHANGE, writers.with_told(live, [named(OLD)]))
    [mine, other] = after["metadata"]["managedFields"]
    assert (mine["apiVersion"], other["apiVersion"]) == (NEW, OLD)
    assert set(mine["fieldsV1"]["f:spec"]) == {"f:a", "f:b", "f:c"}
    assert after["spec"] == live["spec"]


def test_it_is_taken_back() -> None:
    live = widget(entry("ci", OLD, a=1), entry("kubelet", NEW, b=1))
    made = step(live)
    after = writers.written(live, CHANGE, made.images.before)
    assert writers.restored(after, CHANGE, made.images.before) == live


def test_a_change_that_names_no_writers_takes_none_with_it() -> None:
    live = widget(entry("ci", OLD, a=1))
    assert "managedFields" not in writers.restored(live, {"metadata": {}}, live)["metadata"]
    assert "managedFields" not in str(image(live))
    assert writers.told(live) == []
