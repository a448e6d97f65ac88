"""What goes wrong: policies that cannot judge, objects that cannot be judged, an engine that does not run."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from tests.unit.policies.builders import REGO, library, policy_files

from moorage.cache import Cache
from moorage.policies.compiling import compile_policies
from moorage.policies.engine import JudgingError, judge
from moorage.policies.model import PolicyError

from .engine import ALL, NOW, Object, metadata, plainly, pod, subjects, verdict

BROKEN_CEL = {"validations": [{"expression": "variables.anyObject.metadata.name.nope()", "message": "x"}]}
BROKEN_VARIABLE = {
    "variables": [{"name": "oops", "expression": "1 + 'a'"}],
    "validations": [{"expression": "variables.oops == 1", "message": "x"}],
}


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (
            policy_files("broken", code=BROKEN_CEL),
            r"^test/policies/broken/template\.yaml:1: policy broken does not compile: .*reference to 'nope'",
        ),
        (
            policy_files("broken", code=BROKEN_VARIABLE),
            r"policy broken does not compile: .*no matching overload",
        ),
        (
            policy_files("broken", rego="package x\n\nviolation contains {"),
            r"template\.yaml:1: policy broken does not compile: .*rego_parse_error",
        ),
        (
            policy_files("broken", rego="package x\n\nvilation contains 1 if true\n"),
            r"policy broken does not compile: .*violation",
        ),
        (
            policy_files("broken", parameters={"most": "x"}, schema={"most": {"type": "integer"}}),
            r"policy broken does not compile: .*spec\.parameters\.most",
        ),
    ],
)
def test_a_policy_that_cannot_judge_is_named_and_the_others_judge(gator: Path, files: dict, says: str):
    compiled = compile_policies([library(files, policy_files("sound"))], now=NOW, everything=True)
    with pytest.raises(JudgingError, match=says):
        judge(compiled, subjects([pod()]), namespaces={}, gator=gator)
    judgement = judge(compiled, subjects([pod()]), namespaces={}, gator=gator, keep_going=True)
    assert [finding.policy for finding in judgement.findings] == ["sound"]
    [failure] = judgement.failures
    assert (failure.policy, failure.subjects) == ("broken", (0,))
    assert "\n" not in failure.error.message


def test_a_block_of_rego_is_named_with_its_line(gator: Path):
    files = policy_files("broken", rego=REGO)
    path = "policies/broken/template.yaml"
    text = """\
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: testbroken}
spec:
  crd: {spec: {names: {kind: TestBroken}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    code:
    - engine: Rego
      source:
        version: v1
        rego: |
          package broken

          violation contains {"msg": "x"} if {
            input.review.object.kind ==
          }
"""
    compiled = compile_policies([library({**files, path: text.encode()})], now=NOW, everything=True)
    with pytest.raises(JudgingError, match=r"^test/policies/broken/template\.yaml:1[67]: policy broken"):
        judge(compiled, subjects([pod()]), namespaces={}, gator=gator)


def test_a_variable_of_cel_is_named_with_its_line(gator: Path):
    files = policy_files("broken")
    path = "policies/broken/template.yaml"
    text = """\
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: testbroken}
spec:
  crd: {spec: {names: {kind: TestBroken}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    code:
    - engine: K8sNativeValidation
      source:
        variables:
        - name: oops
          expression: size(1)
        validations:
        - expression: variables.oops == 1
          message: x
"""
    compiled = compile_policies([library({**files, path: text.encode()})], now=NOW, everything=True)
    with pytest.raises(JudgingError, match=r"^test/policies/broken/template\.yaml:12: policy broken"):
        judge(compiled, subjects([pod()]), namespaces={}, gator=gator)


def test_what_cannot_be_judged_is_not_remembered_as_judged(gator: Path, tmp_path: Path):
    compiled = compile_policies(
        [library(policy_files("broken", code=BROKEN_CEL), policy_files("sound"))], now=NOW, everything=True
    )
    with Cache(tmp_path) as cache:
        for _ in range(2):
            judgement = judge(
                compiled, subjects([pod()]), namespaces={}, gator=gator, cache=cache, keep_going=True
            )
            assert len(judgement.failures) == 1


def test_a_policy_that_reads_its_namespace_says_that_it_cannot_judge_here(gator: Path):
    code = {"validations": [{"expression": "namespaceObject.metadata.name != 'x'", "message": "x"}]}
    compiled = compile_policies([library(policy_files("reads", code=code))], now=NOW, everything=True)
    with pytest.raises(JudgingError, match="policy reads cannot judge here: it reads namespaceObject"):
        judge(compiled, subjects([pod()]), namespaces={}, gator=gator)


NO_TEMPLATE = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": metadata("hollow", "shop", {}),
    "spec": {},
}
ODD_NAME = pod("we\nb")
ODD_LABELS = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "odd", "labels": {"a": 1}}}


@pytest.mark.parametrize(
    ("odd", "says"),
    [
        (NO_TEMPLATE, "Deployment hollow: it has no spec.template to make a Pod from"),
        (ODD_NAME, "no object is called that"),
        (ODD_LABELS, "Namespace odd: the engine cannot judge it"),
    ],
)
def test_one_bad_object_does_not_lose_the_others(gator: Path, odd: Object, says: str):
    objects = [pod(), odd, *(pod(f"pod-{number}") for number in range(6)), pod("bad", "other")]
    with pytest.raises(JudgingError, match=says) as caught:
        judge(ALL, subjects(objects), namespaces={}, gator=gator)
    assert caught.value.failure.subjects == (1,)
    judgement = judge(ALL, subjects(objects), namespaces={}, gator=gator, keep_going=True)
    assert [failure.subjects for failure in judgement.failures] == [(1,)]
    sound = [obj for place, obj in enumerate(objects) if place != 1]
    assert verdict(judge(ALL, subjects(sound), namespaces={}, gator=gator), sound) == Counter(
        {key: count for key, count in verdict(judgement, objects).items() if key[2] not in {"odd", "hollow"}}
    )


def test_unknown_kinds_are_judged_as_what_they_are(gator: Path):
    thing = {"apiVersion": "example.com/v9", "kind": "Thing", "metadata": metadata("bad", "shop", {})}
    judgement = judge(ALL, subjects([thing]), namespaces={}, gator=gator)
    assert [finding.policy for finding in judgement.findings] == ["any-names"]


def test_the_same_object_twice_is_judged_twice(gator: Path):
    objects = [pod("bad", color=1), pod("bad", color=2), pod("bad", color=1)]
    judgement = judge(ALL, subjects(objects), namespaces={}, gator=gator)
    by_place = Counter(finding.subject for finding in judgement.findings)
    assert by_place[0] == by_place[1] == by_place[2] > 0


def test_messages_come_as_they_are(gator: Path):
    text = 'tab\\t "quotes" back\\\\slash ünïcödé ☂ \\u0007 : [\\"r0\\"] Message: \\"x\\"'
    code = {
        "validations": [
            {"expression": "false", "messageExpression": json.dumps(text).replace("\\\\t", "\\t")}
        ]
    }
    compiled = compile_policies([library(policy_files("says", code=code))], now=NOW, everything=True)
    judgement = judge(compiled, subjects([pod('x: ["r0"] Message: "fake"')]), namespaces={}, gator=gator)
    plain = plainly(gator, compiled, [pod('x: ["r0"] Message: "fake"')])
    assert [finding.message for finding in judgement.findings] == [key[-1] for key in plain]


def test_nothing_to_judge_starts_nothing(tmp_path: Path):
    judgement = judge(ALL, [], namespaces={}, gator=tmp_path / "none")
    assert (judgement.findings, judgement.effort.runs) == ((), 0)


def test_an_engine_that_is_not_there_is_one_error(tmp_path: Path):
    with pytest.raises(PolicyError, match="none: No such file"):
        judge(ALL, subjects([pod()]), namespaces={}, gator=tmp_path / "none", keep_going=True)


def test_an_engine_that_talks_nonsense_is_not_believed(tmp_path: Path):
    fake = tmp_path / "gator"
    fake.write_text("#!/bin/sh\ncat >/dev/null\necho all is well\n")
    fake.chmod(0o755)
    with pytest.raises(PolicyError, match="what cannot be understood: 'all is well'"):
        judge(ALL, subjects([pod()]), namespaces={}, gator=fake, keep_going=True)


def test_an_engine_that_is_killed_is_one_error(tmp_path: Path):
    fake = tmp_path / "gator"
    fake.write_text("#!/bin/sh\nkill -9 $$\n")
    fake.chmod(0o755)
    with pytest.raises(PolicyError, match="gator"):
        judge(ALL, subjects([pod()]), namespaces={}, gator=fake, keep_going=True)
