"""Conversion without a server: only where nothing that is set is different."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.advisors.apis.mechanical import Conversion, convert, values_at
from moorage.advisors.apis.table import read_changes, table


def converted(api_version: str, kind: str, spec: Any, **fields: Any) -> Conversion:
    api = table().by_name(api_version, kind)
    assert api is not None
    content = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}, "spec": spec, **fields}
    return convert(content, api, read_changes())


def test_the_same_fields_are_the_ground_to_change_the_version_alone() -> None:
    spec = {"schedule": "@daily", "jobTemplate": {}}
    found = converted("batch/v1beta1", "CronJob", spec)
    assert found.content == {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "a"},
        "spec": spec,
    }
    assert found.ground == "Kubernetes 1.24 served both versions with the same fields"


def test_a_field_that_is_gone_takes_a_person() -> None:
    found = converted("extensions/v1beta1", "Ingress", {"backend": {"serviceName": "web", "servicePort": 80}})
    assert found.content is None
    assert "spec.backend is gone" in found.ground


def test_fields_that_are_different_do_not_matter_where_they_are_not_set() -> None:
    found = converted("extensions/v1beta1", "Ingress", {"tls": [{"hosts": ["a"], "secretName": "b"}]})
    assert found.content is not None
    assert found.content["apiVersion"] == "networking.k8s.io/v1"
    assert "that are set are the same" in found.ground


def test_a_field_that_has_to_be_set_now_is_named() -> None:
    spec = {"template": {"metadata": {"labels": {"app": "a"}}}}
    found = converted("extensions/v1beta1", "Deployment", spec)
    assert found.content is None
    assert "spec.selector has to be set" in found.ground
    assert converted("extensions/v1beta1", "Deployment", {**spec, "selector": {}}).content is not None


def test_a_field_that_means_something_else_is_pointed_out() -> None:
    found = converted("policy/v1beta1", "PodDisruptionBudget", {"selector": {}, "minAvailable": 1})
    assert found.content is not None
    [attention] = found.attention
    assert attention.startswith("spec.selector was: ")
    assert converted("policy/v1beta1", "PodDisruptionBudget", {"minAvailable": 1}).attention == ()


def test_another_default_is_pointed_out_where_the_field_is_not_set() -> None:
    spec = {"selector": {}, "template": {}}
    found = converted("extensions/v1beta1", "Deployment", spec)
    assert any(each.startswith("spec.progressDeadlineSeconds was: ") for each in found.attention)


def test_without_a_replacement_there_is_nothing_to_convert_to() -> None:
    assert converted("policy/v1beta1", "PodSecurityPolicy", {}).content is None


@pytest.mark.parametrize(
    ("path", "expected"),
    [("a", [{"b": [{"c": 1}, {"d": 2}]}]), ("a.b[].c", [1]), ("a.b[].x", []), ("m{}", [1, 2]), ("m{}.x", [])],
)
def test_paths(path: str, expected: list[Any]) -> None:
    content = {"a": {"b": [{"c": 1}, {"d": 2}]}, "m": {"x": 1, "y": 2}}
    assert sorted(values_at(content, path), key=str) == expected


def test_a_text_that_is_cut_is_cut_between_two_words_and_says_so() -> None:
    texts = [
        each[key]
        for row in read_changes().values()
        for each in row.get("meaning", ())
        for key in ("was", "is")
    ]
    long = [text for text in texts if len(text) > 550]
    assert any(text.endswith(" \N{HORIZONTAL ELLIPSIS}") for text in long)
    assert all(text.endswith((".", ")", "`", '"', " \N{HORIZONTAL ELLIPSIS}")) for text in long)
