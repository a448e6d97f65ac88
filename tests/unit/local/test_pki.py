"""Certificates: what they say, who accepts them, and when they are made anew."""

from __future__ import annotations

import socket
import ssl
import stat
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError
from hypothesis import given
from hypothesis import strategies as st

from moorage.local.pki import (
    LEAF_LIFETIME,
    RENEW_BEFORE,
    KeyPair,
    Leaf,
    PkiFolder,
    is_current,
    issue,
    new_authority,
    new_signing_key,
    public_key,
)

AUTHORITY = new_authority("test CA")
SERVER = Leaf("server", hosts=("127.0.0.1", "localhost", "kubernetes.default.svc"))
CLIENT = Leaf("jane", ("editors", "authors"))

LABEL = st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?\Z")
DNS_NAMES = st.lists(LABEL, min_size=1, max_size=4).map(".".join).filter(lambda name: not name[-1].isdigit())
HOSTS = st.lists(DNS_NAMES | st.ip_addresses().map(str), min_size=1, max_size=6, unique=True)


def certificate(pair: KeyPair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate)


def store(*authorities: KeyPair) -> Store:
    return Store([certificate(authority) for authority in authorities])


def subject(host: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


@given(HOSTS)
def test_a_servers_certificate_is_good_for_each_of_its_hosts_and_no_other(hosts: list[str]) -> None:
    pair = issue(AUTHORITY, Leaf("server", hosts=tuple(hosts)))
    builder = PolicyBuilder().store(store(AUTHORITY))
    for host in hosts:
        builder.build_server_verifier(subject(host)).verify(certificate(pair), [])
    with pytest.raises(VerificationError):
        builder.build_server_verifier(x509.DNSName("not.among-them.example")).verify(certificate(pair), [])
    assert is_current(pair, AUTHORITY, Leaf("server", hosts=tuple(reversed(hosts))))


def test_a_clients_certificate_says_who_it_is_and_in_which_groups() -> None:
    pair = issue(AUTHORITY, replace(CLIENT, hosts=("localhost",)))
    verified = PolicyBuilder().store(store(AUTHORITY)).build_client_verifier().verify(certificate(pair), [])
    assert len(verified.chain) == 2
    name = certificate(pair).subject
    assert [a.value for a in name.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["jane"]
    assert [a.value for a in name.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == ["authors", "editors"]


def test_another_authority_does_not_vouch_for_it() -> None:
    other = new_authority("test CA")  # by the same name
    verifier = PolicyBuilder().store(store(other)).build_server_verifier(x509.DNSName("localhost"))
    with pytest.raises(VerificationError):
        verifier.verify(certificate(issue(AUTHORITY, SERVER)), [])


def test_a_certificate_cannot_be_used_as_an_authority() -> None:
    leaf = issue(AUTHORITY, SERVER)
    forged = issue(leaf, SERVER)
    verifier = PolicyBuilder().store(store(AUTHORITY)).build_server_verifier(x509.DNSName("localhost"))
    with pytest.raises(VerificationError):
        verifier.verify(certificate(forged), [certificate(leaf)])


@pytest.mark.parametrize(
    ("leaf", "usages"),
    [
        (Leaf("client"), {"clientAuth"}),
        (Leaf("server", hosts=("localhost",), client=False), {"serverAuth"}),
        (Leaf("both", hosts=("localhost",)), {"clientAuth", "serverAuth"}),
    ],
    ids=lambda value: value.common_name if isinstance(value, Leaf) else "",
)
def test_a_certificate_is_good_for_what_it_is_meant_for(leaf: Leaf, usages: set[str]) -> None:
    extensions = certificate(issue(AUTHORITY, leaf)).extensions
    found = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert {usage._name for usage in found} == usages


def test_tls_by_openssl_works_both_ways(tmp_path: Path) -> None:
    folder = PkiFolder(tmp_path / "pki")
    authority = folder.authority("ca", "test CA")
    folder.leaf("server", authority, SERVER)
    folder.leaf("client", authority, CLIENT)
    ours, theirs = socket.socketpair()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=folder.certificate("ca"))
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_cert_chain(folder.certificate("server"), folder.key("server"))
    client = ssl.create_default_context(cafile=folder.certificate("ca"))
    client.load_cert_chain(folder.certificate("client"), folder.key("client"))
    names: list[object] = []

    def serve() -> None:
        with server.wrap_socket(theirs, server_side=True) as connection:
            names.append((connection.getpeercert() or {}).get("subject"))
            connection.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    with client.wrap_socket(ours, server_hostname="127.0.0.1") as connection:
        connection.send(b"x")
        thread.join(timeout=10)
    [name] = names
    assert isinstance(name, tuple)
    assert (("commonName", "jane"),) in name


def test_a_certificate_does_not_outlive_its_authority() -> None:
    late = datetime.now(UTC) + timedelta(days=3600)
    pair = issue(AUTHORITY, SERVER, now=late)
    assert certificate(pair).not_valid_after_utc == certificate(AUTHORITY).not_valid_after_utc


GOOD = issue(AUTHORITY, SERVER)
NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    ("pair", "authority", "leaf", "now"),
    [
        pytest.param(
            GOOD, AUTHORITY, SERVER, NOW + LEAF_LIFETIME - RENEW_BEFORE, id="it expires before long"
        ),
        pytest.param(GOOD, AUTHORITY, SERVER, NOW + LEAF_LIFETIME + timedelta(days=1), id="it has expired"),
        pytest.param(GOOD, AUTHORITY, SERVER, NOW - timedelta(days=1), id="it is of the future"),
        pytest.param(GOOD, new_authority("test CA"), SERVER, NOW, id="another authority of the same name"),
        pytest.param(GOOD, AUTHORITY, replace(SERVER, common_name="other"), NOW, id="another name"),
        pytest.param(GOOD, AUTHORITY, replace(SERVER, organizations=("x",)), NOW, id="another group"),
        pytest.param(GOOD, AUTHORITY, replace(SERVER, hosts=("localhost",)), NOW, id="a host too many"),
        pytest.param(
            GOOD, AUTHORITY, replace(SERVER, hosts=(*SERVER.hosts, "::1")), NOW, id="a host is missing"
        ),
        pytest.param(
            replace(GOOD, key=issue(AUTHORITY, SERVER).key), AUTHORITY, SERVER, NOW, id="another's key"
        ),
        pytest.param(replace(GOOD, key=b""), AUTHORITY, SERVER, NOW, id="the key is lost"),
        pytest.param(replace(GOOD, certificate=b"damaged"), AUTHORITY, SERVER, NOW, id="it is damaged"),
    ],
)
def test_it_is_not_current_when(pair: KeyPair, authority: KeyPair, leaf: Leaf, now: datetime) -> None:
    assert not is_current(pair, authority, leaf, now=now)


def test_it_is_current_until_it_is_to_be_renewed() -> None:
    last = NOW + LEAF_LIFETIME - RENEW_BEFORE - timedelta(hours=1)
    assert is_current(GOOD, AUTHORITY, SERVER, now=NOW)
    assert is_current(GOOD, AUTHORITY, SERVER, now=last)


def test_a_folder_keeps_what_is_current_and_renews_what_is_not(tmp_path: Path) -> None:
    folder = PkiFolder(tmp_path / "pki")
    authority = folder.authority("ca", "test CA")
    first = folder.leaf("server", authority, SERVER)
    assert folder.authority("ca", "test CA") == authority
    assert folder.leaf("server", authority, SERVER) == first
    renewed = folder.leaf("server", authority, replace(SERVER, hosts=("localhost",)))
    assert renewed != first
    assert folder.load("server") == renewed


def test_half_a_pair_is_none(tmp_path: Path) -> None:
    folder = PkiFolder(tmp_path / "pki")
    folder.save("server", GOOD)
    folder.certificate("server").unlink()
    assert folder.load("server") is None


def test_keys_are_the_owners_alone(tmp_path: Path) -> None:
    folder = PkiFolder(tmp_path / "pki")
    folder.leaf("server", folder.authority("ca", "test CA"), SERVER)
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.path.iterdir()} == {0o600}


def test_keys_are_not_shown_by_accident() -> None:
    assert "PRIVATE" not in repr(GOOD)


def test_the_public_half_of_a_signing_key_is_no_private_key() -> None:
    public = public_key(new_signing_key())
    assert public.startswith(b"-----BEGIN PUBLIC KEY-----")
    assert b"PRIVATE" not in public
