"""Key pairs that sign bundles: ECDSA on the curve P-256, in the files that ``cosign`` reads and writes.

A private key is encrypted with a password: scrypt makes a key of it, NaCl's secret box closes it. Such a file
works with ``cosign``, and one of ``cosign generate-key-pair`` works here. An encrypted PKCS #8 file, as
``openssl`` writes it, is read too.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from moorage.files import replace_file
from moorage.policies.bundles.errors import KeyFileError

_BEGIN: Final = "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----"
_END: Final = "-----END ENCRYPTED SIGSTORE PRIVATE KEY-----"
_BEGINNINGS: Final = (_BEGIN, "-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----")
_LINE: Final = 64
_KDF: Final = "scrypt"
_CIPHER: Final = "nacl/secretbox"
_COST: Final = 1 << 16
_COSTS: Final = {1 << 15, _COST, 1 << 17}
"""Those that cosign knows: a file must not be able to ask for gigabytes."""
_SALT_BYTES: Final = 32
_SHA256: Final = ec.ECDSA(hashes.SHA256())


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What checks signatures."""

    key: ec.EllipticCurvePublicKey = field(repr=False)
    name: str
    """Where it is from, for messages."""

    @classmethod
    def read(cls, file: Path) -> PublicKey:
        """Read a key from a file.

        Raises:
            KeyFileError: it is not a public key of a kind that is known here.
        """
        return cls.parse(_text_of(file), name=str(file))

    @classmethod
    def parse(cls, text: bytes, *, name: str) -> PublicKey:
        """Read a key from PEM.

        Raises:
            KeyFileError: it is not a public key of a kind that is known here.
        """
        if b"PRIVATE KEY-----" in text:
            raise KeyFileError(
                f"{name} is a private key", hint="give the public one; keep this one to yourself"
            )
        try:
            key = serialization.load_pem_public_key(text)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise KeyFileError(
                f"{name} is not a public key", hint="it begins with -----BEGIN PUBLIC KEY-----"
            ) from error
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise KeyFileError(f"{name} is not an ECDSA key on the curve P-256", hint=_MAKE_ONE)
        return cls(key, name)

    @property
    def fingerprint(self) -> str:
        """What it is known by: the digest of the key itself."""
        encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        return f"SHA256:{hashlib.sha256(self.key.public_bytes(encoding, form)).hexdigest()}"

    @property
    def pem(self) -> bytes:
        """As a file has it."""
        return self.key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def has_signed(self, payload: bytes, signature: bytes) -> bool:
        """Say whether a signature over a payload is of this key."""
        try:
            self.key.verify(signature, payload, _SHA256)
        except InvalidSignature:
            return False
        return True


_SIGN_WITH: Final = "sign with the private one; `moorage policy bundle keygen` writes it as PREFIX.key"


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """What signs."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    name: str

    @classmethod
    def generate(cls, name: str = "") -> PrivateKey:
        """Make a new key."""
        return cls(ec.generate_private_key(ec.SECP256R1()), name)

    @classmethod
    def read(cls, file: Path, password: bytes) -> PrivateKey:
        """Read a key from a file that nobody else may read.

        Raises:
            KeyFileError: it is not such a key, others may read it, or the password is another.
        """
        text = _text_of(file)
        if b"-----BEGIN PUBLIC KEY-----" in text:
            private = file.with_suffix(".key")
            raise KeyFileError(
                f"{file} is a public key, and signs nothing",
                hint=f"sign with the private one, {private}" if private.is_file() else _SIGN_WITH,
            )
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise KeyFileError(f"{file} can be read by others", hint=f"chmod 600 {file}")
        return cls.parse(text, password, name=str(file))

    @classmethod
    def parse(cls, text: bytes, password: bytes, *, name: str) -> PrivateKey:
        """Read a key from PEM.

        Raises:
            KeyFileError: it is not such a key, or the password is another.
        """
        first = text.decode("ascii", "replace").lstrip().partition("\n")[0].strip()
        if first in _BEGINNINGS:
            try:
                key = serialization.load_der_private_key(_open(text, password, name), None)
            except (ValueError, UnsupportedAlgorithm) as error:
                raise KeyFileError(f"{name} holds something that is not a key", hint=_MAKE_ONE) from error
        elif first == "-----BEGIN ENCRYPTED PRIVATE KEY-----":
            try:
                key = serialization.load_pem_private_key(text, password)
            except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # a TypeError: none is given
                raise _wrong_password(name) from error
        else:
            raise KeyFileError(f"{name} is not an encrypted private key", hint=_MAKE_ONE)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise KeyFileError(f"{name} is not an ECDSA key on the curve P-256", hint=_MAKE_ONE)
        return cls(key, name)

    @property
    def public(self) -> PublicKey:
        """The key that checks what this one signs."""
        return PublicKey(self.key.public_key(), self.name)

    def sign(self, payload: bytes) -> bytes:
        """Return a signature over a payload."""
        return self.key.sign(payload, _SHA256)

    def encrypted(self, password: bytes) -> bytes:
        """Return it as a file has it, closed with a password."""
        encoded = self.key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        salt = os.urandom(_SALT_BYTES)
        closed = SecretBox(_stretched(password, salt, _COST)).encrypt(encoded)
        box = {
            "kdf": {"name": _KDF, "params": {"N": _COST, "r": 8, "p": 1}, "salt": _base64(salt)},
            "cipher": {"name": _CIPHER, "nonce": _base64(closed.nonce)},
            "ciphertext": _base64(closed.ciphertext),
        }
        text = _base64(json.dumps(box, separators=(",", ":")).encode())
        lines = [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
        return "\n".join([_BEGIN, *lines, _END, ""]).encode()


_MAKE_ONE: Final = "`moorage policy bundle keygen` makes a pair, `cosign generate-key-pair` too"


def write_pair(prefix: Path, password: bytes) -> tuple[Path, Path, PublicKey]:
    """Make a key pair: ``PREFIX.key``, for nobody else to read, and ``PREFIX.pub``.

    Raises:
        KeyFileError: there is one already, or the folder cannot be written.
    """
    private, public = (prefix.with_name(f"{prefix.name}.{suffix}") for suffix in ("key", "pub"))
    for file in (private, public):
        if os.path.lexists(file):
            raise KeyFileError(
                f"{file} is there already",
                hint="name another with -o; bundles signed with a lost key stay signed",
            )
    key = PrivateKey.generate(str(private))
    try:
        replace_file(private, key.encrypted(password))
        replace_file(public, key.public.pem, mode=0o644)
    except OSError as error:
        raise KeyFileError(f"{prefix.parent}: {error.strerror or error}") from error
    return private, public, key.public


def _open(text: bytes, password: bytes, name: str) -> bytes:
    """Return the key, in DER, that a file of cosign's holds."""
    body = "".join(text.decode("ascii", "replace").split("-----")[2].split())
    try:
        box = json.loads(base64.b64decode(body, validate=True))
        kdf, cipher = box["kdf"], box["cipher"]
        size = (kdf["params"]["r"], kdf["params"]["p"])
        cost = kdf["params"]["N"]
        salt = base64.b64decode(kdf["salt"], validate=True)
        closed = base64.b64decode(cipher["nonce"]) + base64.b64decode(box["ciphertext"])
        known = (kdf["name"], cipher["name"], size) == (_KDF, _CIPHER, (8, 1)) and cost in _COSTS
    except (ValueError, KeyError, TypeError) as error:
        raise KeyFileError(f"{name} is damaged: it is not what cosign or moorage wrote") from error
    if not known:
        raise KeyFileError(f"{name} is encrypted in a way that is not known here", hint=_MAKE_ONE)
    try:
        return SecretBox(_stretched(password, salt, cost)).decrypt(closed)
    except (CryptoError, ValueError) as error:
        raise _wrong_password(name) from error


def _wrong_password(name: str) -> KeyFileError:
    return KeyFileError(
        f"{name}: the password does not open it", hint="COSIGN_PASSWORD, where it is set, is used"
    )


def _stretched(password: bytes, salt: bytes, cost: int) -> bytes:
    return Scrypt(salt=salt, length=SecretBox.KEY_SIZE, n=cost, r=8, p=1).derive(password)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _text_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise KeyFileError(f"{file}: {error.strerror or error}") from error
