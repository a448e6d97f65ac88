"""What people and programs are told."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

from moorage.errors import ExitCode
from moorage.manifests.model import Where
from moorage.policies.model import Action, Mend
from moorage.policies.report import as_json, github, junit, markdown, sarif, text
from moorage.policies.report.diff import compare
from moorage.policies.report.model import Failure, Remark, Report
from moorage.reports.findings import Severity

from .builders import policy, report, result, thing

NASTY = 'a "b" <c> & `d` | *e* ]]> %0A ::error::x\n@team <!-- --> \x00\x1b[31m'


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - our own


def test_nothing_refused_is_fine():
    assert report().exit_code is ExitCode.OK
    assert text.render(report()) == "Nothing is refused. 1 object, 0 policies.\n"


def test_what_is_only_warned_of_or_noted_is_fine():
    found = report(result(action=Action.WARN), result(action=Action.AUDIT))
    assert found.exit_code is ExitCode.OK
    assert "1 warned of, 1 noted" in text.render(found)


def test_what_is_refused_is_a_finding_and_what_cannot_be_judged_a_failure():
    assert report(result()).exit_code is ExitCode.FINDINGS
    assert report(result(), failures=(Failure("broken"),)).exit_code is ExitCode.FAILURE


def test_a_person_is_told_where_what_and_what_to_do():
    assert (
        text.render(report(result()))
        == """\
deploy/web.yaml:4  Deployment shop/web → Pod
  refused by privileged-containers (critical), line 23
    container "web": securityContext.privileged is true; must not be set or be
    false

What to do

  privileged-containers: Containers are not privileged
    Leave `privileged` out.
    https://example.com/pss

1 finding in 1 object refused (1 critical). 2 objects, 1 policy.
"""
    )


def test_what_to_do_is_told_once_and_the_worst_comes_first():
    low = policy("naming", severity=Severity.LOW)
    things = [thing("a"), thing("b")]
    found = report(
        *(result(each, policy=low) for each in things), *(result(each) for each in things)
    )  # fmt: skip
    told = text.render(found)
    assert told.count("Leave `privileged` out.") == 2
    assert told.index("  privileged-containers: ") < told.index("  naming: ")


def test_no_line_is_longer_than_asked_but_for_what_is_copied():
    said = result(message="word " * 100, policy=policy(mend=Mend("more " * 100)))
    for width in (40, 80):
        lines = text.render(report(said, notes=("note " * 50,)), width=width).splitlines()
        assert (
            max(map(len, [line for line in lines if "deploy/" not in line and "by priv" not in line]))
            <= width
        )


def test_remarks_and_notes_are_told():
    remark = Remark("shop/e", "p", "ada", "it expired on 2026-01-01", "e.yaml:3", "expired")
    told = text.render(report(remarks=(remark,), notes=("a note",)))
    assert "e.yaml:3: exception shop/e: it expired on 2026-01-01\na note\n" in told


def test_a_change_tells_what_it_brings_and_mends():
    old, both, new = (result(thing(name)) for name in ("old", "both", "new"))
    moved = result(thing("both", line=99), spot=Where("deploy/web.yaml", 120))
    found = compare(report(old, both), report(moved, new), called="main")
    assert [each.thing.name for each in found.change.new] == ["new"]
    assert [each.thing.name for each in found.change.mended] == ["old"]
    assert found.change.same == 1
    assert found.exit_code is ExitCode.FINDINGS
    told = text.render(found)
    assert "What this change brings" in told
    assert "What this change mends\n\n  Deployment shop/old → Pod: privileged-containers\n" in told
    assert "1 mended, 1 as in main" in told
    assert "shop/both" not in told


def test_a_change_that_brings_nothing_is_fine_whatever_was_there():
    found = compare(report(result()), report(result()), called="main")
    assert found.exit_code is ExitCode.OK
    assert found.change.same == 1


def test_what_was_warned_of_and_is_refused_now_is_new():
    assert compare(report(result(action=Action.WARN)), report(result()), called="main").change.new
    assert not compare(report(result()), report(result(action=Action.WARN)), called="main").change.new


def test_of_the_same_twice_one_more_is_new():
    found = compare(report(result()), report(result(), result()), called="main")
    assert len(found.change.new) == 1
    assert not found.change.mended


def test_what_was_mended_in_part_is_not_new():
    both, one = (result(message="; ".join(said)) for said in (("a is x", "b is y"), ("b is y",)))
    better = compare(report(both), report(one), called="main")
    assert (better.change.new, better.change.mended) == ((), ())
    worse = compare(report(one), report(both), called="main")
    assert (worse.change.new, worse.change.mended) == ((both,), ())


@pytest.mark.parametrize("render", [text.render, markdown.render])
def test_what_is_refused_stands_before_what_is_warned_of(render):
    first, last = thing("first", line=1), thing("last", line=9)
    said = render(
        report(
            result(first, action=Action.WARN, made="", message="a warning"),
            result(last, action=Action.WARN, message="another warning"),
            result(last, message="a refusal"),
        )
    )
    assert said.index("a refusal") < said.index("another warning") < said.index("a warning")


def test_the_summary_tells_policies_that_judged_from_those_that_there_are():
    assert "2 objects, 1 of 65 policies." in text.render(report(result(), loaded=65))


def test_json_says_everything():
    found = json.loads(as_json.render(report(result(), failures=(Failure("broken", "mend it"),))))
    assert found["kind"] == "PolicyTestReport"
    assert found["summary"] == {
        "exitCode": 2,
        "objects": 2,
        "policies": 1,
        "policiesLoaded": 1,
        "exceptions": 0,
        "enforce": 1,
        "warn": 0,
        "audit": 0,
    }
    (finding,) = found["findings"]
    assert finding["object"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "namespace": "shop",
        "name": "web",
    }
    assert finding["makes"] == "Pod"
    assert finding["location"] == {"file": "deploy/web.yaml", "line": 4, "column": None}
    assert finding["field"] == {"file": "deploy/web.yaml", "line": 23, "column": 13}
    assert found["failures"] == [{"message": "broken", "hint": "mend it", "location": None}]


def test_sarif_names_rules_places_and_levels():
    warned = result(
        thing("b"), action=Action.WARN, policy=policy("naming", severity=Severity.LOW, category="metadata")
    )
    found = json.loads(
        sarif.render(report(result(), warned, failures=(Failure("broken", where=Where("x.yaml")),)))
    )
    (run,) = found["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["naming", "privileged-containers"]
    assert [rule["properties"].get("security-severity") for rule in rules] == [None, "9.5"]
    first, second = run["results"]
    assert rules[first["ruleIndex"]]["id"] == first["ruleId"] == "privileged-containers"
    assert first["level"] == "error"
    assert second["level"] == "warning"
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "deploy/web.yaml", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 23, "startColumn": 13},
    }
    assert run["invocations"][0]["executionSuccessful"] is False
    assert run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"] == "broken"


def test_sarif_tells_new_from_old_and_its_fingerprints_outlive_lines():
    moved = result(spot=Where("deploy/web.yaml", 99), of=thing(line=90))
    found = json.loads(
        sarif.render(compare(report(result()), report(moved, result(thing("b"))), called="main"))
    )
    same, new = found["runs"][0]["results"]
    assert [same["baselineState"], new["baselineState"]] == ["unchanged", "new"]
    before = json.loads(sarif.render(report(result())))["runs"][0]["results"][0]
    assert before["partialFingerprints"] == same["partialFingerprints"] != new["partialFingerprints"]


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("a b/ü.yaml", "a%20b/%C3%BC.yaml"),
        ("/srv/a.yaml", "file:///srv/a.yaml"),
        ("a#b?.yaml", "a%23b%3F.yaml"),
    ],
)  # fmt: skip
def test_sarif_places_are_addresses(file, uri):
    found = json.loads(sarif.render(report(result(thing(file=file), spot=None))))
    location = found["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"] == uri


def test_junit_has_a_case_for_each_finding_and_each_object_without():
    warned = result(action=Action.WARN)
    root = parsed(junit.render(report(result(), warned, failures=(Failure("broken", "mend"),))))
    assert [suite.get("name") for suite in root] == [
        "deploy/clean.yaml",
        "deploy/web.yaml",
        "could not be judged",
    ]
    assert root.attrib == {"name": "moorage policy", "tests": "4", "failures": "1", "errors": "1"}
    clean, web, failed = root
    assert [case.get("name") for case in clean] == ["Deployment shop/clean"]
    assert not list(clean[0])
    assert web[0].find("failure").get("type") == "critical privileged-containers"
    assert web[0].get("line") == "23"
    assert web[1].find("failure") is None
    assert "broken\nhint: mend" in failed[0].find("error").text


def test_github_gets_one_annotation_a_line_the_refused_first():
    told = github.render(report(result(action=Action.WARN), result())).splitlines()
    assert told[0].startswith(
        "::error title=Containers are not privileged (privileged-containers%2C critical),"
        "file=deploy/web.yaml,line=23,col=13::Deployment shop/web → Pod: container"
    )
    assert told[1].startswith("::warning ")
    assert len(told) == 3


def test_markdown_has_a_table_and_what_to_do():
    told = markdown.render(report(result()))
    assert told.startswith(
        "<!-- moorage-policy -->\n### Policies: the cluster would refuse this (1 finding)\n"
    )
    assert "| ❌ refused | `deploy/web.yaml:23:13` | **Deployment shop/web → Pod**<br>" in told
    assert "```yaml\na: after\n```" in told


def test_markdown_fits_in_a_comment():
    many = [result(thing(f"web-{number}")) for number in range(2000)]
    told = markdown.render(report(*many))
    assert len(told) < 65_536
    assert "more lines" in told


@pytest.mark.parametrize("printer", [text, as_json, sarif, junit, github, markdown])
def test_what_a_manifest_says_cannot_break_a_format(printer):
    nasty = result(thing(NASTY, file="a:b,c%.yaml"), message=NASTY)
    told = printer.render(report(nasty, failures=(Failure(NASTY),), notes=(NASTY,)))
    if printer is junit:
        parsed(told)
    elif printer in {as_json, sarif}:
        json.loads(told)
    elif printer is github:
        lines = told.splitlines()
        assert len(lines) == 3
        assert not any(line.startswith("::error::x") for line in lines)
    elif printer is markdown:
        assert "@team" not in told
        assert "<c>" not in told
        rows = [line for line in told.splitlines() if line.startswith("| ❌")]
        assert len(rows) == 1
    else:
        assert "\x1b" not in told


@pytest.mark.parametrize("printer", [text, as_json, sarif, junit, github, markdown])
def test_every_format_can_say_nothing(printer):
    assert printer.render(Report(()))
