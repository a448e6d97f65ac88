"""The environment: each variable, and what is refused in it."""

from __future__ import annotations

import pytest

from moorage.toolchain.errors import SettingsError, ToolchainError
from moorage.toolchain.platforms import Platform, detect
from moorage.toolchain.settings import FETCHING, Settings, Source


def test_an_empty_environment_means_every_source_in_its_order():
    settings = Settings.from_environment({})
    assert settings.folder is None
    assert settings.sources == FETCHING == (Source.RELEASE, Source.OCI, Source.GO)
    assert settings.mirror is settings.registry is None


def test_folders_follow_xdg(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "s"))
    settings = Settings.from_environment({})
    assert settings.tools_dir == tmp_path / "c" / "moorage" / "tools"
    assert settings.user_lock == tmp_path / "s" / "moorage" / "tools.lock"


def test_variables_are_read(tmp_path):
    settings = Settings.from_environment(
        {
            "MOORAGE_TOOLS": str(tmp_path),
            "MOORAGE_TOOLS_SOURCES": "go, release",
            "MOORAGE_TOOLS_MIRROR": "https://mirror.example/tools/",
            "MOORAGE_TOOLS_REGISTRY": "registry.example:5000/copies/",
        }
    )
    assert settings.folder == tmp_path
    assert settings.sources == (Source.GO, Source.RELEASE)
    assert settings.mirror == "https://mirror.example/tools"
    assert settings.registry == "registry.example:5000/copies"


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("MOORAGE_TOOLS", "/does/not/exist", "not a folder"),
        ("MOORAGE_TOOLS_SOURCES", "release,brew", "'brew' is not a source"),
        ("MOORAGE_TOOLS_SOURCES", "go,go", "named twice"),
        ("MOORAGE_TOOLS_SOURCES", "cache", "'cache' is not a source"),
        ("MOORAGE_TOOLS_MIRROR", "http://mirror.example", "only https"),
        ("MOORAGE_TOOLS_MIRROR", "mirror.example", "only https"),
        ("MOORAGE_TOOLS_REGISTRY", "https://registry.example", "not a registry"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_a_hint(name, value, complaint):
    with pytest.raises(SettingsError, match=complaint) as caught:
        Settings.from_environment({name: value})
    assert name in caught.value.message


@pytest.mark.parametrize(
    ("system", "machine", "platform"),
    [
        ("Linux", "x86_64", "linux/amd64"),
        ("Linux", "aarch64", "linux/arm64"),
        ("Darwin", "arm64", "darwin/arm64"),
        ("Darwin", "x86_64", "darwin/amd64"),
    ],
)
def test_platforms_are_told_in_everybodys_words(system, machine, platform):
    assert str(detect(system, machine)) == platform
    assert Platform.parse(platform).slug == platform.replace("/", "-")


def test_a_machine_without_tools_is_told_so():
    with pytest.raises(ToolchainError, match="Linux on riscv64"):
        detect("Linux", "riscv64")
