"""Bundles, built, pushed, signed and checked, with a real registry, the real gator and the real cosign."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

POLICY = """\
apiVersion: policy.moorage.dev/v1alpha1
kind: Policy
metadata: {name: no-secret-maps}
spec:
  title: ConfigMaps are not called secret
  severity: high
  category: metadata
  scope: Namespaced
  what: The names of ConfigMaps.
  why: What is secret belongs into a Secret.
  mend: {text: Use a Secret.}
"""
TEMPLATE = """\
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: mooragenosecretmaps}
spec:
  crd:
    spec:
      names: {kind: MoorageNoSecretMaps}
  targets:
    - target: admission.k8s.gatekeeper.sh
      code:
        - engine: K8sNativeValidation
          source:
            validations:
              - expression: variables.anyObject.metadata.name != 'secret'
                messageExpression: >-
                  "a ConfigMap is called " + variables.anyObject.metadata.name
"""
CONSTRAINT = """\
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: MoorageNoSecretMaps
metadata: {name: no-secret-maps}
spec:
  match: {kinds: [{apiGroups: [""], kinds: [ConfigMap]}]}
"""
SET = """\
apiVersion: policy.moorage.dev/v1alpha1
kind: PolicySet
metadata: {name: words}
spec: {title: Words, policies: [{name: no-secret-maps}]}
"""
BAD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: secret, namespace: shop}\n"


@pytest.fixture
def library(tmp_path):
    """A library of one policy, in a folder."""
    folder = tmp_path / "library"
    for path, text in {
        "policies/no-secret-maps/policy.yaml": POLICY,
        "policies/no-secret-maps/template.yaml": TEMPLATE,
        "policies/no-secret-maps/constraint.yaml": CONSTRAINT,
        # What gator would judge, if it saw it.
        "policies/no-secret-maps/samples/bad.yaml": BAD,
        "sets/words.yaml": SET,
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


@pytest.fixture
def pushed(bundle, library, registry):
    """A bundle in the registry: its reference by tag, and by digest."""
    tagged = registry.reference()
    return tagged, bundle("push", library, tagged).stdout.strip()


@pytest.fixture
def keys(bundle, tmp_path):
    """A key pair: the private file, the public file."""
    bundle("keygen", "-o", tmp_path / "acme")
    return tmp_path / "acme.key", tmp_path / "acme.pub"


def digest_of(reference):
    return reference.rpartition("@")[2]


def edit(library, old, new, file="policies/no-secret-maps/policy.yaml"):
    path = library / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


# ---- there and back -------------------------------------------------------------------------------------


def test_a_bundle_comes_back_as_it_went(bundle, library, pushed, tmp_path):
    tagged, pinned = pushed
    for number, reference in enumerate((tagged, pinned)):
        assert bundle("pull", reference, "-o", tmp_path / f"copy{number}").stdout.strip() == pinned
        assert bundle("diff", library, tmp_path / f"copy{number}").stdout == ""
        kept = {
            file.relative_to(tmp_path / f"copy{number}") for file in tmp_path.glob(f"copy{number}/**/*.yaml")
        }
        assert kept == {file.relative_to(library) for file in library.rglob("*.yaml")}


def test_the_folder_the_file_and_the_registry_have_one_digest(bundle, library, pushed, tmp_path):
    built = bundle("build", library, "-o", tmp_path / "b.tar").stdout.strip()
    assert built == digest_of(pushed[1])
    for source in (library, tmp_path / "b.tar", *pushed):
        assert bundle("inspect", source, "-o", "name").stdout.strip() == built


def test_what_it_is_can_be_seen(bundle, library, registry):
    (library / "library.yaml").write_text(
        "apiVersion: policy.moorage.dev/v1alpha1\nkind: PolicyLibrary\n"
        "metadata: {name: acme}\nspec: {version: 1.2.0}\n"
    )
    reference = registry.reference()
    bundle("push", library, reference, SOURCE_DATE_EPOCH="0")
    shown = bundle("inspect", reference).stdout
    for words in ("acme", "1.2.0", "1970-01-01T00:00:00Z", "not signed", "1 (1 high)", "words (1)"):
        assert words in shown
    record = json.loads(bundle("inspect", reference, "-o", "json").stdout)
    assert record["annotations"]["org.opencontainers.image.created"] == "1970-01-01T00:00:00Z"
    assert [policy["name"] for policy in record["policies"]] == ["no-secret-maps"]


def test_a_difference_is_told_and_is_a_finding(bundle, library, pushed):
    edit(library, "severity: high", "severity: critical")
    told = bundle("diff", pushed[0], library, code=1).stdout
    assert "severity: high → critical" in told
    record = json.loads(bundle("diff", pushed[0], library, "-o", "json", code=1).stdout)
    assert record == [
        {
            "what": "policy",
            "name": "no-secret-maps",
            "change": "changed",
            "details": ["severity: high → critical"],
        }
    ]


# ---- the real gator -------------------------------------------------------------------------------------


def test_gator_reads_the_bundle_and_judges_with_it(gator, pushed, tmp_path):
    (tmp_path / "bad.yaml").write_text(BAD)
    (tmp_path / "good.yaml").write_text(BAD.replace("secret", "open"))
    for reference in pushed:
        verdicts = {}
        for name in ("bad", "good"):
            done = subprocess.run(
                [gator, "test", "--image", reference, "-f", str(tmp_path / f"{name}.yaml")],
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "DOCKER_CONFIG": str(tmp_path / "docker")},
            )
            verdicts[name] = (done.returncode, done.stdout.count("a ConfigMap is called secret"), done.stderr)
        # The sample in the bundle, which is as bad, is not among what was judged.
        assert verdicts == {"bad": (1, 1, ""), "good": (0, 0, "")}


# ---- signatures -----------------------------------------------------------------------------------------


def test_a_bundle_is_signed_and_checked(bundle, pushed, keys):
    tagged, pinned = pushed
    private, public = keys
    bundle("sign", pinned, "--key", private)
    for reference in (tagged, pinned):
        done = bundle("verify", reference, "--key", public)
        assert done.stdout.strip() == pinned
        assert f"signed by {public}" in done.stderr
        assert bundle("pull", reference, MOORAGE_POLICY_KEYS=str(public)).stdout.strip() == pinned


def test_a_bundle_that_is_not_signed_is_refused_and_nothing_of_it_is_kept(bundle, pushed, keys, tmp_path):
    for reference in pushed:
        for command in (["verify"], ["pull", "-o", tmp_path / "copy"], ["inspect"]):
            done = bundle(command[0], reference, *command[1:], "--key", keys[1], code=2)
            assert "is not signed" in done.stderr
    assert not (tmp_path / "copy").exists()
    assert not (tmp_path / "cache").exists() or not list((tmp_path / "cache").rglob("sha256/*"))


def test_a_bundle_signed_with_another_key_is_refused(bundle, pushed, keys, tmp_path):
    bundle("keygen", "-o", tmp_path / "other")
    bundle("sign", pushed[1], "--key", tmp_path / "other.key")
    assert "but not by" in bundle("verify", pushed[0], "--key", keys[1], code=2).stderr
    bundle("sign", pushed[1], "--key", keys[0])
    bundle("verify", pushed[0], "--key", keys[1])
    bundle("verify", pushed[0], "--key", tmp_path / "other.pub")


def test_a_tag_that_was_moved_to_an_unsigned_bundle_is_refused(bundle, library, pushed, keys):
    bundle("sign", pushed[1], "--key", keys[0])
    edit(library, "high", "low")
    bundle("push", library, pushed[0])
    assert "is not signed" in bundle("verify", pushed[0], "--key", keys[1], code=2).stderr
    bundle("verify", pushed[1], "--key", keys[1])


def test_a_signature_for_another_repository_does_not_count_unless_that_is_said(
    bundle, library, pushed, keys, registry, tmp_path
):
    bundle("sign", pushed[1], "--key", keys[0])
    bundle("pull", pushed[1], "-o", tmp_path / "b.tar")
    copy = registry.reference()
    assert digest_of(bundle("push", tmp_path / "b.tar", copy).stdout.strip()) == digest_of(pushed[1])
    refused = bundle("verify", copy, "--key", keys[1], code=2).stderr
    name = pushed[1].partition("@")[0]
    assert f"--signed-as {name}" in refused
    bundle("verify", copy, "--key", keys[1], "--signed-as", name)
    bundle("verify", copy, "--key", keys[1], "--signed-as", f"{name}x", code=2)


def test_a_file_carries_the_signature_over_an_air_gap(bundle, pushed, keys, tmp_path):
    bundle("pull", pushed[0], "-o", tmp_path / "unsigned.tar")
    bundle("sign", pushed[1], "--key", keys[0])
    bundle("pull", pushed[0], "-o", tmp_path / "signed.tar")
    assert bundle("verify", tmp_path / "signed.tar", "--key", keys[1]).stdout.strip() == digest_of(pushed[1])
    assert "is not signed" in bundle("verify", tmp_path / "unsigned.tar", "--key", keys[1], code=2).stderr


def test_only_a_digest_is_signed(bundle, pushed, keys):
    assert "may be moved" in bundle("sign", pushed[0], "--key", keys[0], code=2).stderr


def test_what_is_no_bundle_is_not_signed(bundle, pushed, keys, registry):
    bundle("sign", pushed[1], "--key", keys[0])
    name, _, digest = pushed[1].partition("@")
    repository = f"docker/registry/v2/repositories/{name.removeprefix(f'{registry.host}/')}"
    link = f"{repository}/_manifests/tags/{digest.replace(':', '-')}.sig/current/link"
    signature = (registry.folder / link).read_text()
    refused = bundle("sign", f"{name}@{signature}", "--key", keys[0], code=2)
    assert "not a bundle of policies" in refused.stderr


def test_the_wrong_password_signs_nothing(bundle, pushed, keys):
    assert "password" in bundle("sign", pushed[1], "--key", keys[0], code=2, COSIGN_PASSWORD="no").stderr


@pytest.fixture
def cosign(tmp_path):
    """The real cosign, where there is one: in MOORAGE_TOOLS, or on the PATH."""
    program = shutil.which(
        "cosign", path=f"{os.environ.get('MOORAGE_TOOLS', '')}:{os.environ.get('PATH', '')}"
    )
    if program is None:
        pytest.skip("cosign is not here")

    def run(*arguments):
        return subprocess.run(
            [program, *map(str, arguments)],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
            env={
                **os.environ,
                "COSIGN_PASSWORD": "s3cret",
                "HOME": str(tmp_path),
                "DOCKER_CONFIG": str(tmp_path),
            },
        )

    return run


def test_cosign_accepts_our_signature(bundle, pushed, keys, cosign):
    bundle("sign", pushed[1], "--key", keys[0])
    cosign("verify", "--key", keys[1], "--insecure-ignore-tlog=true", "--allow-http-registry", pushed[1])


def test_we_accept_the_signature_of_cosign_made_with_our_key(bundle, pushed, keys, cosign):
    # Without a log, and from version 3 on: in the format of version 2.
    newer = re.search(r"GitVersion:\s+v([3-9]|\d\d)", cosign("version").stdout)
    options = ["--new-bundle-format=false", "--use-signing-config=false"] if newer else []
    cosign(
        *("sign", "--yes", "--key", keys[0], "--tlog-upload=false", *options),
        *("--allow-http-registry", pushed[1]),
    )
    bundle("verify", pushed[0], "--key", keys[1])


# ---- altered, absent, unreachable -----------------------------------------------------------------------


@pytest.mark.parametrize("which", ["manifest", "gatekeeper", "library.tar", "config"])
@pytest.mark.parametrize("by", ["tag", "digest"])
def test_what_was_altered_in_the_registry_is_refused(bundle, registry, pushed, which, by, tmp_path):
    tagged, pinned = pushed
    manifest = registry.manifest(pinned)
    layers = {
        layer["annotations"]["org.opencontainers.image.title"]: layer["digest"]
        for layer in manifest["layers"]
    }
    digest = {"manifest": digest_of(pinned), "config": manifest["config"]["digest"], **layers}[which]
    file = registry.file(digest)
    before = file.read_bytes()
    registry.alter(digest)
    try:
        done = bundle("pull", tagged if by == "tag" else pinned, "-o", tmp_path / "copy", code=2)
    finally:
        file.write_bytes(before)  # blobs are shared by the repositories of a registry
    assert "was altered" in done.stderr
    assert digest in done.stderr
    assert not (tmp_path / "copy").exists()


def test_a_blob_that_the_registry_lost_is_named(bundle, registry, pushed):
    digest = registry.manifest(pushed[1])["layers"][0]["digest"]
    file = registry.file(digest)
    before = file.read_bytes()
    file.unlink()
    try:
        done = bundle("pull", pushed[0], code=2)
    finally:
        file.write_bytes(before)
    assert digest in done.stderr


def test_a_tag_or_repository_that_is_not_there_is_told(bundle, pushed, registry):
    for reference in (
        f"{pushed[0]}x",
        registry.reference(),
        f"{pushed[1][:-1]}{'0' if pushed[1][-1] != '0' else '1'}",
    ):
        assert "no such bundle" in bundle("pull", reference, code=2).stderr


def test_a_registry_that_does_not_answer_is_told_at_once(bundle, start_registry, library):
    gone = start_registry()
    reference = gone.reference()
    gone.stop()
    assert "cannot be reached" in bundle("pull", reference, code=2).stderr
    assert "cannot be reached" in bundle("push", library, reference, code=2).stderr


def test_another_artifact_is_not_taken_for_a_bundle(bundle, pushed, keys):
    bundle("sign", pushed[1], "--key", keys[0])
    signature = f"{pushed[1].partition('@')[0]}:{digest_of(pushed[1]).replace(':', '-')}.sig"
    assert "not a bundle of policies" in bundle("pull", signature, code=2).stderr


# ---- without a network ----------------------------------------------------------------------------------


def test_what_was_pulled_is_there_without_the_registry(bundle, library, start_registry, keys, tmp_path):
    registry = start_registry()
    tagged = registry.reference()
    pinned = bundle("push", library, tagged).stdout.strip()
    bundle("sign", pinned, "--key", keys[0])
    assert "not in the cache" in bundle("pull", tagged, "--offline", code=2).stderr
    bundle("pull", tagged)
    # Pulled without a key, its signature is not here.
    assert "no signature" in bundle("pull", tagged, "--offline", "--key", keys[1], code=2).stderr
    bundle("pull", tagged, "--key", keys[1])
    registry.stop()

    assert bundle("pull", tagged, "--offline").stdout.strip() == pinned
    assert bundle("pull", tagged, "--offline", "--key", keys[1]).stdout.strip() == pinned
    assert bundle("verify", pinned, "--offline", "--key", keys[1]).stdout.strip() == pinned
    # A digest is what it is; a tag has to be asked for.
    assert bundle("pull", pinned, "--key", keys[1], "-o", tmp_path / "copy").stdout.strip() == pinned
    assert "cannot be reached" in bundle("pull", tagged, code=2).stderr
    bundle("diff", library, tmp_path / "copy")


def test_a_damaged_cache_is_mended_from_the_registry_and_never_believed(bundle, pushed, tmp_path):
    bundle("pull", pushed[0])
    for file in (tmp_path / "cache").rglob("sha256/*"):
        file.write_bytes(file.read_bytes()[:-1] + b"?")
    assert "not in the cache" in bundle("pull", pushed[1], "--offline", code=2).stderr
    bundle("pull", pushed[1])
    bundle("pull", pushed[1], "--offline")


def test_a_cache_that_cannot_be_written_does_not_stop_anybody(bundle, pushed, tmp_path):
    (tmp_path / "cache").write_text("a file in the way")
    bundle("pull", pushed[0], "-o", tmp_path / "copy")
    assert "cannot be kept" in bundle("pull", pushed[0], code=2).stderr


def test_pulling_into_a_folder_that_has_something_changes_nothing(bundle, pushed, library):
    before = {file: file.read_bytes() for file in library.rglob("*.yaml")}
    assert "is not empty" in bundle("pull", pushed[0], "-o", library, code=2).stderr
    assert {file: file.read_bytes() for file in library.rglob("*.yaml")} == before


# ---- one error each -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["build", "nowhere"],
        ["push", "nowhere.tar", "registry.example.com/a:1"],
        ["pull", "policies"],
        ["pull", "registry.example.com/a"],
        ["inspect", "/dev/null"],
        ["verify", "library"],
        ["verify", "library", "--key", "nowhere.pub"],
        ["sign", "registry.example.com/a:1", "--key", "nowhere.key"],
        ["diff", "library", "nowhere"],
        ["inspect", "library", "--signed-as", "registry.example.com/a"],
        ["keygen", "-o", "nowhere/acme"],
    ],
)
def test_a_mistake_is_one_error(bundle, library, arguments):
    bundle(*arguments, code=2)


def test_a_library_that_is_broken_is_not_pushed(bundle, library, registry):
    (library / "policies/no-secret-maps/template.yaml").write_text(dedent("a: [\n"))
    reference = registry.reference()
    assert "template.yaml:" in bundle("push", library, reference, code=2).stderr
    bundle("pull", reference, code=2)


# ---- the page that shows all of it ------------------------------------------------------------------------

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "policy-bundles.md"


def test_the_page_does_what_it_says(bundle, library, registry, tmp_path):
    library.rename(tmp_path / "our-policies")
    repository = f"{registry.host}/page/{secrets.token_hex(6)}"
    code = "".join(re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL))
    assert code.count("moorage policy bundle") > 10
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code.replace("registry.example.com", repository)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"signed by acme.pub, as {repository}/acme/policies" in done.stderr


def test_no_password_is_ever_asked_for_where_nobody_can_answer(bundle, pushed, keys, tmp_path, monkeypatch):
    monkeypatch.delenv("COSIGN_PASSWORD", raising=False)
    done = bundle("keygen", "-o", tmp_path / "empty", code=2, COSIGN_PASSWORD="")
    assert "needs a password" in done.stderr
    assert not Path(tmp_path / "empty.key").exists()
