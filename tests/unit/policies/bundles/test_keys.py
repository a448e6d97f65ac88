"""Key pairs, in cosign's files."""

from __future__ import annotations

import base64
import json
import os

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from moorage.policies.bundles import keys
from moorage.policies.bundles.errors import KeyFileError
from moorage.policies.bundles.keys import PrivateKey, PublicKey, write_pair


@pytest.fixture
def pair(tmp_path):
    """A key pair in files, with the password "s3cret"."""
    private, public, _ = write_pair(tmp_path / "acme", b"s3cret")
    return private, public


def pem(key, password=b"s3cret"):
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def public_pem(key):
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def test_a_pair_signs_and_checks(pair):
    private, public = pair
    signature = PrivateKey.read(private, b"s3cret").sign(b"payload")
    key = PublicKey.read(public)
    assert key.has_signed(b"payload", signature)
    assert not key.has_signed(b"another", signature)
    assert not key.has_signed(b"payload", signature[:-1] + bytes([signature[-1] ^ 1]))
    assert not key.has_signed(b"payload", b"")


def test_the_private_key_is_for_its_owner_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        private, public, _ = write_pair(tmp_path / "acme", b"s3cret")
    finally:
        os.umask(before)
    assert private.stat().st_mode & 0o777 == 0o600
    assert public.stat().st_mode & 0o777 == 0o644


def test_the_key_itself_is_not_in_the_file(pair):
    private, _ = pair
    text = private.read_bytes()
    key = PrivateKey.read(private, b"s3cret")
    box = base64.b64decode(b"".join(text.splitlines()[1:-1]))
    number = key.key.private_numbers().private_value.to_bytes(32, "big")
    assert number not in box
    assert number not in base64.b64decode(json.loads(box)["ciphertext"])


def test_a_public_key_signs_nothing_and_the_private_one_is_named(pair):
    private, public = pair
    with pytest.raises(KeyFileError, match="is a public key") as error:
        PrivateKey.read(public, b"s3cret")
    assert str(private) in error.value.hint


def test_a_key_that_others_may_read_is_refused(pair):
    private, _ = pair
    private.chmod(0o640)
    with pytest.raises(KeyFileError, match="read by others") as error:
        PrivateKey.read(private, b"s3cret")
    assert "chmod 600" in error.value.hint


@pytest.mark.parametrize("there", ["acme.key", "acme.pub"])
def test_a_key_is_never_written_over(tmp_path, there):
    (tmp_path / there).symlink_to("nowhere")
    with pytest.raises(KeyFileError, match="already"):
        write_pair(tmp_path / "acme", b"s3cret")
    assert {file.name for file in tmp_path.iterdir()} == {there}


def test_a_key_of_cosign_is_read(cosign):
    key = PrivateKey.parse(cosign.private, cosign.password, name="cosign.key")
    assert key.public.pem == cosign.public


def test_a_key_of_openssl_is_read():
    made = ec.generate_private_key(ec.SECP256R1())
    assert PrivateKey.parse(pem(made), b"s3cret", name="x").public.pem == public_pem(made)


@pytest.mark.parametrize("kind", ["cosign", "ours", "openssl"])
def test_another_password_opens_nothing(kind, cosign):
    text = {
        "cosign": lambda: cosign.private,
        "ours": lambda: PrivateKey.generate().encrypted(b"s3cret"),
        "openssl": lambda: pem(ec.generate_private_key(ec.SECP256R1())),
    }[kind]()
    for password in (b"other", b""):
        with pytest.raises(KeyFileError, match="does not open"):
            PrivateKey.parse(text, password, name="x")


def box_with(text, **changes):
    """A file of cosign's with something in it changed."""
    box = json.loads(base64.b64decode(b"".join(text.splitlines()[1:-1])))
    box["kdf"]["params"] |= changes.pop("params", {})
    box |= changes
    body = base64.b64encode(json.dumps(box).encode())
    first, last = text.splitlines()[0], text.splitlines()[-1]
    return b"\n".join([first, body, last, b""])


def test_a_file_that_asks_for_gigabytes_of_memory_is_refused(cosign, monkeypatch):
    monkeypatch.setattr(keys, "_stretched", lambda *_: pytest.fail("it was computed"))
    for params in ({"N": 1 << 30}, {"r": 1 << 20}, {"p": 1 << 20}, {"N": "65536"}):
        with pytest.raises(KeyFileError, match="not known"):
            PrivateKey.parse(box_with(cosign.private, params=params), cosign.password, name="x")


@pytest.mark.parametrize("changes", [{"ciphertext": "AAAA"}, {"ciphertext": ""}])
def test_a_file_that_was_altered_is_refused(cosign, changes):
    with pytest.raises(KeyFileError, match="does not open"):
        PrivateKey.parse(box_with(cosign.private, **changes), cosign.password, name="x")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe",
        b"hello",
        b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----",
        b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n%%\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----",
        b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\ne30=\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----",
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    ],
)
def test_what_is_no_private_key_is_refused(text):
    with pytest.raises(KeyFileError):
        PrivateKey.parse(text, b"s3cret", name="x")


def test_a_private_key_that_is_not_encrypted_is_refused():
    with pytest.raises(KeyFileError, match="not an encrypted"):
        PrivateKey.parse(pem(ec.generate_private_key(ec.SECP256R1()), b""), b"", name="x")


@pytest.mark.parametrize(
    "make",
    [
        lambda: ec.generate_private_key(ec.SECP384R1()),
        lambda: rsa.generate_private_key(65537, 2048),
        ed25519.Ed25519PrivateKey.generate,
    ],
)
def test_a_key_of_another_kind_is_refused(make):
    key = make()
    with pytest.raises(KeyFileError, match="P-256"):
        PrivateKey.parse(pem(key), b"s3cret", name="x")
    with pytest.raises(KeyFileError, match="P-256"):
        PublicKey.parse(public_pem(key), name="x")


def test_a_private_key_in_place_of_the_public_one_is_told_so(pair, cosign):
    for text in (pair[0].read_bytes(), cosign.private):
        with pytest.raises(KeyFileError, match="is a private key"):
            PublicKey.parse(text, name="x")


def test_a_file_that_is_not_there_is_named(tmp_path):
    for read in (PublicKey.read, lambda file: PrivateKey.read(file, b"")):
        with pytest.raises(KeyFileError, match=r"missing\.key: No such file"):
            read(tmp_path / "missing.key")


def test_a_key_is_not_in_its_repr(pair):
    assert "object" not in repr(PrivateKey.read(pair[0], b"s3cret"))
