"""Making one template of many rules: what may be, and how what comes back is read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from moorage.policies.compiling import compile_policies
from moorage.policies.engine.packing import Pack, packs
from moorage.policies.engine.rules import Rule, bind

from ..builders import CEL, REGO, library, policy_files

NOW = datetime(2027, 1, 1, tzinfo=UTC)


def rules(*files: dict) -> list[Rule]:
    compiled = compile_policies([library(*files)], now=NOW, everything=True)
    return [bound.rule for bound in bind(compiled)]


def packed(*codes: dict[str, Any]) -> Pack:
    files = [policy_files(f"p{number}", code=code) for number, code in enumerate(codes)]
    [pack] = packs(rules(*files), keep_kinds=True)
    return pack


def source(pack: Pack) -> dict[str, Any]:
    return pack.template["spec"]["targets"][0]["code"][0]["source"]


def test_rules_of_one_kind_become_one():
    assert packed(CEL, CEL).rules == (0, 1)


def test_one_rule_is_no_pack():
    assert packs(rules(policy_files("only")), keep_kinds=True) == []


def test_rules_of_different_kinds_stay_apart_while_kinds_count():
    services = {"kinds": [{"apiGroups": [""], "kinds": ["Service"]}]}
    mine = rules(
        policy_files("a"),
        policy_files("b"),
        policy_files("c", match=services),
        policy_files("d", match=services),
    )
    assert [pack.rules for pack in packs(mine, keep_kinds=True)] == [(0, 1), (2, 3)]
    assert [pack.rules for pack in packs(mine, keep_kinds=False)] == [(0, 1, 2, 3)]


def test_variables_that_say_the_same_are_one():
    first = {
        "variables": [
            {"name": "spec", "expression": "variables.anyObject.spec"},
            {"name": "all", "expression": "variables.spec.containers"},
        ],
        "validations": [{"expression": "size(variables.all) > 0", "message": "x"}],
    }
    second = {
        "variables": [
            {"name": "it", "expression": "variables.anyObject.spec"},
            {"name": "containers", "expression": "variables.it.containers"},
        ],
        "validations": [{"expression": "variables.containers.all(c, has(c.image))", "message": "y"}],
    }
    found = source(packed(first, second))
    # Nobody's parameters are the third: no rule here has any.
    assert len(found["variables"]) == 3
    collected = found["variables"][-1]["name"]
    assert all(f"variables.{collected}" in validation["expression"] for validation in found["validations"])


def test_each_rule_has_its_own_parameters():
    schema = {"most": {"type": "integer", "description": "x"}}
    code = {"validations": [{"expression": "variables.params.most == 1", "message": "x"}]}
    files = [
        policy_files(f"p{number}", code=code, parameters={"most": number}, schema=schema)
        for number in range(2)
    ]
    [pack] = packs(rules(*files), keep_kinds=True)
    assert pack.constraint["spec"]["parameters"] == {"r0": {"most": 0}, "r1": {"most": 1}}
    properties = pack.template["spec"]["crd"]["spec"]["validation"]["openAPIV3Schema"]["properties"]
    assert properties["r1"]["properties"] == schema
    first, second = (validation["expression"] for validation in source(pack)["validations"])
    assert first != second


@pytest.mark.parametrize(
    "expression",
    [
        "'variables.name' != \"variables.name\"",
        "r\"variables.name\\\" != ''",
        '"a \\" variables.name" != ""',
        "'''it's variables.name''' != ''",
        "true // variables.name",
    ],
)
def test_text_that_looks_like_a_variable_is_left_alone(expression: str):
    code = {**CEL, "validations": [{"expression": expression, "message": "x"}]}
    assert source(packed(code, CEL))["validations"][0]["expression"] == expression


@pytest.mark.parametrize(
    "written", ["variables.name", "variables . name", "variables.?name", "variables\n.name"]
)
def test_a_variable_is_renamed_however_it_is_written(written: str):
    code = {**CEL, "validations": [{"expression": f"{written} == ''", "message": "x"}]}
    pack = packed(code, CEL)
    assert written not in source(pack)["validations"][0]["expression"]


@pytest.mark.parametrize(
    "expression",
    [
        "variables.other == 1",  # there is none
        "[1].all(variables, variables > 0)",
        "object.variables.name == ''",
        "has(variables)",
    ],
)
def test_what_is_not_clear_stays_by_itself(expression: str):
    odd = {**CEL, "validations": [{"expression": expression, "message": "x"}]}
    mine = rules(policy_files("odd", code=odd), policy_files("p1"), policy_files("p2"))
    place = next(place for place, rule in enumerate(mine) if rule.policy == "odd")
    assert all(place not in pack.rules for pack in packs(mine, keep_kinds=True))


@pytest.mark.parametrize(
    "files",
    [
        policy_files("odd", rego=REGO),
        policy_files("odd", code={**CEL, "failurePolicy": "Ignore"}),
        policy_files(
            "odd", code={**CEL, "validations": [{"expression": "params.kind != ''", "message": "x"}]}
        ),
        policy_files(
            "odd", code={**CEL, "variables": [*CEL["variables"], {"name": "params", "expression": "1"}]}
        ),
    ],
)
def test_what_is_not_like_the_others_stays_by_itself(files: dict):
    mine = rules(files, policy_files("p1"), policy_files("p2"))
    place = next(place for place, rule in enumerate(mine) if rule.policy == "odd")
    [pack] = packs(mine, keep_kinds=True)
    assert place not in pack.rules


def test_a_condition_comes_before_the_rule():
    code = {**CEL, "matchCondition": [{"name": "no-delete", "expression": 'request.operation != "DELETE"'}]}
    assert source(packed(code, CEL))["validations"][0]["expression"].startswith(
        '(request.operation != "DELETE") ? (\n'
    )


SAYS = {"validations": [{"expression": "false", "message": " It is so. "}, {"expression": "1 == 2"}]}
COMPUTES = {"validations": [{"expression": "variables.anyObject.x", "messageExpression": "string(1)"}]}


@pytest.mark.parametrize(
    ("message", "read"),
    [
        ("0.0:!", (0, "It is so.")),
        ("0.1:!", (0, "failed expression: 1 == 2")),
        ("1.0:one", (1, "one")),
        ("1.0:  one ", (1, "one")),
        ('1.0:two\twords: "x"', (1, 'two\twords: "x"')),
        # Whatever is not clear is held against the object again.
        ("1.0:", {1}),
        ("1.0:!", {1}),
        ("1.0: ", {1}),
        ("7.0:who", {0, 1, 2}),
        ("out of budget", {0, 1, 2}),
        ("expression 'variables.anyObject.x' resulted in error: no such key: x", {1, 2}),
        ("expression 'unheard of' resulted in error: no such key: x", {0, 1, 2}),
    ],
)
def test_a_message_is_its_rules_or_in_doubt(message: str, read: object):
    assert packed(SAYS, COMPUTES, COMPUTES).read(message) == read
