"""Write what Kubernetes serves, deprecates and removes into the package, out of Kubernetes' own Go modules.

Usage: python scripts/kubernetes_apis.py [--check]

Run it when the Kubernetes of tools.toml moves to another minor. Three things are read:

- of every minor, the OpenAPI document in k8s.io/kubernetes: what the API server served, and the fields of it;
- of every minor, the lifecycle that k8s.io/api, k8s.io/apiextensions-apiserver and k8s.io/kube-aggregator
  declare for their types, of which the newest counts: since when deprecated, removed in, replaced by;
- where a type declares no removal (most alphas), or was gone before it, the first minor that does not serve
  it.

Written are the advisor's table (kubernetes.json), what is different in a replacement (changes.json), and the
same table in the policy `deprecated-apis`. The modules are verified by Go; the API of a minor is that of its
first release.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from moorage.toolchain.catalog import load_catalog

sys.path.insert(0, str(Path(__file__).parent))

from _api_changes import Comparison, Type
from _api_policy import policy_files

ROOT: Final = Path(__file__).parents[1]
TARGET: Final = ROOT / "src/moorage/advisors/apis/data"
OLDEST: Final = 15
"""The first Kubernetes that is a module; the last that served much of extensions/v1beta1."""

TYPES: Final = {
    "k8s.io/api": ".",
    "k8s.io/apiextensions-apiserver": "pkg/apis",
    "k8s.io/kube-aggregator": "pkg/apis",
}
FIRST_LIFECYCLE: Final = 18

_METHOD: Final = re.compile(
    r"^func \(in \*(\w+)\) APILifecycle(\w+)\(\)[^{]*\{\n\treturn (.*)\n\}", re.MULTILINE
)
_GROUP: Final = re.compile(r'GroupName\s*=\s*"([^"]*)"')
_VERSION: Final = re.compile(r'Version:\s*"([^"]*)"')
_REPLACEMENT: Final = re.compile(r'Group: "(.*?)", Version: "(.*?)", Kind: "(.*?)"')
_PATH: Final = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>[^/]+)/(?P<namespaced>namespaces/\{namespace\}/)?"
    r"(?P<resource>[a-z]+)(?:/\{name\}(?P<sub>/[a-z]+)?)?"
)


@dataclass(slots=True)
class Served:
    """How a type was served: its resource, the minors that did, and its schema in the last of them."""

    resource: str
    namespaced: bool
    minors: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """What a type declares."""

    introduced: int | None = None
    deprecated: int | None = None
    removed: int | None = None
    replacement: Type | None = None


@dataclass(slots=True)
class World:
    """All that was read."""

    newest: int
    served: dict[Type, Served] = field(default_factory=dict)
    declared: dict[Type, Lifecycle] = field(default_factory=dict)
    documents: dict[int, dict[str, Any]] = field(default_factory=dict)


def main() -> int:
    """Write the files, or say which are not what they should be."""
    version = load_catalog().tool("kube-apiserver").version
    world = read_world(version)
    rows = table(world)
    files = {
        TARGET / "kubernetes.json": one_a_line(
            "apis", rows, newest=f"1.{world.newest}", source=f"v{version}"
        ),
        TARGET / "changes.json": one_a_line("changes", list(changes(world, rows))),
        **policy_files(ROOT / "policies/policies/deprecated-apis", rows, f"1.{world.newest}"),
    }
    if "--check" not in sys.argv[1:]:
        for path, text in files.items():
            path.write_text(text)
        return 0
    stale = [path for path, text in files.items() if path.read_text() != text]
    for path in stale:
        print(f"{path.relative_to(ROOT)} is stale: run python scripts/kubernetes_apis.py")
    return 1 if stale else 0


def read_world(version: str) -> World:
    """Read every minor up to a version of Kubernetes."""
    newest = int(version.split(".")[1])
    world = World(newest)
    with tempfile.TemporaryDirectory(prefix="moorage-apis-") as folder:
        Path(folder, "go.mod").write_text("module moorage.dev/apis\n\ngo 1.22\n")
        for minor in range(OLDEST, newest + 1):
            patch = version.split(".")[2] if minor == newest else "0"
            module = download("k8s.io/kubernetes", f"v1.{minor}.{patch}", folder)
            document = json.loads((module / "api/openapi-spec/swagger.json").read_text())
            world.documents[minor] = document
            for found, resource, namespaced in served(document):
                world.served.setdefault(found, Served(resource, namespaced)).minors.append(minor)
            for name, inside in TYPES.items() if minor >= FIRST_LIFECYCLE else ():
                # Later ones win: a lifecycle is corrected now and then.
                world.declared |= lifecycles(download(name, f"v0.{minor}.{patch}", folder) / inside)
    return world


def download(module: str, version: str, folder: str) -> Path:
    """Return where a module is; Go checks it against its database of checksums."""
    done = subprocess.run(
        ["go", "mod", "download", "-json", f"{module}@{version}"], cwd=folder, check=True, capture_output=True
    )
    return Path(json.loads(done.stdout)["Dir"])


def served(document: Mapping[str, Any]) -> Iterator[tuple[Type, str, bool]]:
    """Yield what is served, with its resource and whether that is in namespaces.

    A subresource counts where its kind is of another group than its path: an Eviction is posted to a Pod.
    """
    found: dict[Type, tuple[str, bool]] = {}
    for path, operations in sorted(document["paths"].items()):
        match = _PATH.fullmatch(path)
        told = next(
            (each["x-kubernetes-group-version-kind"] for each in operations.values()
             if isinstance(each, dict) and "x-kubernetes-group-version-kind" in each), None,
        )  # fmt: skip
        if match is None or told is None:
            continue
        kind = Type(told["group"], told["version"], told["kind"])
        if match["sub"] and (kind.group == (match["group"] or "") or match["sub"] == "/scale"):
            continue
        before = found.get(kind)
        resource = match["resource"] + (match["sub"] or "")
        found[kind] = (resource, bool(match["namespaced"]) or bool(before and before[1]))
    for kind, (resource, namespaced) in found.items():
        yield kind, resource, namespaced


def lifecycles(folder: Path) -> dict[Type, Lifecycle]:
    """Return what the types of a module declare."""
    found: dict[Type, Lifecycle] = {}
    for path in sorted(folder.rglob("zz_generated.prerelease-lifecycle.go")):
        register = (path.parent / "register.go").read_text()
        group, version = _GROUP.search(register), _VERSION.search(register)
        if group is None or version is None:
            raise SystemExit(f"{path.parent}/register.go names no group or no version")
        told: dict[str, dict[str, str]] = {}
        for kind, method, value in _METHOD.findall(path.read_text()):
            told.setdefault(kind, {})[method] = value
        for kind, methods in told.items():
            found[Type(group[1], version[1], kind)] = _lifecycle(methods)
    return found


def _lifecycle(methods: Mapping[str, str]) -> Lifecycle:
    replacement = _REPLACEMENT.search(methods.get("Replacement", ""))
    introduced, deprecated, removed = (
        int(methods[name].split(",")[1]) if name in methods else None
        for name in ("Introduced", "Deprecated", "Removed")
    )
    return Lifecycle(introduced, deprecated, removed, Type(*replacement.groups()) if replacement else None)


def table(world: World) -> list[dict[str, Any]]:
    """Return a row for each type: what is known of its life, in words of one alphabet."""
    facts = {kind: _facts(world, kind) for kind in _types(world)}
    rows = []
    for kind in sorted(facts):
        life, how = facts[kind], world.served.get(kind)
        going = life.deprecated is not None or life.removed is not None
        replacement = _replacement(world, facts, kind) if going else None
        rows.append(
            {
                "apiVersion": kind.api_version,
                "kind": kind.kind,
                "resource": how.resource if how else None,
                "namespaced": how.namespaced if how else None,
                "introduced": _minor(life.introduced),
                "deprecated": _minor(life.deprecated),
                "removed": _minor(life.removed),
                "replacement": f"{replacement.api_version} {replacement.kind}" if replacement else None,
            }
        )
    return rows


def _types(world: World) -> set[Type]:
    """Return the types that are objects of their own: served once, or removed before anything is known."""
    early = {
        kind
        for kind, life in world.declared.items()
        if life.removed is not None and life.removed <= OLDEST + 1 and not kind.kind.endswith("List")
        and not kind.kind.endswith(("Scale", "Rollback", "Options"))
    }  # fmt: skip
    return set(world.served) | early


def _facts(world: World, kind: Type) -> Lifecycle:
    declared = world.declared.get(kind, Lifecycle())
    how = world.served.get(kind)
    minors = how.minors if how else []
    gone = minors[-1] + 1 if minors and minors[-1] < world.newest else None
    if how and "/" in how.resource and declared.removed is not None:
        gone = None  # of what is posted to a subresource, only the newest version is in the document
    removed = min((each for each in (declared.removed, gone) if each is not None), default=None)
    introduced = declared.introduced
    if introduced is None and minors and minors[0] > OLDEST:
        introduced = minors[0]
    deprecated = declared.deprecated
    if deprecated is not None and removed is not None and deprecated >= removed:
        deprecated = None  # counted from its introduction, for a type that was gone before
    return Lifecycle(introduced, deprecated, removed, declared.replacement)


def _replacement(world: World, facts: Mapping[Type, Lifecycle], kind: Type) -> Type | None:
    """Return what is to be used: as declared, or further along what is not itself about to go."""

    def lasts(other: Type) -> bool:
        removed = facts[other].removed if other in facts else None
        return removed is None or removed > world.newest + 1

    found, seen = world.declared.get(kind, Lifecycle()).replacement, {kind}
    if found is not None and found.kind.endswith("List") and not kind.kind.endswith("List"):
        found = Type(found.group, found.version, found.kind.removesuffix("List"))
    while found is not None and found not in seen and not lasts(found):
        seen.add(found)
        found = world.declared.get(found, Lifecycle()).replacement or _best(world, found, lasts)
    return found or _best(world, kind, lasts)


def _best(world: World, kind: Type, lasts: Any) -> Type | None:
    others = [
        other
        for other, how in world.served.items()
        if (other.group, other.kind) == (kind.group, kind.kind)
        and other.rank > kind.rank and how.minors[-1] == world.newest and lasts(other)
    ]  # fmt: skip
    return max(others, key=lambda other: other.rank, default=None)


def changes(world: World, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield what is different between a type and its replacement, by the last minor that served both."""
    for row in rows:
        if row["replacement"] is None:
            continue
        old = _type(row["apiVersion"], row["kind"])
        new = _type(*row["replacement"].split(" "))
        both = [
            minor
            for minor in (world.served[old].minors if old in world.served else ())
            if new in world.served and minor in world.served[new].minors
        ]
        if both:
            compared = Comparison(world.documents[both[-1]])
            compared.compare(compared.schema(old), compared.schema(new), "")
            yield {
                "from": f"{old.api_version} {old.kind}",
                "to": row["replacement"],
                "in": f"1.{both[-1]}",
                **compared.told(),
            }


def _type(api_version: str, kind: str) -> Type:
    group, _, version = api_version.rpartition("/")
    return Type(group, version, kind)


def _minor(minor: int | None) -> str | None:
    return None if minor is None else f"1.{minor}"


def one_a_line(name: str, rows: list[dict[str, Any]], **facts: str) -> str:
    """Return rows as JSON, each on a line of its own: a change of one shows as that."""
    head = {"madeBy": f"scripts/{Path(sys.argv[0]).name}; do not edit", **facts}
    begin = json.dumps(head, ensure_ascii=False)[:-1]
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return f"{begin}, {json.dumps(name)}: [\n{lines}\n]}}\n"


if __name__ == "__main__":
    raise SystemExit(main())
