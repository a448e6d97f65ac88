"""What `moorage policy preview` asks and prints, apart from the judging."""

from __future__ import annotations

import pytest

from moorage.cli._output import Output
from moorage.cli.policy_preview import _print_preview, _require_namespaces
from moorage.errors import MoorageError
from moorage.policies.cluster.preview import AuditLog, Preview, Row
from moorage.policies.model import Action


def test_a_namespace_that_is_mistyped_is_told():
    _require_namespaces(["checkout"], ["checkout", "default"])
    with pytest.raises(MoorageError, match="there is no namespace chekout") as error:
        _require_namespaces(["chekout"], ["checkout", "default"])
    assert error.value.hint == "did you mean checkout?"


def test_what_is_left_out_and_what_counts_for_nothing_is_said(capsys):
    found = Preview((), 1, 0, (), already=3)
    lost = ["namespace shop opts in to the set basline, which no bundle has"]
    _print_preview(found, AuditLog((), 0, None), lost, Output.TABLE)
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "nothing more would be refused or warned of"
    assert "left out: 3 verdicts that the same policies give already" in told
    assert "judged: 1 object, 0 requests" in told
    assert f"counts for nothing: {lost[0]}" in told


def test_a_preview_fits_a_terminal(capsys, monkeypatch):
    users = {"moorage:member-somebody-0123abcd": 3, "system:serviceaccount:kube-system:job-controller": 1}
    message = 'Deployment checkout/web: container "web": securityContext.privileged is true; must not be set'
    row = Row("checkout", "privileged-containers", Action.ENFORCE, 2, 4, users, message)
    monkeypatch.setattr("moorage.cli._output.terminal_width", lambda: 80)
    _print_preview(Preview((row,), 2, 4, ()), AuditLog((), 0, None), [], Output.TABLE)
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert " ".join(shown.split()).endswith(
        "must not be set (asked for by moorage:member-somebody-0123abcd and 1 more)"
    )
