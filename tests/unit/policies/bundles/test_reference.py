"""Which bundle is meant."""

from __future__ import annotations

import pytest

from moorage.policies.bundles.errors import BundleError
from moorage.policies.bundles.reference import Reference

DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("text", "host", "repository", "tag", "digest"),
    [
        ("registry.example.com/team/policies:1.4.0", "registry.example.com", "team/policies", "1.4.0", ""),
        ("registry.example.com:5000/policies:v1", "registry.example.com:5000", "policies", "v1", ""),
        (f"localhost/policies@{DIGEST}", "localhost", "policies", "", DIGEST),
        (f"127.0.0.1:5000/a/b/c:x@{DIGEST}", "127.0.0.1:5000", "a/b/c", "x", DIGEST),
        ("[::1]:5000/policies:1", "[::1]:5000", "policies", "1", ""),
    ],
)
def test_a_reference_is_read_and_written_as_it_is(text, host, repository, tag, digest):
    found = Reference.parse(text)
    assert found == Reference(host, repository, tag, digest)
    assert str(found) == text
    assert str(Reference.parse(f"oci://{text}")) == text


@pytest.mark.parametrize(
    "text",
    [
        "policies:1.0",  # in which registry?
        "team/policies:1.0",  # "team" is not a host
        "registry.example.com/policies",  # which one?
        "registry.example.com/Policies:1",
        "registry.example.com/a//b:1",
        "registry.example.com/a/../b:1",
        "registry.example.com/a:1@sha256:short",
        "registry.example.com/a@sha512:" + "a" * 64,
        "https://registry.example.com/a:1",
        "user:secret@registry.example.com/a:1",
        "registry.example.com/a:1\n",
        "",
    ],
)
def test_what_is_not_clear_is_refused(text):
    with pytest.raises(BundleError) as error:
        Reference.parse(text)
    assert error.value.hint


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1:5000", "http://127.0.0.1:5000/v2/a"),
        ("localhost", "http://localhost/v2/a"),
        ("[::1]:5000", "http://[::1]:5000/v2/a"),
        ("localhost.example.com", "https://localhost.example.com/v2/a"),
        ("127.0.0.1.example.com", "https://127.0.0.1.example.com/v2/a"),
        ("10.0.0.1:5000", "https://10.0.0.1:5000/v2/a"),
        ("docker.io", "https://registry-1.docker.io/v2/a"),
    ],
)
def test_only_this_machine_is_spoken_to_without_tls(host, url):
    assert Reference(host, "a", "1").url == url


def test_docker_hub_has_the_names_that_docker_and_cosign_give_it():
    reference = Reference.parse("docker.io/team/policies:1")
    assert reference.account == "https://index.docker.io/v1/"
    assert reference.identity == "index.docker.io/team/policies"


def test_a_digest_goes_before_a_tag():
    assert Reference.parse(f"registry.example.com/a:1@{DIGEST}").selector == DIGEST
