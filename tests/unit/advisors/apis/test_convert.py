"""Conversion by a server: when there is one that serves both, and what of its answer stays."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.advisors.apis.convert import _differing, _merged, _without, convert_all, minor_for
from moorage.advisors.apis.mechanical import Conversion
from moorage.advisors.apis.table import table

from .helpers import CERTIFICATE, sighting

values = st.recursive(
    st.integers(0, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from("abcd"), values, max_size=4)


@pytest.mark.parametrize(
    ("name", "newest", "minor"),
    [
        ("resource.k8s.io/v1beta1 DeviceClass", (1, 37), (1, 37)),
        ("storage.k8s.io/v1beta1 VolumeAttributesClass", (1, 37), (1, 36)),
        ("storage.k8s.io/v1beta1 VolumeAttributesClass", (1, 36), (1, 36)),
        ("policy/v1beta1 PodDisruptionBudget", (1, 37), None),
        ("policy/v1beta1 PodSecurityPolicy", (1, 24), None),
        ("policy/v1beta1 Eviction", (1, 24), None),
    ],
)
def test_the_newest_minor_that_serves_both_versions_converts(
    name: str, newest: tuple[int, int], minor: tuple[int, int] | None
) -> None:
    api = table().by_name(*name.split(" "))
    assert api is not None
    assert minor_for(api, newest) == minor


async def test_no_server_is_started_where_none_can_convert() -> None:
    told = Conversion(None, "the fields are different")
    old = table().by_name("policy/v1beta1", "PodDisruptionBudget")
    assert old is not None
    both = [sighting(old, content={}), sighting(CERTIFICATE, content={})]
    found = await convert_all(both, lambda _: told)
    assert found[id(both[0])].ground.startswith("no API server from 1.34 on serves both versions any more")
    assert found[id(both[1])] == told


def test_defaults_are_left_out_and_renamed_fields_stay() -> None:
    whole = {"a": {"set": 1, "default": 2}, "new": {"name": 3}, "list": [{"x": 1, "d": 0}]}
    original: dict[str, Any] = {"a": {"set": 1}, "old": 3, "list": [{"x": 1}]}
    assert _without(whole, original) == {"a": {"set": 1}, "list": [{"x": 1}]}
    lacking = _differing(whole, {"a": {"set": 1, "default": 2}, "list": [{"x": 1, "d": 0}]})
    assert lacking == {"new": {"name": 3}}
    assert _merged(_without(whole, original), lacking) == {
        "a": {"set": 1}, "new": {"name": 3}, "list": [{"x": 1}],
    }  # fmt: skip


def is_part(value: Any, whole: Any) -> bool:
    if isinstance(value, dict) and isinstance(whole, dict):
        return all(key in whole and is_part(item, whole[key]) for key, item in value.items())
    if isinstance(value, list) and isinstance(whole, list):
        return len(value) == len(whole) and all(map(is_part, value, whole))
    return bool(value == whole)


@settings(deadline=None)
@given(objects, objects, objects)
def test_nothing_is_proposed_that_the_server_has_not_said(
    whole: dict[str, Any], original: dict[str, Any], again: dict[str, Any]
) -> None:
    without = _without(whole, original)
    assert is_part(without, whole)
    assert is_part(_merged(without, _differing(whole, again)), whole)


@settings(deadline=None)
@given(objects)
def test_nothing_differs_from_itself(value: dict[str, Any]) -> None:
    assert _differing(value, value) == {}
    assert _without(value, value) == value
