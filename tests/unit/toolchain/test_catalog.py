"""The catalog: the one that comes with Moorage is right, and a wrong one is refused where it is wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from moorage.toolchain.catalog import CATALOG_FILE, GRAPHS_DIR, default_catalog, load_catalog
from moorage.toolchain.errors import CatalogError, UnknownToolError
from moorage.toolchain.images import Reference
from moorage.toolchain.platforms import Platform

PLATFORMS = ["linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64"]
TOOLS = default_catalog().tools.values()


@pytest.mark.parametrize("tool", TOOLS, ids=str)
def test_every_tool_can_be_built_from_a_committed_graph(tool):
    assert tool.go is not None
    graph = GRAPHS_DIR / tool.go.graph
    go_mod, go_sum = (graph / "go.mod").read_text(), (graph / "go.sum").read_text()
    assert re.search(
        rf"^tool {re.escape(tool.go.package)}$|^\t{re.escape(tool.go.package)}$", go_mod, re.MULTILINE
    )
    required = re.search(rf"^\t{re.escape(tool.go.module)} v(\S+)", go_mod, re.MULTILINE)
    assert required, f"{tool.go.module} is not in {tool.go.graph}/go.mod"
    assert required[1] == tool.version
    assert f"{tool.go.module} v{tool.version} h1:" in go_sum


@pytest.mark.parametrize("tool", TOOLS, ids=str)
def test_every_linux_platform_has_a_second_way(tool):
    for platform in ("linux/amd64", "linux/arm64"):
        ways = [tool.release_for(Platform.parse(platform)), tool.image and platform in tool.image.platforms]
        assert any(ways), f"{tool} for {platform} can only be built"


@pytest.mark.parametrize("tool", TOOLS, ids=str)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_addresses_are_filled_in_and_over_tls(tool, platform):
    platform = Platform.parse(platform)
    release = tool.release_for(platform)
    for template in (release.url, release.checksum.url) if release else ():
        url = tool.fill(template, platform)
        assert url.startswith("https://")
        assert not set(url) & set("{}")
        assert tool.version in url
    if tool.image:
        reference = Reference.parse(tool.fill(tool.image.reference, platform))
        assert tool.version in reference.tag


def test_versions_stated_to_the_linker_are_the_tools_versions():
    for tool in TOOLS:
        for flag in tool.go.ldflags:
            name, _, value = flag.partition("=")
            if name.endswith(("gitVersion", "version.version")):
                assert value.removeprefix("v") == tool.version


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(UnknownToolError, match="nope: no such tool") as caught:
        default_catalog().select(["etcd", "nope"])
    assert "kubectl" in caught.value.hint


def test_selecting_nothing_selects_all_and_selecting_twice_selects_once():
    catalog = default_catalog()
    assert [tool.name for tool in catalog.select([])] == list(catalog.names)
    assert [tool.name for tool in catalog.select(["kwok", "etcd", "kwok"])] == ["kwok", "etcd"]


def _copy_catalog(folder: Path, text: str | None = None):
    file = folder / "tools.toml"
    file.write_text(text or CATALOG_FILE.read_text())
    return file


def test_a_recipe_changes_with_the_declaration_and_with_the_graph_but_not_with_the_summary(tmp_path):
    graphs = tmp_path / "graphs"
    (graphs / "g").mkdir(parents=True)
    (graphs / "g" / "go.mod").write_text("module a\n")
    text = """
[[tool]]
name = "a"
version = "1.0.0"
summary = "{summary}"
[tool.go]
graph = "g"
module = "m"
package = "m/{package}"
"""

    def recipe(summary="s", package="p"):
        file = _copy_catalog(tmp_path, text.format(summary=summary, package=package))
        catalog = load_catalog(file, graphs_dir=graphs)
        return catalog.recipe(catalog.tool("a"))

    first = recipe()
    assert re.fullmatch("[0-9a-f]{12}", first)
    assert recipe() == first
    assert recipe(summary="other words") == first
    assert recipe(package="q") != first
    (graphs / "g" / "go.sum").write_text("m v1.0.0 h1:x\n")
    assert recipe() != first


def test_a_recipe_is_not_shared_by_tools_of_two_catalogs(tmp_path):
    catalog = default_catalog()
    newer = replace(catalog, tools={"etcd": replace(catalog.tool("etcd"), version="3.7.1")})
    assert newer.recipe(newer.tool("etcd")) != catalog.recipe(catalog.tool("etcd"))


GOOD = """
[[tool]]
name = "a"
version = "1.0.0"
summary = "s"
"""


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[tool]\n", "tools.toml: "),
        ('[[tool]]\nname = "a"\n', "tool a: .*missing.*version"),
        (GOOD + 'colour = "red"\n', "tool a: .*unexpected.*colour"),
        (GOOD.replace("1.0.0", "v1.0"), "tool a: 'v1.0' is not a version"),
        (GOOD.replace('"a"', '"../a"'), "'../a' is not a name for a tool"),
        (GOOD + GOOD, "tool a: two tools have one name"),
        (GOOD + '[tool.image]\nreference = "r/i:t"\nfile = "bin/a"\n', "absolute path"),
        (
            GOOD + '[tool.image]\nreference = "r/i:t"\nfile = "/a"\nplatforms = ["plan9/amd64"]\n',
            "'plan9/amd64' is not a platform",
        ),
        (
            GOOD + '[[tool.release]]\nplatforms = []\nurl = "http://example.com/a"\n'
            'checksum.url = "https://example.com/a"\nchecksum.format = "list"\n',
            "only https is trusted",
        ),
        (
            GOOD + '[[tool.release]]\nplatforms = []\nurl = "https://example.com/a"\n'
            'checksum.url = "https://example.com/a"\nchecksum.format = "md5"\n',
            "'md5' is not a valid ChecksumFormat",
        ),
        ('[[tool]]\nname = 1\nversion = "1.0.0"\nsummary = "s"\n', "tool 1: "),
    ],
)
def test_a_wrong_catalog_is_refused_where_it_is_wrong(tmp_path, text, complaint):
    with pytest.raises(CatalogError, match=complaint) as caught:
        load_catalog(_copy_catalog(tmp_path, text))
    assert str(tmp_path / "tools.toml") in caught.value.message


def test_a_catalog_that_is_not_there_is_an_error_of_the_same_family(tmp_path):
    with pytest.raises(CatalogError, match="cannot be read"):
        load_catalog(tmp_path / "none.toml")


def test_looking_a_tool_up_loads_nothing_heavy():
    """`locate` runs at the start of every process: no HTTP client, no event loop, no validation library."""
    code = """
import sys
from moorage.toolchain import locate
from moorage.toolchain.errors import ToolchainError
try:
    locate("kubectl")
except ToolchainError:
    pass
heavy = {"httpx2", "asyncio", "pydantic", "filelock", "rich", "typer", "ssl"} & set(sys.modules)
sys.exit(f"loaded {heavy}" if heavy else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
