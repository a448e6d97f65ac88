"""A library of two policies in a folder; what cosign 2.6.5 made of a key pair and of a bundle."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from moorage.policies.bundles.artifact import pack

COSIGN_PASSWORD = b"cpw"
COSIGN_PRIVATE = b"""\
-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----
eyJrZGYiOnsibmFtZSI6InNjcnlwdCIsInBhcmFtcyI6eyJOIjo2NTUzNiwiciI6
OCwicCI6MX0sInNhbHQiOiJneVN0M0UvWTY3ZmVhSys4RmtzQjB5eXhKZDh1dUM3
dksxMnB6YUJYcWE4PSJ9LCJjaXBoZXIiOnsibmFtZSI6Im5hY2wvc2VjcmV0Ym94
Iiwibm9uY2UiOiI4ckM3Tjd5YmIySVV3bndYZzI4U3RneGpXdjcwMDZTZSJ9LCJj
aXBoZXJ0ZXh0IjoiaEdybi8xZGlGOHdvR1h6bXVhTHNSdFlCTUhWNGE2cE9maXds
dFBaM1ZaMnFUcEkvbDVQMS9Tbkg0ejBJeFljeUhqS2EwZk5WMENDeDBQakR5Nlgx
SnViam5NTURoMExNanJBVWZBWWJlZHFtWXM5RU1pZmdjZUZtR2tHNU5lQnZ3NTl1
R25DNk5JZDJyend0N0YzOUd5SWRidGpmR0NWMSt1dTRPZ0NYV0FkRXdSRGRQWkNr
bnNjNGpzM3YwY3BRU3NUMU84Ym9lQmM3ZGc9PSJ9
-----END ENCRYPTED SIGSTORE PRIVATE KEY-----
"""
COSIGN_PUBLIC = b"""\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE4omjLWE5kfelp73FD7/KXCLY/qAV
U4csa9a5qA+J7GB8b7E+9spVyR/Q9bUjZTsrRh6BOvVSgTzjKscCqGf1LA==
-----END PUBLIC KEY-----
"""
COSIGN_REPOSITORY = "127.0.0.1:5517/team/policies"
COSIGN_DIGEST = "sha256:19271a2d11fc7a553c2652eed53b89489a263921510b3c57ad4e2df7cbfab561"
COSIGN_PAYLOAD = (
    b'{"critical":{"identity":{"docker-reference":"127.0.0.1:5517/team/policies"},"image":'
    b'{"docker-manifest-digest":"sha256:19271a2d11fc7a553c2652eed53b89489a263921510b3c57ad4e2df7cbfab561"},'
    b'"type":"cosign container image signature"},"optional":null}'
)
COSIGN_SIGNATURE = (
    "MEUCIQC1e+ohJhMWheGLhIl89zqFL233aSWSLwXzzAZorawiRgIgSPALkeIzdp6560CU8+3j0S3wtnQPKH3NdValGSwZPVs="
)

PARTS = {
    "policy": """\
        apiVersion: policy.moorage.dev/v1alpha1
        kind: Policy
        metadata: {{name: {name}}}
        spec:
          title: Names are not {word}
          severity: {severity}
          category: metadata
          scope: Namespaced
          what: Names.
          why: So that the tests have something.
          mend: {{text: Give another name.}}
        """,
    "template": """\
        apiVersion: templates.gatekeeper.sh/v1
        kind: ConstraintTemplate
        metadata: {{name: {lower}}}
        spec:
          crd:
            spec:
              names: {{kind: {kind}}}
              validation:
                openAPIV3Schema:
                  type: object
                  properties:
                    word: {{type: string, description: The word.}}
          targets:
            - target: admission.k8s.gatekeeper.sh
              code:
                - engine: K8sNativeValidation
                  source:
                    validations:
                      - expression: variables.anyObject.metadata.name != variables.params.word
                        message: {message}
        """,
    "constraint": """\
        apiVersion: constraints.gatekeeper.sh/v1beta1
        kind: {kind}
        metadata: {{name: {name}}}
        spec:
          enforcementAction: deny
          match: {{kinds: [{{apiGroups: [""], kinds: [ConfigMap]}}]}}
          parameters: {{word: {word}}}
        """,
}
SUITE = "kind: Suite\napiVersion: test.gatekeeper.sh/v1alpha1\nmetadata: {name: suite}\n"
SET = """\
apiVersion: policy.moorage.dev/v1alpha1
kind: PolicySet
metadata: {name: words}
spec:
  title: Words
  policies:
    - {name: no-bad-word}
"""
LIBRARY = """\
apiVersion: policy.moorage.dev/v1alpha1
kind: PolicyLibrary
metadata: {name: acme}
spec: {version: 1.2.0}
"""
EXPANSION = """\
apiVersion: expansion.gatekeeper.sh/v1alpha1
kind: ExpansionTemplate
metadata: {name: workloads}
spec:
  applyTo: [{groups: [apps], kinds: [Deployment], versions: [v1]}]
  templateSource: spec.template
  generatedGVK: {group: "", kind: Pod, version: v1}
"""


def policy_files(name, word, *, severity="low", message="a bad word"):
    """The files of a policy against ConfigMaps of a name."""
    kind = "Moorage" + "".join(part.capitalize() for part in name.split("-"))
    said = {
        "name": name,
        "kind": kind,
        "lower": kind.lower(),
        "word": word,
        "severity": severity,
        "message": message,
    }
    made = {
        f"policies/{name}/{part}.yaml": dedent(text).format_map(said).encode() for part, text in PARTS.items()
    }
    made[f"policies/{name}/suite.yaml"] = SUITE.encode()
    made[f"policies/{name}/samples/bad.yaml"] = f"kind: ConfigMap\nmetadata: {{name: {word}}}\n".encode()
    return made


def library_files():
    return {
        **policy_files("no-bad-word", "bad"),
        **policy_files("no-worse-word", "worse"),
        "sets/words.yaml": SET.encode(),
        "expansion/workloads.yaml": EXPANSION.encode(),
        "library.yaml": LIBRARY.encode(),
        "README.md": b"# Words\n",
    }


def write_files(folder: Path, files) -> Path:
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return folder


@pytest.fixture
def files():
    return library_files()


@pytest.fixture
def folder(tmp_path, files):
    """The library as a folder."""
    return write_files(tmp_path / "acme", files)


@pytest.fixture
def bundle(files):
    return pack(files, {})


@pytest.fixture
def policy():
    return policy_files


@pytest.fixture
def write():
    return write_files


@pytest.fixture
def cosign():
    """What cosign made."""
    from types import SimpleNamespace

    return SimpleNamespace(
        password=COSIGN_PASSWORD,
        private=COSIGN_PRIVATE,
        public=COSIGN_PUBLIC,
        repository=COSIGN_REPOSITORY,
        digest=COSIGN_DIGEST,
        payload=COSIGN_PAYLOAD,
        signature=COSIGN_SIGNATURE,
    )
