"""Signatures in cosign's format: who signed what, as being where."""

from __future__ import annotations

import base64
import json

import pytest

from moorage.policies.bundles.artifact import Artifact, Descriptor, Manifest
from moorage.policies.bundles.errors import SignatureError
from moorage.policies.bundles.keys import PrivateKey, PublicKey
from moorage.policies.bundles.reference import Reference
from moorage.policies.bundles.signing import (
    PAYLOAD_TYPE,
    SIGNATURE,
    Payload,
    Signed,
    require_signature,
    signature_reference,
    signed,
)

REFERENCE = Reference.parse("registry.example.com/team/policies:1")
DIGEST = f"sha256:{'a' * 64}"
OTHER = f"sha256:{'b' * 64}"
OURS = PrivateKey.generate("ours")
THEIRS = PrivateKey.generate("theirs")
WANTED = Signed(DIGEST, str(REFERENCE), REFERENCE.identity, "1")


def signatures(*layers):
    """Signatures as they are stored: each a payload and what claims to be its signature."""
    config = Descriptor.of(b"{}", "application/vnd.oci.image.config.v1+json")
    made = [
        Descriptor.of(text, PAYLOAD_TYPE, {SIGNATURE: base64.b64encode(signature).decode()})
        for text, signature in layers
    ]
    blobs = {config.digest: b"{}", **{d.digest: text for d, (text, _) in zip(made, layers, strict=True)}}
    return Artifact(Manifest.write(config, tuple(made)), blobs)


def by(key, text):
    return text, key.sign(text)


def test_what_cosign_signed_is_accepted(cosign):
    found = signatures((cosign.payload, base64.b64decode(cosign.signature)))
    key = PublicKey.parse(cosign.public, name="cosign.pub")
    wanted = Signed(cosign.digest, "here", cosign.repository)
    assert require_signature(found, wanted, [key]) == (key, Payload(cosign.repository, cosign.digest))


def test_what_is_signed_is_to_the_byte_what_cosign_signs(cosign):
    assert Payload(cosign.repository, cosign.digest).text == cosign.payload


def test_the_signature_is_where_cosign_looks_for_it():
    assert (
        str(signature_reference(REFERENCE, DIGEST))
        == f"registry.example.com/team/policies:sha256-{'a' * 64}.sig"
    )


def test_a_bundle_is_signed_and_checked():
    found = signed(REFERENCE, DIGEST, OURS, None)
    assert require_signature(found, WANTED, [OURS.public])[0] == OURS.public


def test_one_of_several_keys_and_signatures_is_enough():
    both = signed(REFERENCE, DIGEST, OURS, signed(REFERENCE, DIGEST, THEIRS, None))
    assert len(both.manifest.layers) == 2
    assert require_signature(both, WANTED, [OURS.public])[0] == OURS.public
    assert require_signature(both, WANTED, [THEIRS.public])[0] == THEIRS.public
    only_theirs = signed(REFERENCE, DIGEST, THEIRS, None)
    assert require_signature(only_theirs, WANTED, [OURS.public, THEIRS.public])[0] == THEIRS.public


def test_signing_again_changes_nothing():
    once = signed(REFERENCE, DIGEST, OURS, None)
    assert signed(REFERENCE, DIGEST, OURS, once) is once


def test_the_image_that_holds_signatures_is_one_that_cosign_reads():
    both = signed(REFERENCE, DIGEST, OURS, signed(REFERENCE, DIGEST, THEIRS, None))
    config = json.loads(both.blobs[both.manifest.config.digest])
    assert config["rootfs"]["diff_ids"] == [layer.digest for layer in both.manifest.layers]
    assert len(config["history"]) == 2


def refused(found, wanted=WANTED, keys=(OURS.public,)):
    with pytest.raises(SignatureError) as error:
        require_signature(found, wanted, keys)
    assert error.value.hint
    return str(error.value)


def test_what_is_not_signed_is_refused():
    assert "is not signed" in refused(None)


def test_a_signature_by_another_key_is_refused():
    assert "but not by ours" in refused(signed(REFERENCE, DIGEST, THEIRS, None))


def test_a_signature_moved_from_another_bundle_is_refused():
    assert OTHER in refused(signed(REFERENCE, OTHER, OURS, None))


def test_a_signature_for_another_repository_is_refused_and_the_way_out_is_told():
    elsewhere = Reference.parse("registry.example.com/other/policies:1")
    said = refused(signed(elsewhere, DIGEST, OURS, None))
    assert "--signed-as registry.example.com/other/policies" in said


def test_a_copy_is_accepted_where_it_is_said_to_be_one():
    elsewhere = Reference.parse("upstream.example.com/policies:1")
    found = signed(elsewhere, DIGEST, OURS, None)
    assert require_signature(found, Signed(DIGEST, "copy", elsewhere.identity, "1"), [OURS.public])


def test_a_key_that_does_not_count_does_not_decide_what_is_told():
    """An attacker adds signatures of their own: they neither help nor hide the good one."""
    good, bad = by(OURS, Payload(REFERENCE.identity, DIGEST).text), by(THEIRS, b"{}")
    junk = (b"\xff", b"\x00" * 70)
    assert require_signature(signatures(bad, junk, good, junk), WANTED, [OURS.public])


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"[]",
        b'{"critical": "cosign"}',
        Payload(REFERENCE.identity, DIGEST).text.replace(b"cosign container image signature", b"another"),
        b"[" * 100_000,
    ],
)
def test_a_document_that_is_no_signature_of_a_bundle_is_refused_though_the_key_signed_it(text):
    refused(signatures(by(OURS, text)))


@pytest.mark.parametrize("flip", range(0, 244, 31))
def test_a_payload_with_one_other_bit_is_refused(flip):
    text, signature = by(OURS, Payload(REFERENCE.identity, DIGEST).text)
    changed = text[:flip] + bytes([text[flip] ^ 1]) + text[flip + 1 :]
    refused(signatures((changed, signature)))


@pytest.mark.parametrize(
    ("identity", "accepted"),
    [
        ("registry.example.com/team/policies", True),
        ("registry.example.com/team/policies:1", True),
        ("registry.example.com/team/policies:2", False),  # the tag was moved to what was signed as another
        (f"registry.example.com/team/policies@{DIGEST}", True),
        ("registry.example.com/team/policies-old", False),
        ("registry.example.com/team", False),
        ("", False),
    ],
)
def test_a_signature_may_name_the_tag_and_then_has_to_name_this_one(identity, accepted):
    found = signatures(by(OURS, Payload(identity, DIGEST).text))
    if accepted:
        assert require_signature(found, WANTED, [OURS.public])
    else:
        refused(found)


def test_the_port_of_a_registry_is_not_a_tag():
    assert Payload("registry.example.com:5000/a", DIGEST).is_for("registry.example.com:5000/a", "1")
    assert not Payload("registry.example.com:5000/a", DIGEST).is_for("registry.example.com", "1")
