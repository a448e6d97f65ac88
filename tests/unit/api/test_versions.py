"""Versions: what is asked for, and which release on offer is meant."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.api.versions import (
    VERSION_PATTERN,
    InvalidVersionError,
    KubernetesVersion,
    is_minor,
    minors,
    parse_version,
    resolve,
)

OFFERED = [parse_version(tag) for tag in ("v1.34.0", "v1.35.0", "v1.35.4", "v1.36.0", "v1.37.2")]
releases = st.builds(KubernetesVersion, st.just(1), st.integers(0, 60), st.integers(0, 30))


@pytest.mark.parametrize(
    ("requested", "meant"),
    [
        ("1.34", "1.34.0"),
        ("1.35", "1.35.4"),
        ("1.35.0", "1.35.0"),
        ("1.37", "1.37.2"),
        ("1.35.9", None),
        ("1.38", None),
        ("1.3", None),
    ],
)
def test_a_minor_means_its_newest_patch_on_offer_and_a_patch_itself(requested, meant):
    found = resolve(requested, OFFERED)
    assert (str(found) if found else None) == meant


@pytest.mark.parametrize("text", ["", "1", "1.x", "latest", "1.36.0.0", "1.-1"])
def test_what_is_not_a_version_is_refused(text):
    with pytest.raises(InvalidVersionError, match="is not a Kubernetes version"):
        parse_version(text)


def test_a_server_s_version_is_read_without_its_v_and_build():
    assert parse_version("v1.36.0+k3s1") == KubernetesVersion(1, 36, 0)
    assert parse_version("v1.37.0-rc.1").tag == "v1.37.0"


def test_minors_are_numbers_not_text():
    assert parse_version("1.9") < parse_version("1.10")
    assert minors(parse_version(tag) for tag in ("1.10.0", "1.9.1", "1.9.0")) == ["1.9", "1.10"]
    assert parse_version("1.36").minors_after(parse_version("1.34.2")) == 2


@given(releases)
def test_a_version_survives_being_written_and_read(version):
    assert parse_version(str(version)) == version == parse_version(version.tag)
    assert is_minor(version.minor_version)
    assert not is_minor(str(version))
    assert re.search(VERSION_PATTERN, str(version))
    assert not re.search(VERSION_PATTERN, version.tag)


@given(releases, st.lists(releases))
def test_what_a_minor_means_is_on_offer_and_none_of_that_minor_is_newer(asked, offered):
    found = resolve(asked.minor_version, offered)
    same_minor = [v for v in offered if v.minor == asked.minor]
    if found is None:
        assert not same_minor
    else:
        assert found in same_minor
        assert all(v <= found for v in same_minor)


@given(releases, st.lists(releases))
def test_a_patch_means_itself_or_nothing(asked, offered):
    assert resolve(str(asked), offered) == (asked if asked in offered else None)
