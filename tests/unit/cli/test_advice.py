"""`moorage advice`: what a person types is understood, and what they are shown is whole and harmless."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from moorage.advisors.advice import Change
from moorage.advisors.applying.images import Images
from moorage.advisors.applying.plan import Step
from moorage.api.advice import Advice
from moorage.cli import _advice, _complete, _describe_advice, _identity, _request, advice_apply
from moorage.cli import advice as advice_command
from moorage.cli._names import UnknownNameError
from moorage.cli._run import run
from moorage.cli.main import run as main
from moorage.errors import MoorageError
from moorage.reports.findings import Action

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)


def advice(
    name="4beaf7d1", *, cluster="web", severity="high", confidence=90, advisor="permissions", **status
):
    return Advice.parse(
        {
            "metadata": {"name": f"{cluster}-{name}", "namespace": "project-shop"},
            "spec": {
                "advisor": advisor,
                "cluster": cluster,
                "subject": "ServiceAccount shop/web",
                "code": "unused-binding",
                "severity": severity,
                "confidence": confidence,
                "summary": "Nothing of it \x1b[31m was used.",
                "evidence": {"requests": 0, "window": {"days": 30}},
                "change": [
                    {
                        "action": "delete",
                        "object": {
                            "apiVersion": "rbac.authorization.k8s.io/v1",
                            "kind": "RoleBinding",
                            "metadata": {"name": "web", "namespace": "shop"},
                        },
                        "diff": "--- RoleBinding shop/web (now)\n+++ /dev/null\n-kind: RoleBinding\n",
                    }
                ],
            },
            "status": status,
        }
    )


@pytest.mark.parametrize(
    ("told", "until"),
    [
        ("30d", NOW + timedelta(days=30)),
        ("12h", NOW + timedelta(hours=12)),
        ("2w", NOW + timedelta(days=14)),
        ("2027-03-31", datetime(2027, 4, 1, tzinfo=UTC)),
        ("2027-03-01", datetime(2027, 3, 2, tzinfo=UTC)),
        ("2027-03-31T12:00:00Z", datetime(2027, 3, 31, 12, tzinfo=UTC)),
    ],
)
def test_a_dismissal_lasts_for_a_time_or_to_the_end_of_a_day(told, until):
    assert _advice.moment(told, NOW) == until


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ("soon", "is no time"),
        ("d", "is no time"),
        ("99999999999w", "is no time"),
        ("2027-02-28", "is over already"),
        ("0d", "is over already"),
    ],
)
def test_what_is_no_time_or_past_is_refused(told, says):
    with pytest.raises(MoorageError, match=says):
        _advice.moment(told, NOW)


@pytest.fixture
def shop(monkeypatch):
    """A project with some advice."""
    found = [advice("4beaf7"), advice("4be000"), advice("9c0000", cluster="db")]

    async def advices(client, namespace):
        assert namespace == "project-shop"
        return found

    monkeypatch.setattr(_advice, "advices", advices)
    return SimpleNamespace(namespace="")


@pytest.mark.parametrize("told", ["web-4beaf7", "web-4bea", "4bea", "shop/4beaf", "shop/web-4beaf7"])
async def test_an_advice_is_found_by_the_beginning_of_its_name(shop, told):
    found = await _advice.find_advice(shop, told, "shop")
    assert found.metadata.name == "web-4beaf7"


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ("4be", "could be 2 advices: web-4beaf7, web-4be000"),
        ("web", "could be 2"),
        ("77", "there is no advice 77"),
    ],
)
async def test_what_could_be_several_or_none_is_said_to_be(shop, told, says):
    with pytest.raises(UnknownNameError, match=says):
        await _advice.find_advice(shop, told, "shop")


def test_the_worst_comes_first_and_the_surest_of_these():
    items = [
        advice("1", severity="low", confidence=100),
        advice("2", severity="critical", confidence=50),
        advice("3", severity="critical", confidence=80),
    ]
    assert [item.metadata.name for item in _advice.in_order(items)] == ["web-3", "web-2", "web-1"]


def test_a_report_for_code_scanning_has_a_run_for_each_advisor_and_lasting_identities():
    report = _advice.as_report([advice("1"), advice("2", advisor="apis"), advice("3", state="Dismissed")])
    runs = {run["tool"]["driver"]["name"]: run["results"] for run in report["runs"]}
    assert set(runs) == {"moorage advise permissions", "moorage advise apis"}
    results = runs["moorage advise permissions"]
    assert [each["partialFingerprints"]["moorageAdvice/v1"] for each in results] == ["1", "3"]
    assert [each["properties"]["state"] for each in results] == ["Open", "Dismissed"]
    assert _advice.as_report([])["runs"][0]["results"] == []


def test_an_advice_is_described_without_what_would_command_a_terminal():
    item = advice(
        state="Open",
        application={
            "phase": "Applied",
            "by": "ann",
            "at": "2027-03-01T12:00:00Z",
            "harm": "get was refused",
        },
        severityChange={"was": "low", "at": "2027-03-01T12:00:00Z"},
        history=[
            {
                "at": "2027-03-01T12:00:00Z",
                "by": "system:serviceaccount:project-shop:member-ann-0123abcd",
                "what": "dismissed: we know",
            }
        ],
    )
    told = "\n".join(_describe_advice.described(item, None))
    assert "\x1b" not in told
    assert "web-4beaf7d1: open, did harm" in told
    assert "high (was low until 2027-03-01)" in told
    assert "delete RoleBinding shop/web" in told
    assert "It did harm: get was refused" in told
    assert "2027-03-01 12:00 ann: dismissed: we know" in told
    stored = "\n".join(_describe_advice.described(item, {"all": "of it"}))
    assert "all: of it" in stored


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ({}, "open"),
        ({"state": "Dismissed"}, "dismissed"),
        ({"state": "Open", "application": {"phase": "Applying"}}, "open, applying"),
        ({"state": "Applied", "application": {"phase": "Reverting"}}, "applied, reverting"),
        ({"state": "Applied", "application": {"phase": "Applied"}}, "applied"),
        ({"state": "Resolved", "application": {"phase": "Applied"}}, "resolved, applied"),
        ({"state": "Open", "application": {"phase": "Applied"}}, "open, applied"),
        ({"state": "Open", "application": {"phase": "Reverted"}}, "open"),
    ],
)
def test_the_state_says_also_what_was_interrupted(status, told):
    assert _describe_advice.state({"status": status}) == told


def test_a_recorded_change_without_a_before_is_named_at_least():
    role = {"apiVersion": "v1", "kind": "Role", "metadata": {"name": "web", "namespace": "shop"}}
    known = Change(Action.APPLY, {**role, "rules": [1]}, {**role, "rules": [1, 2]})
    unknown = Change(Action.DELETE, role)
    diff = _describe_advice.recorded_diff([known, unknown])
    assert "-- 2" in diff
    assert diff.endswith("# delete Role shop/web\n")


def test_the_difference_of_steps_shows_what_is_made_and_what_goes():
    role = {"apiVersion": "v1", "kind": "Role", "metadata": {"name": "web", "namespace": "shop", "uid": "1"}}
    made = Step(Action.APPLY, role, Images(None, role))
    gone = Step(Action.DELETE, role, Images(role, None))
    diff = _describe_advice.steps_diff([made, gone])
    assert "--- /dev/null\n+++ Role shop/web (to be)" in diff
    assert "--- Role shop/web (now)\n+++ /dev/null" in diff
    assert "uid" not in diff


def test_a_change_that_is_stored_needs_a_store(monkeypatch):
    monkeypatch.delenv("MOORAGE_DATABASE", raising=False)
    monkeypatch.setenv("MOORAGE_KUBECONFIG", "/nowhere")
    item = advice()
    part = {"key": "web-4beaf7d1/change", "size": 200000, "digest": "0"}
    item = Advice.parse({**item.wire(), "spec": {**item.wire()["spec"], "change": [], "storedChange": part}})
    with pytest.raises(MoorageError, match="too large for the object, and no store is named"):
        _advice.change_of(item, None)


def test_a_change_comes_from_the_store(tmp_path):
    from moorage.advisors.evidence import open_store

    item = advice()
    part = {"key": "web-4beaf7d1/change", "size": 2, "digest": "0"}
    stored = Advice.parse(
        {**item.wire(), "spec": {**item.wire()["spec"], "change": [], "storedChange": part}}
    )
    path = tmp_path / "advice.sqlite3"
    store = open_store(path)
    with pytest.raises(MoorageError, match="the store has no change of web-4beaf7d1"):
        _advice.change_of(stored, str(path))
    import json

    content = json.dumps([each.wire() for each in item.spec.change]).encode()
    store.put("project-shop/web-4beaf7d1/change", content, at=NOW)
    store.close()
    [change] = _advice.change_of(stored, f"sqlite:///{path}")
    assert change.name == "RoleBinding shop/web"
    assert change.action is Action.DELETE


def test_the_platform_on_this_machine_has_a_store_of_its_own(monkeypatch, tmp_path):
    monkeypatch.delenv("MOORAGE_DATABASE", raising=False)
    monkeypatch.delenv("MOORAGE_KUBECONFIG", raising=False)
    monkeypatch.setenv("MOORAGE_HOME", str(tmp_path))
    from moorage.advisors.evidence import open_store
    from moorage.local.home import Home

    item = advice()
    assert _advice.stored_part(item, "evidence", "web-4beaf7d1/evidence", None) is None
    store = open_store(Home(tmp_path).evidence_database)
    store.put("project-shop/web-4beaf7d1/evidence", b"{}", at=NOW)
    store.close()
    assert _advice.stored_part(item, "evidence", "web-4beaf7d1/evidence", None) == b"{}"


def test_a_reason_and_a_day_are_asked_for_before_anybody_is_asked(capsys, monkeypatch):
    monkeypatch.setenv("MOORAGE_KUBECONFIG", "/nowhere")
    assert main(["advice", "dismiss", "x", "--reason", "no"]) == 2
    assert "says too little" in capsys.readouterr().err
    assert main(["advice", "dismiss", "x", "--reason", "We know of it.", "--until", "soon"]) == 2
    assert "is no time" in capsys.readouterr().err
    assert main(["advice", "dismiss", "x"]) == 2
    assert "--reason" in capsys.readouterr().err


class Server:
    """A management cluster with some advice."""

    namespace = ""

    def __init__(self, kubeconfig, *, timeout_seconds, quiet):
        pass

    def request(self, method, path):
        root = "/apis/advice.moorage.dev/v1alpha1"
        found = {
            f"{root}/advices": ["web-1", "web-2"],
            f"{root}/namespaces/project-shop/advices": ["web-1"],
        }[path]
        return {"items": [{"metadata": {"name": name, "namespace": "project-shop"}} for name in found]}

    def close(self):
        pass


@pytest.mark.parametrize(
    ("params", "incomplete", "completed"),
    [
        ({}, "", ["shop/web-1", "shop/web-2"]),
        ({}, "shop/w", ["shop/web-1"]),
        ({"project": "shop"}, "we", ["web-1"]),
        ({"project": "shop"}, "x", []),
    ],
)
def test_names_are_completed(monkeypatch, params, incomplete, completed):
    monkeypatch.delenv("MOORAGE_PROJECT", raising=False)
    monkeypatch.setattr(_identity, "management_kubeconfig", lambda: None)
    monkeypatch.setattr(_request, "ApiServer", Server)
    began = time.monotonic()
    assert _complete.advices(SimpleNamespace(params=params), incomplete) == completed
    assert time.monotonic() - began < 2


def followed(phase, **fields):
    return {"phase": phase, "by": "ann", "at": "2027-03-01T12:00:00Z", **fields}


@pytest.mark.parametrize(
    ("status", "states"),
    [
        ({}, ["open"]),
        ({"state": "Applied", "application": followed("Applied")}, ["applied"]),
        ({"state": "Resolved", "application": followed("Applied")}, ["applied", "resolved"]),
        ({"state": "Resolved", "application": followed("Reverting")}, ["applied", "resolved"]),
        ({"state": "Resolved", "application": followed("Reverted")}, ["resolved"]),
        ({"state": "Open", "application": followed("Applying")}, ["open"]),
    ],
)
def test_what_stands_is_found_as_applied_whatever_the_advisor_says(status, states):
    item = advice(**status)
    found = [each.value for each in _advice.StateChoice if _advice.is_in(item, {each.value})]
    assert sorted(found) == states
    assert _advice.is_in(item, ()) == ("resolved" not in states), "it is listed where nobody asks for a state"


DISMISSAL = {"by": "bob", "at": "2027-03-01T00:00:00Z", "reason": "We know of it."}


@pytest.mark.parametrize(
    ("status", "says", "hint"),
    [
        ({}, None, ""),
        ({"state": "Dismissed", "dismissal": DISMISSAL}, None, ""),
        ({"state": "Open", "application": followed("Applied")}, None, ""),  # put back by somebody
        ({"state": "Open", "application": followed("Applying")}, "is being applied", "advice revert web-1`"),
        ({"state": "Applied", "application": followed("Applied")}, "is applied", "advice revert web-1`"),
        ({"state": "Open", "application": followed("Applied", harm="no")}, "is applied", "revert web-1`"),
        ({"state": "Resolved"}, "nothing to dismiss", "opens again by itself"),
    ],
)
def test_only_what_waits_for_a_decision_is_dismissed(status, says, hint):
    item = advice("1", **status)
    if says is None:
        _advice.require_dismissable(item)
        return
    with pytest.raises(MoorageError, match=says) as refused:
        _advice.require_dismissable(item)
    assert hint in refused.value.hint


@pytest.mark.parametrize(
    ("status", "says", "hint"),
    [
        ({"state": "Dismissed", "dismissal": DISMISSAL}, None, ""),
        ({}, "is open, not dismissed", "nothing to do"),
        ({"state": "Applied", "application": followed("Applied")}, "is applied", "advice revert web-1`"),
        ({"state": "Resolved"}, "is resolved", "opens again by itself"),
        ({"state": "Resolved", "dismissal": DISMISSAL}, "is resolved", "dismissed again"),
    ],
)
def test_only_what_is_dismissed_is_opened_again(status, says, hint):
    item = advice("1", **status)
    if says is None:
        _advice.require_dismissed(item)
        return
    with pytest.raises(MoorageError, match=says) as refused:
        _advice.require_dismissed(item)
    assert hint in refused.value.hint


async def test_a_cluster_that_there_is_not_is_named(monkeypatch):
    from moorage.cli import _edit
    from moorage.kube import objects

    async def one(client, kind, name, namespace):
        return {"metadata": {"name": name}} if (name, namespace) == ("web", "project-shop") else None

    async def every(client, kind):
        return [{"metadata": {"name": "web", "namespace": "project-shop"}}]

    monkeypatch.setattr(_edit, "get", one)
    monkeypatch.setattr(objects, "list_objects", every)
    await _advice.require_cluster(None, "web", "shop")
    await _advice.require_cluster(None, "web", None)
    with pytest.raises(UnknownNameError, match="there is no cluster shop/nope"):
        await _advice.require_cluster(None, "nope", "shop")
    with pytest.raises(UnknownNameError, match="there is no cluster nope in any project"):
        await _advice.require_cluster(None, "nope", None)


def test_the_list_of_all_projects_says_which():
    titles = [each.title for each in advice_command._columns(of_all=True)]
    assert titles[:2] == ["Project", "Name"]
    assert advice_command._columns(of_all=True)[0].value(advice().wire()) == "shop"
    assert "Project" not in [each.title for each in advice_command._columns()]


def test_one_object_is_one_object():
    assert advice_apply.changed(1, "web") == "1 object of cluster web is changed"
    assert advice_apply.changed(2, "web") == "2 objects of cluster web are changed"


@pytest.mark.parametrize(
    ("undoing", "begun", "steps", "says"),
    [
        (False, False, 0, "web-1 may be half applied: `moorage advice apply web-1` finishes it"),
        (False, False, 2, "apply web-1` finishes it, `moorage advice revert web-1` undoes it"),
        (False, False, 1, "web-1 is half applied: `moorage advice apply web-1` finishes it"),
        (False, True, 0, "web-1 is half applied"),
        (True, False, 1, "web-1 is half taken back: `moorage advice revert web-1` finishes it"),
    ],
)  # fmt: skip
def test_who_interrupts_is_told_how_to_go_on(capsys, undoing, begun, steps, says):
    async def work():
        with advice_apply.half_done("web-1", undoing=undoing, begun=begun) as progress:
            for _ in range(steps):
                progress("deleted RoleBinding shop/web")
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(10)

    with pytest.raises(KeyboardInterrupt):
        run(work())
    assert says in " ".join(capsys.readouterr().err.split())


def test_what_is_done_is_not_called_half_done(capsys):
    with advice_apply.half_done("web-1") as progress:
        progress("deleted RoleBinding shop/web")
    assert capsys.readouterr().err == "deleted RoleBinding shop/web\n"
