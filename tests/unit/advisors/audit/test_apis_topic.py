"""What the platform decides about APIs that go: for which version, with which rights, what stays."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest
import yaml

from moorage.advisors.apis.objects import wanted
from moorage.advisors.apis.table import table
from moorage.advisors.apis.versions import KUBERNETES, Targets
from moorage.advisors.cluster.apis import OLDEST, clean, minor_of, rules_for, unjudged_of
from moorage.kube.kinds import Kind


@pytest.mark.parametrize(
    ("spec", "status", "expected"),
    [
        ({"version": "1.36"}, None, (1, 36)),
        ({"version": "1.37"}, {"version": {"controlPlane": "v1.36.4"}}, (1, 36)),
        ({}, {"version": {"desired": "1.37.0"}}, None),
    ],
)
def test_a_cluster_is_judged_for_the_minor_after_the_one_it_runs(
    spec: dict[str, Any], status: dict[str, Any] | None, expected: tuple[int, int] | None
) -> None:
    assert minor_of({"spec": spec, "status": status}) == expected


def test_what_is_said_of_a_clean_cluster_names_the_version() -> None:
    assert clean(Targets((1, 38))) == "nothing uses an API that Kubernetes 1.38 deprecates or removes"


def test_the_advisor_may_list_exactly_what_the_table_says_goes() -> None:
    """Kubernetes' own; of custom resources each that is to be looked through is granted by itself."""
    served = {
        f"{api.resource}.{group}"
        for api in table()
        if api.project == KUBERNETES and api.resource and "/" not in api.resource
        for group in (api.name.group, *((api.replacement.group,) if api.replacement else ()))
    }
    served |= {
        f"{name}.admissionregistration.k8s.io"
        for name in ("validatingwebhookconfigurations", "mutatingwebhookconfigurations")
    }
    expected = set(wanted(served, table(), since=OLDEST))
    text = files("moorage.local").joinpath("data", "user-cluster.yaml").read_text("utf-8")
    [role] = [
        obj
        for obj in yaml.safe_load_all(text)
        if (obj["kind"], obj["metadata"]["name"]) == ("ClusterRole", "moorage:advisor")
    ]
    granted = {
        f"{resource}.{group}"
        for rule in role["rules"]
        for group in rule.get("apiGroups", ())
        for resource in rule.get("resources", ())
        if rule["verbs"] == ["list"]
    }
    assert expected <= granted
    groups = {name.partition(".")[2] for name in expected}
    assert {name for name in granted if name.partition(".")[2] in groups} == expected
    assert {"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"],
            "verbs": ["list"]} in role["rules"]  # fmt: skip
    assert not {"secrets.", "configmaps.", "*."} & granted


def test_custom_resources_are_granted_by_name_and_only_to_be_listed() -> None:
    kinds = [
        Kind("b.example.com", "v1", "Two", "twos"),
        Kind("a.example.com", "v1", "One", "ones"),
        Kind("b.example.com", "v1", "Three", "threes"),
    ]
    assert rules_for(kinds) == [
        {"apiGroups": ["a.example.com"], "resources": ["ones"], "verbs": ["list"]},
        {"apiGroups": ["b.example.com"], "resources": ["threes", "twos"], "verbs": ["list"]},
    ]
    assert rules_for(list(reversed(kinds))) == rules_for(kinds)
    assert rules_for([]) == []


def test_advice_about_what_could_not_be_looked_at_stays() -> None:
    specs = [
        {"subject": "Widget shop/a", "code": "applied-removed"},
        {"subject": "WidgetSet shop/a", "code": "applied-removed"},
        {"subject": "User ada", "code": "call-deprecated"},
    ]
    assert unjudged_of(specs, {"Widget": "forbidden"}, calls_are_told=True) == {"Widget shop/a"}
    assert unjudged_of(specs, {}, calls_are_told=False) == {"User ada"}
