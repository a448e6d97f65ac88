"""`moorage advice`: what a person types is understood, and what they are shown is whole and harmless."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import signal
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from moorage.advisors.advice import Change
from moorage.advisors.applying.images import Images
from moorage.advisors.applying.plan import Step
from moorage.advisors.keeping import life
from moorage.api.advice import Advice
from moorage.cli import (
    _advice,
    _advice_table,
    _complete,
    _describe_advice,
    _identity,
    _kubeconfig,
    _output,
    _request,
    advice_apply,
)
from moorage.cli._names import UnknownNameError
from moorage.cli._run import person, run
from moorage.cli.main import run as main
from moorage.clusters.names import member_account
from moorage.errors import MoorageError
from moorage.kube import client as kube_client
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


def followed(phase, **fields):
    return {"phase": phase, "by": "ann", "at": "2027-03-01T12:00:00Z", **fields}


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
        ("30", "is no time"),
        ("99999999999w", "is no time"),
        ("2027-02-28", "is over already"),
        ("0d", "is over already"),
    ],
)
def test_what_is_no_time_or_past_is_refused(told, says):
    with pytest.raises(MoorageError, match=says):
        _advice.moment(told, NOW)


@pytest.mark.parametrize(
    ("until", "told"),
    [
        ("2027-03-31", "the end of 2027-03-31 (UTC)"),
        ("2027-03-31T12:00:00+02:00", "2027-03-31 10:00 UTC"),
        ("30d", "2027-03-31 12:00 UTC"),
    ],
)
def test_until_when_it_is_dismissed_is_said_as_it_was_meant(until, told):
    assert life.told(_advice.moment(until, NOW)) == told


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
        ({"state": "Open", "application": {"phase": "Reverted"}}, "open, taken back"),
        ({"state": "Resolved", "application": {"phase": "Reverted"}}, "resolved"),
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
        (
            {"state": "Open", "application": followed("Applying")},
            "is being applied",
            "advice revert shop/web-1`",
        ),
        ({"state": "Applied", "application": followed("Applied")}, "is applied", "advice revert shop/web-1`"),
        (
            {"state": "Open", "application": followed("Applied", harm="no")},
            "is applied",
            "revert shop/web-1`",
        ),
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
        ({"state": "Applied", "application": followed("Applied")}, "is applied", "advice revert shop/web-1`"),
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


ACCOUNT = f"system:serviceaccount:project-shop:{member_account('ada')}"


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Say who decides about an advice of a project whose member is ada, and whose kubeconfig that is."""
    members = [{"name": "ada", "role": "owner"}, {"name": "devs", "role": "owner", "kind": "Group"}]
    project = {"metadata": {"name": "shop"}, "spec": {"members": members}}
    cluster = {
        "name": "m",
        "cluster": {"server": "https://localhost:1", "certificate-authority-data": "YQ=="},
    }
    context = {"name": "c", "context": {"cluster": "m", "user": "me"}}
    config = {"current-context": "c", "contexts": [context], "clusters": [cluster]}
    file = tmp_path / "management"
    file.write_text(json.dumps(config))
    monkeypatch.setenv("MOORAGE_KUBECONFIG", str(file))

    def client(username):
        async def create(_):
            return {"status": {"userInfo": {"username": username}}}

        return SimpleNamespace(create=create)

    async def get_project(client, name):
        assert name == "shop"
        return project

    @asynccontextmanager
    async def connect(config):
        [user] = config["users"]
        arguments = user["user"]["exec"]["args"]
        assert arguments[-4:] == ["--project", "shop", "--as", "ada"]
        yield client(ACCOUNT)

    monkeypatch.setattr(_kubeconfig, "get_project", get_project)
    monkeypatch.setattr(kube_client, "connect", connect)

    async def ask(username, system_user, *, user=None, admin=False):
        monkeypatch.setattr(getpass, "getuser", lambda: system_user)
        mine = client(username)
        async with _advice.deciding(mine, advice(), user=user, admin=admin) as (name, theirs):
            return name, "own" if theirs is mine else "member's"

    return ask


@pytest.mark.parametrize(
    ("username", "system_user", "flags", "decides"),
    [
        ("moorage-admin", "root", {}, ("moorage-admin", "own")),
        ("moorage-admin", "ada", {}, (ACCOUNT, "member's")),
        ("moorage-admin", "ada", {"admin": True}, ("moorage-admin", "own")),
        ("moorage-admin", "root", {"user": "ada"}, (ACCOUNT, "member's")),
        (ACCOUNT, "root", {}, (ACCOUNT, "own")),
        (ACCOUNT, "root", {"user": "ada"}, (ACCOUNT, "own")),
        ("ada", "root", {}, ("ada", "own")),
    ],
    ids=[
        "the platform team on its own machine",
        "a member on their own machine",
        "a member who says that it is the platform team",
        "the platform team for a member",
        "with a member's kubeconfig",
        "with a member's kubeconfig, who says so",
        "with a kubeconfig of an identity provider",
    ],
)
async def test_what_is_decided_is_under_the_name_of_who_decides(asked, username, system_user, flags, decides):
    assert await asked(username, system_user, **flags) == decides


@pytest.mark.parametrize(
    ("flags", "says"),
    [({"user": "bob"}, "bob is not a member of project shop"), ({"user": "ada", "admin": True}, "--as is a")],
)
async def test_nobody_decides_in_the_name_of_somebody_who_is_no_member(asked, flags, says):
    with pytest.raises(MoorageError, match=says):
        await asked("moorage-admin", "ada", **flags)


def listed(monkeypatch, items, columns, *, of_all=False):
    """Return what is listed on a terminal of so many columns; ``None`` is no terminal."""
    records, names = [item.wire() for item in items], _advice_table.shortened(items)
    monkeypatch.setattr(_output, "terminal_width", lambda: columns)
    lines = []
    monkeypatch.setattr(_output, "write", lines.append)
    _output.print_table(
        _advice_table.fitting(records, names, width=columns, of_all=of_all), records, whole=True
    )
    return lines


FOUND = [
    advice("4beaf7d11f0c9a8b7e65", state="Resolved", application=followed("Applied")),
    advice("4beaf7d22f0c9a8b7e65", state="Open"),
    advice("9c00007d11f0c9a8b7e6", state="Open"),
]


def test_the_list_fits_in_80_columns_and_its_names_can_be_copied(monkeypatch):
    head, *lines = listed(monkeypatch, FOUND, 80)
    assert head.split() == ["NAME", "SEVERITY", "STATE", "SUBJECT", "CODE"]
    assert len(lines) == 3
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines] == ["web-4beaf7d1", "web-4beaf7d2", "web-9c00007"]
    assert all("sa shop/web   unused-binding" in line for line in lines), "what is long is abbreviated"
    [_, line] = listed(monkeypatch, FOUND[2:], 80)
    assert "ServiceAccount shop/web   unused-binding" in line


async def test_each_name_in_the_list_is_taken_for_the_advice_that_it_is_of(monkeypatch):
    async def advices(client, namespace):
        return FOUND

    monkeypatch.setattr(_advice, "advices", advices)
    for line, item in zip(listed(monkeypatch, FOUND, 80)[1:], FOUND, strict=True):
        found = await _advice.find_advice(SimpleNamespace(namespace=""), line.split()[0], "shop")
        assert found is item


def test_what_is_not_listed_counts_for_how_names_are_cut():
    assert _advice_table.shortened(FOUND[:1]) == {
        "project-shop/web-4beaf7d11f0c9a8b7e65": "web-4beaf7d",
    }


@pytest.mark.parametrize("columns", [None, 200])
def test_where_there_is_room_nothing_is_left_out(monkeypatch, columns):
    head, first, *_ = listed(monkeypatch, FOUND, columns)
    assert head.split() == ["NAME", "SEVERITY", "STATE", "SUBJECT", "CODE", "SURE", "ADVISOR", "AGE"]
    assert first.startswith("web-4beaf7d11f0c9a8b7e65 ")


@pytest.mark.parametrize("columns", [72, 79, 80, 90, 100, 120])
def test_no_line_is_longer_than_the_terminals(monkeypatch, columns):
    assert max(map(len, listed(monkeypatch, FOUND, columns))) <= columns


def test_the_list_of_all_projects_says_which(monkeypatch):
    head, first, *_ = listed(monkeypatch, FOUND, None, of_all=True)
    assert head.split()[:2] == ["PROJECT", "NAME"]
    assert first.startswith("shop ")
    assert "PROJECT" not in listed(monkeypatch, FOUND, None)[0]


def test_one_object_is_one_object():
    assert advice_apply.changed(1, "web") == "1 object of cluster web is changed"
    assert advice_apply.changed(2, "web") == "2 objects of cluster web are changed"


@pytest.mark.parametrize(
    ("undoing", "begun", "steps", "says"),
    [
        (False, False, 0, "web-1 may be half applied: `moorage advice apply shop/web-1` finishes it"),
        (False, False, 2, "apply shop/web-1` finishes it, `moorage advice revert shop/web-1` undoes it"),
        (False, False, 1, "web-1 is half applied: `moorage advice apply shop/web-1` finishes it"),
        (False, True, 0, "web-1 is half applied"),
        (True, False, 1, "web-1 is half taken back: `moorage advice revert shop/web-1` finishes it"),
    ],
)  # fmt: skip
def test_who_interrupts_is_told_how_to_go_on(capsys, undoing, begun, steps, says):
    async def work():
        with advice_apply.half_done(advice("1"), undoing=undoing, begun=begun) as progress:
            for _ in range(steps):
                progress("deleted RoleBinding shop/web")
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(10)

    with pytest.raises(KeyboardInterrupt):
        run(work())
    assert says in " ".join(capsys.readouterr().err.split())


def test_what_is_done_is_not_called_half_done(capsys):
    with advice_apply.half_done(advice("1")) as progress:
        progress("deleted RoleBinding shop/web")
    assert capsys.readouterr().err == "deleted RoleBinding shop/web\n"


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (
            {"state": "Applied", "application": {**followed("Applied"), "by": "moorage:auto"}},
            "auto-applied",
        ),
        ({"state": "Applied", "application": followed("Applied")}, "applied"),
        ({"state": "Open", "application": followed("Applied", harm="killed")}, "open, did harm"),
        ({"state": "Open", "application": followed("Reverted", harm="killed")}, "open, taken back"),
    ],
)
def test_it_is_said_who_applied_it_and_that_what_did_harm_is_taken_back(status, told):
    assert _describe_advice.state({"status": status}) == told


def test_what_a_person_took_back_is_called_as_what_the_platform_did():
    by_person = {"state": "Open", "application": followed("Reverted")}
    by_platform = {"state": "Open", "application": followed("Reverted", harm="killed", by="moorage:auto")}
    assert _describe_advice.state({"status": by_person}) == _describe_advice.state({"status": by_platform})


def test_harm_is_red_and_nothing_else_commands_the_terminal(monkeypatch):
    monkeypatch.setattr(_output.sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    item = advice(state="Open", application=followed("Reverted", harm="\x1b[1mkilled " + "again " * 12))
    lines = list(_describe_advice.described(item, None))
    [begin] = [place for place, line in enumerate(lines) if "It did harm" in line]
    harm = [line for line in lines[begin:] if "\x1b[31m" in line]
    assert harm[0].startswith("  \x1b[31mIt did harm: \N{REPLACEMENT CHARACTER}[1mkilled")
    assert len(harm) > 1
    assert all(line.endswith("\x1b[0m") for line in harm)
    assert max(len(line.replace("\x1b[31m", "").replace("\x1b[0m", "")) for line in harm) <= 40
    assert not any("[31m" in line.replace("\x1b[31m", "") for line in lines[begin:])


def labelled(name, *, change="c0ffee", cluster="web", **status):
    item = advice(name, cluster=cluster, **status).wire()
    labels = {"advice.moorage.dev/change": change} if change else {}
    return Advice.parse({**item, "metadata": {**item["metadata"], "labels": labels}})


async def test_the_same_change_is_that_of_the_same_cluster_in_whatever_state(monkeypatch):
    mine = labelled("1")
    others = [
        labelled("2", state="Resolved"),
        labelled("3", change="0ther"),
        labelled("4", cluster="db"),
        labelled("5", change=""),
    ]

    async def advices(client, namespace):
        return [mine, *others]

    monkeypatch.setattr(_advice, "advices", advices)
    assert await _advice.of_same_change(None, mine) == others[:1]
    assert await _advice.of_same_change(None, others[3]) == [], "no change is not the same change"


STEPS = [{key: each.wire()[key] for key in ("action", "object")} for each in advice().spec.change]


def test_whoever_decides_about_a_change_hears_that_it_did_harm_also_as_another_advice():
    hurt = followed("Reverted", harm="web was \x1b[31m killed", steps=STEPS)
    told = "web was \N{REPLACEMENT CHARACTER}[31m killed"
    twin, well = labelled("2", state="Open", application=hurt), labelled("3", state="Open")
    change = _advice.change_of(well, None)
    assert _advice.harm_before(well, change, [labelled("4")]) == []
    assert _advice.harm_before(twin, change, [well]) == [f"this change did harm before: {told}"]
    assert _advice.harm_before(well, change, [twin]) == [f"this change did harm before, as web-2: {told}"]
    [other] = _advice.harm_before(twin, [replace(change[0], action=Action.APPLY)], [])
    assert other == f"another change did harm before: {told}"
    shown = "\n".join(_describe_advice.described(well, None, [twin]))
    assert "The same change resolves web-2, too." in shown
    assert f"It did harm, as web-2: {told}" in " ".join(shown.split())
    resolved = labelled("2", state="Resolved", application=hurt)
    assert "resolves web-2" not in "\n".join(_describe_advice.described(well, None, [resolved]))


def test_it_is_said_in_the_end_that_nothing_is_worse_off():
    assert advice_apply.not_worse(["Deployment default/hello"]) == (
        "Deployment default/hello is not worse off"
    )
    assert advice_apply.not_worse(["Deployment a/b", "DaemonSet a/c"]).endswith("a/c are not worse off")


def applying(monkeypatch, capsys, item, others=()):
    """Apply an advice about a Deployment that stays well; return what is said till confirmed, and after."""
    from moorage.advisors.applying import act, watch
    from moorage.advisors.applying.act import Prepared
    from moorage.cli import _run

    step = Step(Action.DELETE, item.spec.change[0].object, Images(item.spec.change[0].object, None))
    asked = []

    @asynccontextmanager
    async def management():
        yield SimpleNamespace(namespace="")

    @asynccontextmanager
    async def entered(client, item, *, user, admin):
        yield SimpleNamespace(name="ann", inside=None, management=client)

    async def advices(client, namespace):
        return [item, *others]

    async def prepare(person, item, change):
        return Prepared((step,), ("Role shop/web: kubectl also writes these fields",))

    async def follow(person, item, prepared, *, now, progress):
        progress("deleted RoleBinding shop/web")

    async def concerned(client, steps, subject):
        return {"Deployment shop/web": None}

    async def worse(client, before, *, seconds):
        return ()

    monkeypatch.setattr(_run, "management", management)
    monkeypatch.setattr(_advice, "entered", entered)
    monkeypatch.setattr(_advice, "advices", advices)
    monkeypatch.setattr(act, "prepare", prepare)
    monkeypatch.setattr(act, "follow", follow)
    monkeypatch.setattr(watch, "concerned", concerned)
    monkeypatch.setattr(watch, "worse", worse)
    monkeypatch.setattr(advice_apply, "confirm", lambda *_, **__: asked.append(capsys.readouterr().err))
    assert main(["advice", "apply", f"shop/{item.metadata.name}"]) == 0
    return asked[0], capsys.readouterr().err


def test_what_is_applied_is_told_with_commands_that_work_and_how_it_ended(monkeypatch, capsys):
    twin = labelled("2", state="Open", application=followed("Reverted", harm="web was killed", steps=STEPS))
    before, after = applying(monkeypatch, capsys, labelled("1", state="Open"), [twin])
    assert before.splitlines() == [
        "note: Role shop/web: kubectl also writes these fields",
        "note: this change did harm before, as web-2: web was killed",
    ]
    assert after.splitlines() == [
        "deleted RoleBinding shop/web",
        "web-1 is applied; this takes it back:",
        "  moorage advice revert shop/web-1",
        "watching Deployment shop/web for 30s",
        "Deployment shop/web is not worse off",
    ]


AUTOMATIC = advice(
    "4beaf7d33f0c9a8b7e65",
    state="Applied",
    advisor="resources",
    application={**followed("Applied"), "by": "moorage:auto"},
)


def test_what_the_platform_applied_leaves_room_for_the_rest_of_its_line(monkeypatch):
    head, *lines = listed(monkeypatch, [AUTOMATIC], 80)
    assert len(lines) == 1, "nothing goes on in the next line"
    assert "auto-applied" in lines[0]
    assert max(map(len, (head, *lines))) <= 80


@pytest.mark.parametrize(("system_user", "flag"), [("ada", ""), ("root", " --admin")])
async def test_the_way_into_a_new_cluster_is_one_that_whoever_made_it_has(monkeypatch, system_user, flag):
    from moorage.cli._names import ClusterRef

    async def get_project(client, name):
        return {"metadata": {"name": name}, "spec": {"members": [{"name": "ada", "role": "owner"}]}}

    async def who_am_i(client):
        return "moorage-admin"

    monkeypatch.setattr(_kubeconfig, "get_project", get_project)
    monkeypatch.setattr(_kubeconfig, "who_am_i", who_am_i)
    monkeypatch.setattr(getpass, "getuser", lambda: system_user)
    told = await _kubeconfig.way_in(None, ClusterRef("shop", "web"))
    assert told == f"moorage cluster kubeconfig shop/web{flag}"


def test_who_is_no_person_is_the_platform():
    assert [person(user) for user in ("moorage:auto", "moorage:operator")] == ["the platform"] * 2
