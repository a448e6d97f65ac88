"""Images: out of a real OCI registry, which our own toolchain builds from its Go module."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import NameOID

from moorage.toolchain import ensure
from moorage.toolchain.errors import IntegrityError, ToolUnavailableError
from moorage.toolchain.lock import parse_lock
from moorage.toolchain.platforms import Platform
from moorage.toolchain.settings import Source
from moorage.toolchain.upstream import read_digests

from ..registries import registries

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="images are for Linux")

HERE = Platform.current()
ELSEWHERE = Platform("linux", "arm64" if HERE.arch == "amd64" else "amd64")
OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker"


@pytest.fixture(scope="session")
def registry_binary():
    """The registry, by whatever source this machine has; kept in the user's cache like any other tool."""
    try:
        return asyncio.run(ensure(["registry"]))["registry"]
    except ToolUnavailableError as error:
        pytest.skip(error.message)


@dataclass
class Registry:
    """A running registry, and what it takes to push to it."""

    folder: Path
    host: str
    process: subprocess.Popen
    token: str = ""
    pushed: dict[str, bytes] = field(default_factory=dict)

    def _request(self, method, url, **options):
        headers = options.pop("headers", {}) | (
            {"Authorization": f"Bearer {self.token}"} if self.token else {}
        )
        response = httpx2.request(method, url, headers=headers, trust_env=False, **options)
        response.raise_for_status()
        return response

    def push_blob(self, repository, content, media_type):
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        start = self._request("POST", f"http://{self.host}/v2/{repository}/blobs/uploads/")
        location = httpx2.URL(start.headers["location"]).copy_merge_params({"digest": digest})
        kind = {"Content-Type": "application/octet-stream"}
        self._request("PUT", str(location), content=content, headers=kind)
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def push_manifest(self, repository, tag, manifest):
        content = json.dumps(manifest).encode()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self._request(
            "PUT",
            f"http://{self.host}/v2/{repository}/manifests/{tag or digest}",
            content=content,
            headers={"Content-Type": manifest["mediaType"]},
        )
        return {"mediaType": manifest["mediaType"], "digest": digest, "size": len(content)}

    def push_image(self, repository, tag, layers, platform=HERE, family=OCI):
        """Push an image for one platform; `layers` are tar.gz archives, the lowest first."""
        config = {
            "os": platform.os,
            "architecture": platform.arch,
            "rootfs": {"type": "layers", "diff_ids": []},
        }
        names = {
            OCI: ("config.v1+json", "layer.v1.tar+gzip", "manifest.v1+json"),
            DOCKER: (
                ".container.image.v1+json",
                ".image.rootfs.diff.tar.gzip",
                ".distribution.manifest.v2+json",
            ),
        }[family]
        config_type, layer_type, manifest_type = (f"{family}{'' if n[0] == '.' else '.'}{n}" for n in names)
        manifest = {
            "schemaVersion": 2,
            "mediaType": manifest_type,
            "config": self.push_blob(repository, json.dumps(config).encode(), config_type),
            "layers": [self.push_blob(repository, layer, layer_type) for layer in layers],
        }
        return self.push_manifest(repository, tag, manifest)

    def push_index(self, repository, tag, images, family=OCI):
        """Push an index over images already pushed, by platform."""
        kind = f"{OCI}.index.v1+json" if family == OCI else f"{DOCKER}.distribution.manifest.list.v2+json"
        entries = [
            {**descriptor, "platform": {"os": platform.os, "architecture": platform.arch}}
            for platform, descriptor in images.items()
        ]
        # What buildkit adds: an attestation is a manifest for no platform.
        attestation = {**entries[0], "platform": {"os": "unknown", "architecture": "unknown"}}
        index = {"schemaVersion": 2, "mediaType": kind, "manifests": [attestation, *entries]}
        return self.push_manifest(repository, tag, index)

    def corrupt(self, digest, content):
        """Change a blob on the registry's disk, as bit rot or a burglar would."""
        hexadecimal = digest.removeprefix("sha256:")
        for path in self.folder.glob(f"docker/registry/v2/blobs/sha256/*/{hexadecimal}/data"):
            path.write_bytes(content)
            return
        pytest.fail(f"{digest} is not on the registry's disk")


@pytest.fixture(scope="session")
def start_registry(registry_binary, tmp_path_factory):
    """Start registries; none survives the session."""
    with registries(registry_binary, lambda: tmp_path_factory.mktemp("registry")) as start:

        def start_ours(auth=None):
            running = start(auth)
            return Registry(running.folder, running.host, running.process)

        yield start_ours


@pytest.fixture(scope="session")
def registry(start_registry):
    return start_registry()


@pytest.fixture(autouse=True)
def only_images(machine):
    machine.allow(Source.OCI)


@pytest.fixture
def repository(request):
    """A repository of the test's own: the registry is shared."""
    return f"test/{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]}"


@pytest.mark.parametrize("family", [OCI, DOCKER])
async def test_the_file_comes_out_of_the_image_for_this_platform(
    machine, registry, repository, tar_gz, family
):
    images = {
        platform: registry.push_image(
            repository, None, [tar_gz({"bin/tool": str(platform).encode()})], platform, family
        )
        for platform in (ELSEWHERE, HERE)
    }
    registry.push_index(repository, "v1.2.3", images, family)
    machine.declare_image(f"{registry.host}/{repository}:v{{version}}")
    path = (await machine.ensure("tool"))["tool"]
    assert path.read_bytes() == str(HERE).encode()
    assert os.access(path, os.X_OK)
    record = machine.toolchain.status(machine.catalog.tool("tool")).record
    assert record.source == "oci"
    assert record.artifact == images[HERE]["digest"]
    remembered = parse_lock(machine.settings.user_lock.read_text(), machine.settings.user_lock)
    assert list(remembered.values()) == [images[HERE]["digest"]]
    assert machine.leftovers() == []


async def test_an_image_without_an_index_is_taken_if_it_is_for_this_platform(
    machine, registry, repository, tar_gz
):
    registry.push_image(repository, "v1", [tar_gz({"bin/tool": b"it"})])
    machine.declare_image(f"{registry.host}/{repository}:v1")
    assert (await machine.ensure("tool"))["tool"].read_bytes() == b"it"


@pytest.mark.parametrize("with_index", [True, False])
async def test_an_image_for_other_platforms_is_none(machine, registry, repository, tar_gz, with_index):
    image = registry.push_image(repository, "v1", [tar_gz({"bin/tool": b"it"})], ELSEWHERE)
    if with_index:
        registry.push_index(repository, "v1", {ELSEWHERE: image})
    machine.declare_image(f"{registry.host}/{repository}:v1")
    with pytest.raises(ToolUnavailableError, match=rf"oci: .* image for {HERE}"):
        await machine.ensure("tool")


async def test_only_the_layers_that_are_needed_are_fetched(machine, registry, repository, tar_gz):
    base, middle, top = (tar_gz({name: os.urandom(1000)}) for name in ("base", "bin/tool", "top"))
    registry.push_image(repository, "v1", [base, middle, top])
    registry.corrupt(f"sha256:{hashlib.sha256(base).hexdigest()}", b"whoever reads this notices")
    machine.declare_image(f"{registry.host}/{repository}:v1")
    await machine.ensure("tool")


async def test_a_copy_of_the_images_is_asked_in_place_of_every_host(machine, registry, repository, tar_gz):
    registry.push_image(f"copies/{repository}", "v1", [tar_gz({"bin/tool": b"it"})])
    machine.declare_image(f"far.example.invalid/{repository}:v1")
    machine.allow(registry=f"{registry.host}/copies")
    assert (await machine.ensure("tool"))["tool"].read_bytes() == b"it"


async def test_a_layer_that_was_altered_in_the_registry_is_refused(machine, registry, repository, tar_gz):
    layer = tar_gz({"bin/tool": b"right"})
    registry.push_image(repository, "v1", [layer])
    registry.corrupt(f"sha256:{hashlib.sha256(layer).hexdigest()}", tar_gz({"bin/tool": b"wrong"}))
    machine.declare_image(f"{registry.host}/{repository}:v1")
    machine.allow(Source.OCI, Source.GO)
    with pytest.raises(IntegrityError, match="the registry sent sha256:"):
        await machine.ensure("tool")
    assert machine.installed() == machine.leftovers() == []


async def test_a_tag_that_was_moved_is_refused(machine, registry, repository, tar_gz):
    registry.push_image(repository, "v1", [tar_gz({"bin/tool": b"first"})])
    machine.declare_image(f"{registry.host}/{repository}:v1")
    await machine.ensure("tool")
    registry.push_image(repository, "v1", [tar_gz({"bin/tool": b"moved"})])
    with pytest.raises(IntegrityError, match="upstream has changed it"):
        await machine.ensure("tool", again=True)
    assert machine.toolchain.locate("tool").read_bytes() == b"first"


@pytest.mark.parametrize(
    ("reference", "complaint"),
    [
        ("{host}/{repository}:v9", "404"),
        ("{host}/other/one:v1", "404"),
        ("no-registry:v1", "not an image's name"),
    ],
)
async def test_what_the_registry_does_not_have_is_said(machine, registry, repository, reference, complaint):
    machine.declare_image(reference.format(host=registry.host, repository=repository))
    with pytest.raises(ToolUnavailableError, match=f"oci: .*{complaint}"):
        await machine.ensure("tool")


async def test_an_image_without_the_file_is_said(machine, registry, repository, tar_gz):
    registry.push_image(repository, "v1", [tar_gz({"bin/other": b"it"})])
    machine.declare_image(f"{registry.host}/{repository}:v1")
    with pytest.raises(ToolUnavailableError, match="the image has no file /bin/tool"):
        await machine.ensure("tool")


async def test_a_layer_that_is_no_archive_is_said(machine, registry, repository):
    registry.push_image(repository, "v1", [gzip.compress(b"not a tar" * 400)])
    machine.declare_image(f"{registry.host}/{repository}:v1")
    with pytest.raises(ToolUnavailableError, match="cannot be unpacked"):
        await machine.ensure("tool")


async def test_upstreams_digests_are_read_for_every_platform(
    machine, registry, repository, release, upstream, tar_gz
):
    images = {
        platform: registry.push_image(repository, None, [tar_gz({"bin/x": str(platform).encode()})], platform)
        for platform in (Platform("linux", "amd64"), Platform("linux", "arm64"))
    }
    registry.push_index(repository, "v1", images)
    machine.declare_image(f"{registry.host}/{repository}:v1", "imaged")
    machine.declare_release(upstream, "released")
    for slug in ("linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"):
        upstream.serve(f"/1.2.3/released-{slug}.sha256", hashlib.sha256(slug.encode()).hexdigest().encode())
    digests = await read_digests(machine.toolchain, [])
    assert {(a.name, a.platform): digest for a, digest in digests.items()} == {
        **{("imaged", str(platform)): image["digest"] for platform, image in images.items()},
        **{
            (
                "released",
                f"{os_name}/{arch}",
            ): f"sha256:{hashlib.sha256(f'{os_name}-{arch}'.encode()).hexdigest()}"
            for os_name in ("linux", "darwin")
            for arch in ("amd64", "arm64")
        },
    }


# A registry that wants tokens, and a server that issues them: how ghcr.io and the like answer everybody.


def _base64(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class TokenServer:
    """Issues tokens by the token authentication specification, signed by a key that the registry knows."""

    def __init__(self, upstream, folder):
        self._key = ec.generate_private_key(ec.SECP256R1())
        now, name = datetime.now(UTC), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tokens")])
        certificate = x509.CertificateBuilder(
            name, name, self._key.public_key(), 1, now - timedelta(1), now + timedelta(1)
        ).sign(self._key, hashes.SHA256())
        self._certificate = certificate.public_bytes(serialization.Encoding.DER)
        self.bundle = folder / "tokens.pem"
        self.bundle.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.realm = f"{upstream.url}/token"
        self.asked = []
        upstream.replies["/token"] = [self]
        self.status, self.headers, self.says_length = 200, {}, True
        self.cut_at = self.halt_at = None
        self._upstream = upstream

    @property
    def body(self):
        """The answer to the last request, which only a pull of one repository is."""
        query = parse_qs(urlsplit(self._upstream.targets[-1]).query)
        self.asked.append(query)
        _, repository, actions = query["scope"][0].split(":")
        return json.dumps({"token": self.token(repository, actions.split(","))}).encode()

    def token(self, repository, actions):
        now = int(time.time())
        header = {"alg": "ES256", "typ": "JWT", "x5c": [base64.b64encode(self._certificate).decode()]}
        claims = {
            "iss": "tests",
            "aud": "registry",
            "sub": "",
            "nbf": now - 10,
            "iat": now,
            "exp": now + 300,
            "jti": str(now),
            "access": [{"type": "repository", "name": repository, "actions": actions}],
        }
        signed = ".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
        r, s = utils.decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_base64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


@pytest.mark.parametrize("login", [None, "me"])
async def test_a_registry_that_asks_for_a_token_gets_one(
    machine, start_registry, upstream, repository, tmp_path, tar_gz, monkeypatch, login
):
    tokens = TokenServer(upstream, tmp_path)
    registry = start_registry(
        {
            "token": {
                "realm": tokens.realm,
                "service": "registry",
                "issuer": "tests",
                "rootcertbundle": str(tokens.bundle),
                "signingalgorithms": ["ES256"],
            }
        }
    )
    registry.token = tokens.token(repository, ["pull", "push"])
    image = registry.push_image(repository, None, [tar_gz({"bin/tool": b"it"})])
    registry.push_index(repository, "v1", {HERE: image})
    machine.declare_image(f"{registry.host}/{repository}:v1")
    if login:
        (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login {login} password secret\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert (await machine.ensure("tool"))["tool"].read_bytes() == b"it"
    assert tokens.asked == [{"scope": [f"repository:{repository}:pull"], "service": ["registry"]}]
    assert ["authorization" in headers for headers in upstream.headers] == [login is not None]


@pytest.mark.parametrize("challenge", ['Basic realm="registry"', "", "Bearer realm"])
async def test_a_registry_that_wants_a_login_is_told_with_the_remedy(machine, upstream, answer, challenge):
    upstream.serve("/v2/one/manifests/v1", answer(b"", 401, {"WWW-Authenticate": challenge}))
    machine.declare_image(f"{upstream.host}/one:v1")
    with pytest.raises(ToolUnavailableError, match=r"wants a login; put one into ~/.netrc"):
        await machine.ensure("tool")


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"layers": [{"digest": "md5:0", "size": 1}], "config": {}}']
)
async def test_nonsense_from_a_registry_is_no_image(machine, upstream, body):
    upstream.serve("/v2/one/manifests/v1", body)
    machine.declare_image(f"{upstream.host}/one:v1")
    with pytest.raises(ToolUnavailableError, match="oci: "):
        await machine.ensure("tool")


async def test_a_registry_that_sends_another_manifest_than_its_index_names_is_refused(
    machine, upstream, repository
):
    right = json.dumps({"schemaVersion": 2, "layers": []}).encode()
    digest = f"sha256:{hashlib.sha256(right).hexdigest()}"
    entry = {"digest": digest, "size": len(right), "platform": {"os": HERE.os, "architecture": HERE.arch}}
    upstream.serve("/v2/one/manifests/v1", json.dumps({"manifests": [entry]}).encode())
    upstream.serve(f"/v2/one/manifests/{digest}", right + b" ")
    machine.declare_image(f"{upstream.host}/one:v1")
    with pytest.raises(IntegrityError, match=digest):
        await machine.ensure("tool")
