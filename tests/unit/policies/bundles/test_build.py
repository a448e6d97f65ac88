"""From a folder to a bundle."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from moorage.policies.bundles.build import build, collect
from moorage.policies.bundles.errors import BrokenBundleError, BundleError
from moorage.policies.bundles.transfer import library_of
from moorage.policies.load import load_library
from moorage.policies.model import LibraryError


def test_a_bundle_holds_the_library(folder):
    made = build(folder)
    whole = load_library(folder)
    found = library_of(made, name="x", origin="the bundle")
    assert found.digest == whole.digest
    assert (found.name, found.version, list(found.policies)) == ("acme", "1.2.0", list(whole.policies))


def test_suites_and_samples_go_along_and_what_is_no_part_does_not(folder, files):
    for stray in (
        ".git/config",
        "notes.txt",
        "policies/no-bad-word/__pycache__/x.pyc",
        "policies/stray.yaml",
    ):
        (folder / stray).parent.mkdir(parents=True, exist_ok=True)
        (folder / stray).write_text("stray")
    assert collect(folder) == files


def test_a_folder_that_is_only_of_policies_is_a_library_too(folder, files):
    wanted = {path: content for path, content in files.items() if path.startswith("policies/")}
    assert collect(folder / "policies") == wanted


def test_times_owners_modes_and_places_are_nothing(folder, files, tmp_path, write):
    other = write(tmp_path / "else" / "where", dict(reversed(files.items())))
    for file in other.rglob("*"):
        os.utime(file, (1, 1))
        file.chmod(0o700)
    assert build(other).digest == build(folder).digest


def test_another_process_with_another_clock_and_hash_gives_the_same_digest(folder):
    script = (
        "import sys; from pathlib import Path; from moorage.policies.bundles.build import build;"
        "print(build(Path(sys.argv[1])).digest)"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", script, str(folder)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": "C"},
        ).stdout.strip()
        for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo"))
    }
    assert digests == {build(folder).digest}


def test_a_library_without_a_name_has_the_same_digest_under_any_folders_name(folder, files, tmp_path, write):
    (folder / "library.yaml").unlink()
    del files["library.yaml"]
    other = write(tmp_path / "quite-another", files)
    assert build(other).digest == build(folder).digest
    assert build(folder).annotations == {}


@pytest.mark.parametrize("path", ["policies/no-bad-word/template.yaml", "policies/no-bad-word/samples"])
def test_a_link_is_refused(folder, tmp_path, path):
    target = (folder / path).rename(tmp_path / "elsewhere")
    (folder / path).symlink_to(target)
    with pytest.raises(BundleError, match="is a link"):
        build(folder)


def test_a_broken_library_is_refused_with_its_file(folder):
    (folder / "policies/no-bad-word/template.yaml").write_text("a: [")
    with pytest.raises(LibraryError, match=r"template\.yaml:"):
        build(folder)


def test_two_versions_are_a_contradiction(folder):
    with pytest.raises(BundleError, match=r"1\.2\.0"):
        build(folder, version="1.3.0")
    assert build(folder, version="1.2.0").digest == build(folder).digest


def test_a_library_that_is_too_large_is_refused(folder):
    (folder / "policies/no-bad-word/samples/large.yaml").write_bytes(b"#" * (33 << 20))
    with pytest.raises(BrokenBundleError, match="larger than"):
        build(folder)


@pytest.mark.parametrize("name", ["missing", "acme/library.yaml", "empty"])
def test_what_is_no_library_is_refused(folder, tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises((BundleError, LibraryError)) as error:
        build(tmp_path / name)
    assert error.value.hint
