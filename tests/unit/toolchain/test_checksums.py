"""Published digests, in the forms in which real upstreams publish them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.toolchain.catalog import ChecksumFormat
from moorage.toolchain.checksums import published_digest
from moorage.toolchain.errors import SourceUnavailable

HEX, OTHER = "a1" * 32, "b2" * 32


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (ChecksumFormat.DIGEST, HEX),
        (ChecksumFormat.DIGEST, HEX.upper() + "\n"),
        (ChecksumFormat.DIGEST, f"{HEX}  tool.tar.gz\n"),
        (ChecksumFormat.LIST, f"{OTHER}  tool.tar.gz.asc\n{HEX}  tool.tar.gz\n"),
        (ChecksumFormat.LIST, f"{HEX} *tool.tar.gz\r\n"),
        (ChecksumFormat.LIST, f"{HEX}  ./tool.tar.gz"),
        (
            ChecksumFormat.GITHUB_RELEASE,
            json.dumps(
                {
                    "assets": [
                        {"name": "old", "digest": None},
                        {"name": "tool.tar.gz", "digest": f"sha256:{HEX}"},
                    ]
                }
            ),
        ),
    ],
)
def test_the_digest_of_the_file_is_found(kind, text):
    assert published_digest(kind, text, "tool.tar.gz") == f"sha256:{HEX}"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (ChecksumFormat.DIGEST, ""),
        (ChecksumFormat.DIGEST, "<html>Not found</html>"),
        (ChecksumFormat.DIGEST, "d41d8cd98f00b204e9800998ecf8427e"),
        (ChecksumFormat.LIST, f"{HEX}  other.tar.gz\n"),
        (ChecksumFormat.LIST, f"{HEX}  not-tool.tar.gz\n"),
        (ChecksumFormat.GITHUB_RELEASE, "<html>"),
        (ChecksumFormat.GITHUB_RELEASE, '{"message": "rate limited"}'),
        (ChecksumFormat.GITHUB_RELEASE, '{"assets": [{"name": "tool.tar.gz", "digest": null}]}'),
        (ChecksumFormat.GITHUB_RELEASE, '{"assets": [{"name": "tool.tar.gz", "digest": "sha512:00"}]}'),
    ],
)
def test_without_a_digest_the_file_is_not_to_be_had(kind, text):
    with pytest.raises(SourceUnavailable, match=r"no sha256 of tool.tar.gz"):
        published_digest(kind, text, "tool.tar.gz")


@given(st.sampled_from(list(ChecksumFormat)), st.text())
def test_whatever_a_server_says_is_a_digest_or_unavailable(kind, text):
    try:
        digest = published_digest(kind, text, "tool")
    except SourceUnavailable:
        return
    assert digest.startswith("sha256:")
    assert len(digest) == 71
