"""What is decided about Go without running it."""

from __future__ import annotations

import pytest

from moorage.toolchain.errors import DiskError, IntegrityError, SourceUnavailable
from moorage.toolchain.gocommand import (
    Go,
    GoError,
    build_environment,
    explain,
    needed_version,
    require_version,
)
from moorage.toolchain.platforms import Platform


@pytest.mark.parametrize(
    ("version", "needed", "toolchain"),
    [
        ("go1.26.8", "1.26.0", "local"),
        ("go1.26.8", "1.26", "local"),
        ("go1.30", "1.26.8", "local"),
        ("go2.0.1", "1.26.8", "local"),
        ("go1.26.8 X:nodwarf5", "1.26.0", "local"),
        ("devel go1.27-abcdef", "1.99", "local"),
        ("go1.22.1", "1.26.0", "auto"),
        ("go1.22.1", "1.26.0", "go1.22.1+auto"),
        ("go1.22.1", "1.26.0", "path"),
    ],
)
def test_a_go_that_is_new_enough_or_can_fetch_such_a_one_will_do(version, needed, toolchain):
    require_version(version, needed, toolchain)


@pytest.mark.parametrize(
    ("version", "needed", "toolchain"),
    [
        ("go1.25.9", "1.26.0", "local"),
        ("go1.26.7", "1.26.8", "local"),
        ("go1.26", "1.26.1", "local"),
        ("go1.22.1", "1.26.0", "go1.22.1"),
        ("go1.19.4", "1.26.0", ""),
    ],
)
def test_an_old_go_is_refused_with_both_versions(version, needed, toolchain):
    with pytest.raises(SourceUnavailable) as caught:
        require_version(version, needed, toolchain)
    assert version in str(caught.value)
    assert needed in str(caught.value)


def test_the_needed_version_is_what_go_mod_says():
    assert needed_version("module a\n\ngo 1.26.0\n\ntoolchain go1.27.1\n") == "1.26.0"
    assert needed_version("module a\n") == "1.21"


def test_a_build_keeps_the_users_proxies_and_caches_and_nothing_that_changes_the_result(tmp_path):
    user = {
        "GOPROXY": "https://proxy.example",
        "GONOSUMDB": "corp.example/*",
        "GOCACHE": "/c",
        "GOTOOLCHAIN": "auto",
        "GOOS": "windows",
        "GOARCH": "386",
        "GOWORK": "/w/go.work",
        "CGO_ENABLED": "1",
        "GOAMD64": "v3",
        "GO111MODULE": "off",
        "GOFLAGS": "-mod=vendor -modcacherw -tags=evil -race -p=1",
    }
    go = Go("go", "go1.26.8", user["GOPROXY"], user["GOFLAGS"])
    environment = build_environment(go, Platform("linux", "arm64"), tmp_path, user)
    for kept in ("GOPROXY", "GONOSUMDB", "GOCACHE", "GOTOOLCHAIN"):
        assert environment[kept] == user[kept]
    assert (environment["GOOS"], environment["GOARCH"]) == ("linux", "arm64")
    assert environment["GOWORK"] == "off"
    assert environment["CGO_ENABLED"] == "0"
    assert environment["GOAMD64"] == "v1"
    assert environment["GO111MODULE"] == "on"
    assert environment["GOFLAGS"] == "-buildvcs=false -modcacherw -p=1"
    assert environment["GOTMPDIR"] == str(tmp_path)


@pytest.mark.parametrize(
    ("said", "meaning", "words"),
    [
        (
            "go: downloading a v1\nverifying a@v1: checksum mismatch\n\tdownloaded: h1:x\nSECURITY ERROR\n",
            IntegrityError,
            "checksum mismatch",
        ),
        (
            "# a\n/usr/local/go/link: mapping output file failed: no space left on device",
            DiskError,
            "no space left to build etcd 3.7.0",
        ),
        (
            'go: a@v1: Get "https://p/a": dial tcp: lookup p: no such host',
            SourceUnavailable,
            "no such host",
        ),
        ("# a/b\na.go:1:2: undefined: x", SourceUnavailable, "undefined: x"),
        ("exit status -9", SourceUnavailable, "exit status -9"),
    ],
)
def test_what_go_says_is_sorted_into_what_it_means(said, meaning, words):
    error = explain(GoError(said), "etcd 3.7.0")
    assert type(error) is meaning
    assert words in str(error)
    assert "downloading" not in str(error)
