"""Registries that want a login, and where it comes from."""

from __future__ import annotations

import base64
import http.server
import json
import threading
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import NameOID

from moorage.policies.bundles.build import build

LIBRARY = {
    "policy": """\
apiVersion: policy.moorage.dev/v1alpha1
kind: Policy
metadata: {name: any}
spec: {title: Any, severity: low, category: metadata, scope: Namespaced, what: x, why: x, mend: {text: x}}
""",
    "template": """\
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: mooragea}
spec:
  crd: {spec: {names: {kind: MoorageA}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      code: [{engine: K8sNativeValidation, source: {validations: [{expression: "true", message: x}]}}]
""",
    "constraint": """\
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: MoorageA
metadata: {name: any}
spec: {}
""",
}
# The line that `htpasswd -B` writes for the user "ann" with the password "s3cret".
HTPASSWD = "ann:$2b$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n"


@pytest.fixture
def library(tmp_path):
    folder = tmp_path / "library"
    (folder / "policies/any").mkdir(parents=True)
    for part, text in LIBRARY.items():
        (folder / f"policies/any/{part}.yaml").write_text(text)
    return folder


@pytest.fixture
def log_in(tmp_path):
    """`log_in(registry, ...)`: what `docker login` would leave."""

    def write(config):
        (tmp_path / "docker").mkdir(exist_ok=True)
        (tmp_path / "docker" / "config.json").write_text(json.dumps(config))

    return write


def auths(registry, login):
    return {"auths": {registry.host: {"auth": base64.b64encode(login.encode()).decode()}}}


@pytest.fixture(scope="module")
def closed(start_registry, tmp_path_factory):
    """A registry that wants a user and a password."""
    file = tmp_path_factory.mktemp("htpasswd") / "htpasswd"
    file.write_text(HTPASSWD)
    return start_registry({"htpasswd": {"realm": "tests", "path": str(file)}})


def test_a_login_of_docker_is_used(bundle, library, closed, log_in):
    log_in(auths(closed, "ann:s3cret"))
    reference = closed.reference()
    pinned = bundle("push", library, reference).stdout.strip()
    assert bundle("pull", reference).stdout.strip() == pinned


def test_a_credential_helper_is_asked(bundle, library, closed, log_in, tmp_path, monkeypatch):
    program = tmp_path / "bin" / "docker-credential-tests"
    program.parent.mkdir()
    program.write_text(
        f"""#!/bin/sh
        read host
        [ "$1 $host" = "get {closed.host}" ] && echo '{{"Username": "ann", "Secret": "s3cret"}}'
        """
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    log_in({"credHelpers": {closed.host: "tests"}})
    bundle("push", library, closed.reference())


@pytest.mark.parametrize("login", [None, "ann:wrong", "bob:s3cret"])
def test_without_the_right_login_the_remedy_is_told_and_the_password_is_not(
    bundle, library, closed, log_in, login
):
    log_in(auths(closed, login) if login else {})
    for command in (["push", library], ["pull"]):
        done = bundle(*command, closed.reference(), code=2)
        assert f"docker login {closed.host}" in done.stderr
        assert "wrong" not in done.stderr
        assert "s3cret" not in done.stderr


class TokenServer(http.server.ThreadingHTTPServer):
    """Issues tokens by the specification of distribution, as large registries do."""

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), TokenHandler)
        self.key = ec.generate_private_key(ec.SECP256R1())
        now, name = datetime.now(UTC), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tokens")])
        certificate = x509.CertificateBuilder(
            name, name, self.key.public_key(), 1, now - timedelta(1), now + timedelta(1)
        ).sign(self.key, hashes.SHA256())
        self.certificate = certificate.public_bytes(serialization.Encoding.DER)
        self.trusted = folder / "tokens.pem"
        self.trusted.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.seen = []
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def auth(self):
        return {
            "token": {
                "realm": f"http://127.0.0.1:{self.server_address[1]}/token",
                "service": "registry",
                "issuer": "tests",
                "rootcertbundle": str(self.trusted),
                "signingalgorithms": ["ES256"],
            }
        }

    def token(self, scope, user):
        _, repository, actions = scope.split(":")
        now = int(time.time())
        allowed = (
            actions.split(",") if user else [action for action in actions.split(",") if action == "pull"]
        )
        header = {"alg": "ES256", "typ": "JWT", "x5c": [base64.b64encode(self.certificate).decode()]}
        claims = {
            "iss": "tests",
            "aud": "registry",
            "sub": user,
            "jti": str(now),
            "nbf": now - 10,
            "iat": now,
            "exp": now + 300,
            "access": [{"type": "repository", "name": repository, "actions": allowed}],
        }
        signed = ".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
        r, s = utils.decode_dss_signature(self.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_base64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


class TokenHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(parse_qs(urlsplit(self.path).query), self.headers.get("authorization", ""))

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        self.answer(form, form.get("refresh_token", [""])[0])

    def answer(self, asked, user):
        self.server.seen.append((self.command, asked["scope"][0], bool(user)))
        name = "access_token" if self.command == "POST" else "token"
        body = json.dumps({name: self.server.token(asked["scope"][0], user)}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def _base64(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@pytest.fixture
def tokens(tmp_path):
    server = TokenServer(tmp_path)
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("kind", ["password", "refresh token"])
def test_a_registry_that_wants_a_token_gets_one_for_what_is_done(
    bundle, library, start_registry, tokens, log_in, kind
):
    registry = start_registry(tokens.auth)
    config = auths(registry, "ann:s3cret")
    if kind == "refresh token":
        config["auths"][registry.host]["identitytoken"] = "refresh"
    log_in(config)
    reference = registry.reference()
    name = reference.removeprefix(f"{registry.host}/").partition(":")[0]
    pinned = bundle("push", library, reference).stdout.strip()
    assert bundle("pull", reference).stdout.strip() == pinned
    method = "POST" if kind == "refresh token" else "GET"
    assert tokens.seen == [
        (method, f"repository:{name}:pull,push", True),
        (method, f"repository:{name}:pull", True),
    ]


def test_who_is_not_logged_in_may_read_what_is_public_and_not_write(
    bundle, library, start_registry, tokens, log_in
):
    registry = start_registry(tokens.auth)
    log_in(auths(registry, "ann:s3cret"))
    reference = registry.reference()
    pinned = bundle("push", library, reference).stdout.strip()
    log_in({})
    assert bundle("pull", reference).stdout.strip() == pinned
    assert "docker login" in bundle("push", library, f"{reference}x", code=2).stderr


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """A store of blobs that a registry sends everybody to; it notes what it is shown."""

    def do_GET(self):
        self.server.seen.append(self.headers.get("authorization"))
        body = self.server.bodies[self.path]
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Redirecting(http.server.BaseHTTPRequestHandler):
    """A registry that wants a login and keeps its blobs elsewhere, as large ones do."""

    def do_GET(self):
        if self.headers.get("authorization") is None:
            self.send_response(401)
            self.send_header("www-authenticate", 'Basic realm="tests"')
            body = b""
        elif "/blobs/" in self.path:
            self.send_response(307)
            self.send_header("location", f"{self.server.store}{self.path}")
            body = b""
        else:
            self.send_response(200)
            body = self.server.manifest
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    servers = []

    def start(handler, **attributes):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        vars(server).update(attributes)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_login_is_not_shown_to_where_the_blobs_are(bundle, library, log_in, serve, tmp_path):
    made = build(library)
    blobs = {f"/v2/a/blobs/{digest}": content for digest, content in made.artifact.blobs.items()}
    store = serve(Elsewhere, seen=[], bodies=blobs)
    address = f"http://localhost:{store.server_address[1]}"
    front = serve(Redirecting, store=address, manifest=made.artifact.manifest.text)
    host = f"127.0.0.1:{front.server_address[1]}"
    log_in({"auths": {host: {"auth": base64.b64encode(b"ann:s3cret").decode()}}})
    bundle("pull", f"{host}/a:1", "-o", tmp_path / "copy")
    assert store.seen == [None] * 3


class Uploads(http.server.BaseHTTPRequestHandler):
    """A registry that wants a login, and has blobs sent elsewhere; or that elsewhere."""

    protocol_version = "HTTP/1.1"

    def answer(self, status, **headers):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.seen.append((self.command, self.headers.get("authorization"), body))
        self.send_response(status)
        for name, value in {"content-length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def do_HEAD(self):
        if self.headers.get("authorization") is None:
            self.answer(401, **{"www-authenticate": 'Basic realm="tests"'})
        else:
            self.answer(404)

    def do_POST(self):
        self.answer(202, location=f"{self.server.store}/upload?session=1")

    def do_PUT(self):
        self.answer(201)

    def log_message(self, *_):
        pass


def test_a_login_is_not_shown_to_where_blobs_are_sent(bundle, library, log_in, serve):
    store = serve(Uploads, seen=[])
    address = f"http://localhost:{store.server_address[1]}"
    front = serve(Uploads, seen=[], store=address)
    host = f"127.0.0.1:{front.server_address[1]}"
    log_in({"auths": {host: {"auth": base64.b64encode(b"ann:s3cret").decode()}}})
    bundle("push", library, f"{host}/a:1")
    made = build(library).artifact
    assert [(command, login) for command, login, _ in store.seen] == [("PUT", None)] * 3
    assert {body for *_, body in store.seen} == set(made.blobs.values())
    # The manifest goes to the registry itself, last.
    assert front.seen[-1][0::2] == ("PUT", made.manifest.text)
    assert front.seen[-1][1].startswith("Basic ")
