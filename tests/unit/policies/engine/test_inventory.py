"""What rules read beside their object: how far that is seen to go, and what there is."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.policies.engine.inventory import Inventory, stays_in_its_namespace
from moorage.policies.engine.subjects import Subject
from moorage.policies.load import builtin_library_path, load_library
from moorage.policies.model import GroupVersionKind

HEAD = "package twins\n\n"
OWN = 'namespace := object.get(input.review.object, ["metadata", "namespace"], "")\n'
READS = """
violation contains {"msg": "twice"} if {
	some name
	data.inventory.namespace[namespace]["v1"].Service[name].spec == input.review.object.spec
}
"""


def rule(text: str, *libs: str) -> dict[str, Any]:
    source: dict[str, Any] = {"version": "v1", "rego": text}
    if libs:
        source["libs"] = list(libs)
    return {"spec": {"targets": [{"code": [{"engine": "Rego", "source": source}]}]}}


@pytest.mark.parametrize(
    "text",
    [
        HEAD + OWN + READS,
        HEAD + READS + OWN,
        HEAD + "thing := input.review.object\n" + OWN.replace("input.review.object", "thing") + READS,
        HEAD
        + 'thing := input.review.object\nnamespace := object.get(thing.metadata, "namespace", "")\n'
        + READS,
        HEAD + OWN + READS + '\nothers := data.inventory.cluster["v1"].Service\n',
        HEAD + OWN + READS + "\n# unlike data.inventory.namespace[_], with care\n",
        HEAD + OWN + READS.replace('"twice"', '"some namespace := data"'),
        HEAD + "import data.lib.names\n" + OWN + READS,
    ],
)
def test_a_rule_that_goes_by_its_objects_namespace_stays_there(text: str):
    assert stays_in_its_namespace(rule(text))


@pytest.mark.parametrize(
    "text",
    [
        HEAD + READS,  # which namespace?
        HEAD + OWN + READS.replace("[namespace]", "[_]"),
        HEAD + OWN + READS.replace("[namespace]", "[other]"),
        HEAD + OWN + READS.replace("some name", "some namespace, name"),
        HEAD + OWN + READS.replace("some name", 'namespace := "other"'),
        HEAD + OWN + READS.replace("some name", 'some namespace in ["a"]'),
        HEAD + OWN + READS.replace("some name", "some name,\n\t\tnamespace"),
        HEAD + OWN + READS.replace("some name", '[namespace, other] := ["a", "b"]'),
        HEAD + OWN + READS + "\nall_of := data.inventory\n",
        HEAD + OWN + READS + '\nall_of := data["inventory"]\n',
        HEAD + OWN + READS + "\nall_of := data.inventory.namespace\n",
        HEAD + OWN + READS + "\nthere := [x | x := data.inventory.namespace[n]]\n",
        HEAD + "import data.inventory\n" + OWN + READS,
        HEAD + OWN + OWN + READS,
        HEAD + OWN + READS + "\nin_it(namespace) if data.inventory.namespace[namespace]\n",
        HEAD + OWN + READS + '\nother := twice with input as {"review": {}}\n',
        HEAD + "thing := input.parameters\n" + OWN.replace("input.review.object", "thing") + READS,
        HEAD
        + "thing := input.review.object\n\nthing := input.parameters\n"
        + OWN.replace("input.review.object", "thing")
        + READS,
        HEAD + OWN.replace('"")', '"other")') + READS,
        HEAD + OWN.replace("namespace :=", "\tnamespace :=") + READS,
    ],
)
def test_a_rule_that_may_go_further_is_taken_to_read_everything(text: str):
    assert not stays_in_its_namespace(rule(text))


def test_a_rule_with_libraries_is_taken_to_read_everything():
    assert not stays_in_its_namespace(rule(HEAD + OWN + READS, "package lib.x\n"))


def test_which_of_the_librarys_policies_go_further():
    found = load_library(builtin_library_path()).policies.values()
    reading = {policy.name: stays_in_its_namespace(policy.template) for policy in found if policy.inventory}
    assert reading["unique-selectors"]
    assert not reading["ingress-unique-hosts"]  # a host of another namespace counts


def service(name: str, namespace: str = "shop", version: str = "v1", **fields: object) -> Subject:
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return Subject.of({"apiVersion": version, "kind": "Service", "metadata": metadata, **fields})


KEY = ("", "Service")


def test_what_is_judged_takes_the_place_of_what_is_there():
    new = service("a", x=1)
    assert Inventory([KEY], [new], [service("a"), service("b")]).read(KEY, None) == [new, service("b")]


def test_a_namespace_is_read_with_what_is_in_none():
    mine, other, none = service("a"), service("a", "other"), service("a", "")
    inventory = Inventory([KEY], [], [mine, other, none])
    assert inventory.read(KEY, ["shop"]) == [mine, none]
    assert inventory.read(KEY, [""]) == [none]
    assert inventory.read(KEY, None) == [mine, other, none]


def test_kinds_count_in_every_version_and_only_those_that_are_read():
    inventory = Inventory([KEY], [], [service("a", version="v2")])
    assert inventory.count(KEY) == 1
    assert GroupVersionKind("", "v9", "Service") in inventory
    assert GroupVersionKind("apps", "v1", "Service") not in inventory
