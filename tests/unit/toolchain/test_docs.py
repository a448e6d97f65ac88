"""The reference is written by hand; these are the parts of it that could become untrue."""

from __future__ import annotations

import re
from pathlib import Path

from moorage.toolchain.catalog import default_catalog
from moorage.toolchain.network import _PASSING, Patience

DOCS = Path(__file__).parents[3] / "docs"
REFERENCE = (DOCS / "reference" / "tools.md").read_text()
HOW_TO = (DOCS / "how-to" / "offline-toolchain.md").read_text()


def _row(tool) -> str:
    systems = [platform.partition("/")[0] for release in tool.release for platform in release.platforms]
    names = [name for system, name in (("linux", "Linux"), ("darwin", "macOS")) if system in systems]
    image = f"`{tool.image.reference.partition(':')[0]}`" if tool.image else "-"
    cells = [f"`{tool.name}`", tool.version, ", ".join(names) or "-", image, tool.summary]
    return f"| {' | '.join(cells)} |"


def test_the_table_of_tools_is_the_catalog():
    table = REFERENCE.partition("## The tools")[2].partition("Each is for")[0]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    assert rows == [_row(tool) for tool in default_catalog().tools.values()]


def test_versions_in_examples_are_the_catalogs():
    catalog = default_catalog()
    kubernetes, etcd = catalog.tool("kube-apiserver").version, catalog.tool("etcd")
    assert set(re.findall(r"dl.k8s.io/v([\d.]+)/", HOW_TO)) == {kubernetes}
    assert set(re.findall(r"/etcd:([\d.]+)-0", HOW_TO)) == {etcd.version}
    assert f"etcd/{etcd.version}-linux-amd64-" in REFERENCE


def test_numbers_are_those_of_the_code():
    patience = Patience()
    assert f"A connection has {patience.connect_seconds:g} s" in REFERENCE
    assert f"falls silent for {patience.silence_seconds:g} s" in REFERENCE
    assert f"up to {patience.longest_pause_seconds:g} s" in REFERENCE
    assert len(patience.pauses_seconds) + 1 == 4
    assert "is asked four times" in REFERENCE
    codes = sorted(int(status) for status in _PASSING)
    assert f"{', '.join(map(str, codes[:-1]))} or {codes[-1]}" in REFERENCE


def test_every_variable_is_documented():
    from moorage.toolchain import settings

    variables = set(re.findall(r'"(MOORAGE_TOOLS\w*)"', Path(settings.__file__).read_text()))
    assert variables
    for variable in variables:
        assert f"| `{variable}` |" in REFERENCE
        assert variable in HOW_TO
