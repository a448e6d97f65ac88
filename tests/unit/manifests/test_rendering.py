"""What charts are called when nobody says."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from moorage.manifests.rendering import Release, release_name


def chart(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "Chart.yaml").write_text(text)
    return folder


@pytest.mark.parametrize("text", ["name: shop-web\n", "apiVersion: v2\nname: 'shop-web' # ours\n"])
def test_a_release_is_called_as_the_chart_calls_itself(tmp_path: Path, text: str):
    folder = chart(tmp_path / "web", text)
    packed = tmp_path / "web-0.1.0.tgz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(folder, "web")
    assert release_name(folder, Release()) == release_name(packed, Release()) == "shop-web"


def test_a_chart_that_says_no_name_is_called_after_its_place(tmp_path: Path):
    broken = tmp_path / "web-0.1.0.tgz"
    broken.write_bytes(b"no archive")
    assert release_name(chart(tmp_path / "Web_App", "a: 1\n"), Release()) == "web-app"
    assert release_name(broken, Release()) == "web-0-1-0"
    assert release_name(broken, Release("test")) == "test"
