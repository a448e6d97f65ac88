"""The same advice for people and for programs."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
import yaml

from moorage.advisors.advice import Advice, Change, Finding, Location
from moorage.advisors.render import Format, render
from moorage.errors import ExitCode
from moorage.reports.findings import Action, Severity

ROLE = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "Role",
    "metadata": {"name": "r", "namespace": "shop"},
    "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
}
FINDING = Finding(
    advisor="permissions",
    subject="User eve\x1b[31m|@all",
    code="unused-verb",
    severity=Severity.HIGH,
    confidence=0.95,
    summary="Of the rule “get, list pods” nobody used list, and this is longer than a line.",
    evidence={"requests": 1234, "removed": ["list pods"], "last": None},
    change=(Change(Action.APPLY, ROLE),),
    consequence="Whoever takes over eve can do this, too.",
    location=Location("Role shop/r", "rbac/r 1.yaml", 7),
    parts=("RoleBinding shop/b",),
)
OTHER = replace(FINDING, code="escalation", severity=Severity.LOW)
ADVICE = Advice("permissions", (FINDING, OTHER), ("A note.",))


def test_an_identity_is_of_what_is_found_and_not_of_how_much() -> None:
    same = replace(FINDING, severity=Severity.LOW, confidence=0.1, summary="x", evidence={}, change=())
    assert same.identity() == FINDING.identity()
    assert replace(FINDING, parts=("RoleBinding shop/c",)).identity() != FINDING.identity()
    assert replace(FINDING, subject="User ann").identity() != FINDING.identity()


def test_findings_are_an_exit_status() -> None:
    assert ADVICE.exit_code is ExitCode.FINDINGS
    assert Advice("permissions", ()).exit_code is ExitCode.OK


def test_text_fits_80_columns_and_commands_no_terminal() -> None:
    text = render(ADVICE, Format.TEXT)
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert text.count("apply Role shop/r") == 1  # one change resolves both
    assert "requests: 1,234" in text
    assert text.rstrip().endswith("2 findings about 1 subject: 1 high, 1 low.")


@pytest.mark.parametrize(("wanted", "load"), [(Format.JSON, json.loads), (Format.YAML, yaml.safe_load)])
def test_json_and_yaml_have_all_of_it(wanted: Format, load: type) -> None:
    found = load(render(ADVICE, wanted))
    first = found["findings"][0]
    assert first["id"] == FINDING.identity()
    assert first["change"] == [{"action": "apply", "object": ROLE}]
    assert first["location"] == {"object": "Role shop/r", "file": "rbac/r 1.yaml", "line": 7}
    assert found["notes"] == ["A note."]


def test_sarif_names_each_rule_and_place() -> None:
    run = json.loads(render(ADVICE, Format.SARIF))["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "rbac/r%201.yaml", "uriBaseId": "%SRCROOT%"}
    assert place["region"] == {"startLine": 7}
    assert [result["level"] for result in run["results"]] == ["error", "note"]


def test_github_gets_one_command_a_line_the_worst_first() -> None:
    lines = render(replace(ADVICE, findings=ADVICE.findings[::-1]), Format.GITHUB).splitlines()
    assert lines[0].startswith("::error title=unused-verb (high),file=rbac/r 1.yaml,line=7::")
    assert lines[1].startswith("::notice title=escalation")
    assert "%0A" in lines[0]


def test_markdown_calls_nobody_and_breaks_no_table() -> None:
    text = render(ADVICE, Format.MARKDOWN)
    row = next(line for line in text.splitlines() if "unused-verb" in line)
    assert len(re.findall(r"(?<!\\)\|", row)) == 6
    assert "@all" not in re.sub(r"`[^`]*`", "", text)
    assert "```yaml" in text


def test_markdown_stays_short_enough_for_a_comment() -> None:
    many = replace(ADVICE, findings=tuple(replace(FINDING, parts=(str(n),)) for n in range(2000)))
    text = render(many, Format.MARKDOWN)
    assert len(text) < 65_536
    assert "more parts" in text
