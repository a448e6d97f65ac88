"""Reading a policy library: from a folder, or from files in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final

import msgspec

from moorage.cache import Cache
from moorage.manifests.model import Object
from moorage.policies.fields import Fields
from moorage.policies.folders import LIBRARY_FILE, PARTS, is_flat, library_files, library_root, shown
from moorage.policies.model import (
    POLICY_API_VERSION,
    Engine,
    GroupVersionKind,
    Library,
    LibraryError,
    Mend,
    Place,
    Policy,
    PolicySet,
    Reference,
    Scope,
    SetEntry,
)
from moorage.policies.remembered import LIBRARIES
from moorage.policies.yamltext import documents
from moorage.reports.findings import Severity

CATEGORIES: Final = (
    "pod-security",
    "images",
    "resources",
    "reliability",
    "jobs",
    "access",
    "network",
    "storage",
    "metadata",
    "upgrades",
)
_Documents = list[tuple[dict[str, Any], Place]]
_CONSTRAINT_API_VERSION: Final = "constraints.gatekeeper.sh/v1beta1"
_TEMPLATE_API_VERSIONS: Final = ("templates.gatekeeper.sh/v1", "templates.gatekeeper.sh/v1beta1")
_TARGET: Final = "admission.k8s.gatekeeper.sh"
_FOLDER_HINT: Final = (
    "a library has policies/NAME/{policy,template,constraint}.yaml; `moorage policy new` writes one"
)

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, list[tuple[int, dict[str, Any]]]]).decode


def builtin_library_path() -> Path:
    """Return the folder of the library that comes with Moorage."""
    here = Path(__file__).parent
    shipped = here / "library"
    return shipped if shipped.is_dir() else here.parents[2] / "policies"


def load_library(path: Path, *, cache: Cache | None = None) -> Library:
    """Read a library from a folder.

    The folder has ``policies/NAME/`` with a folder for each policy, and may have ``sets/``, ``expansion/``
    and ``library.yaml``; or the policies' folders are in it themselves (see `folders`).

    Args:
        path: the folder.
        cache: what was parsed before; what is parsed now is added.

    Raises:
        LibraryError: what is wrong, with its file and line; or nothing is there.
    """
    try:
        root = library_root(path)
        files = library_files(root)
    except OSError as error:
        raise LibraryError(
            f"{path}: {error.strerror or error}", hint="name the folder of a policy library"
        ) from error
    return read_library(files, name=root.resolve().name, origin=str(root), flat=is_flat(root), cache=cache)


def read_library(
    files: Mapping[str, bytes], *, name: str, origin: str, flat: bool = False, cache: Cache | None = None
) -> Library:
    """Read a library from files in memory.

    Args:
        files: what they say, by their path inside the library (``policies/NAME/template.yaml``, ...). Other
            files may be there, and are left aside.
        name: how it is called unless it says so itself.
        origin: where it is from, for messages.
        flat: whether the folders of policies are in no ``policies/`` there.
        cache: what was parsed before; what is parsed now is added.

    Raises:
        LibraryError: what is wrong, with its file and line; or there is no policy.
    """
    relevant = {path: text for path, text in sorted(files.items()) if _is_relevant(PurePosixPath(path))}
    whole = digest(relevant)
    path_of = partial(shown, origin, flat=flat)
    parsed = _parsed(relevant, whole, path_of, cache)
    name, version = _identity(parsed.get(LIBRARY_FILE), name=name)
    folders = dict.fromkeys(path.split("/")[1] for path in relevant if path.startswith("policies/"))
    policies = {
        folder: _policy(folder, parsed, _text(relevant, folder), library=name, path_of=path_of)
        for folder in folders
    }
    sets = _sets(parsed, library=name)
    if not policies and not sets:
        raise LibraryError(f"{origin}: there is no policy here", hint=_FOLDER_HINT)
    return Library(
        name=name,
        version=version,
        origin=origin,
        policies=policies,
        sets=sets,
        expansions=_expansions(parsed),
        digest=whole,
    )


def digest(files: Mapping[str, bytes]) -> str:
    """Return the digest of files: of their paths and what they say, in no order."""
    whole = hashlib.sha256()
    for path, text in sorted(files.items()):
        whole.update(f"{len(path)} {path} {len(text)} ".encode())
        whole.update(text)
    return f"sha256:{whole.hexdigest()}"


def _is_relevant(path: PurePosixPath) -> bool:
    match path.parts:
        case ("policies", _, file):
            return file in {f"{part}.yaml" for part in PARTS}
        case ("sets" | "expansion", _):
            return path.suffix == ".yaml"
        case (file,):
            return file == LIBRARY_FILE
        case _:
            return False


def _parsed(
    files: Mapping[str, bytes], whole: str, path_of: Callable[[str], str], cache: Cache | None
) -> dict[str, _Documents]:
    """Parse files, unless these were parsed before; what they say is what it is as JSON, either way."""
    key = bytes.fromhex(whole.removeprefix("sha256:"))
    known = cache.read(LIBRARIES, [key]).get(key) if cache else None
    if known is None:
        known = _encode(
            {
                path: [(place.line, content) for content, place in documents(text, path_of(path))]
                for path, text in files.items()
            }
        )
        if cache:
            cache.write(LIBRARIES, {key: known})
    said: dict[str, list[tuple[int, dict[str, Any]]]] = _decode(known)
    return {
        path: [(content, Place(path_of(path), line)) for line, content in found]
        for path, found in said.items()
    }


def _only(found: _Documents, file: str) -> tuple[dict[str, Any], Place]:
    if len(found) != 1:
        raise LibraryError(f"{file}: one document is wanted, there are {len(found)}")
    return found[0]


def _text(files: Mapping[str, bytes], folder: str) -> str:
    return files.get(f"policies/{folder}/template.yaml", b"").decode("utf-8", "replace")


def _identity(found: _Documents | None, *, name: str) -> tuple[str, str]:
    if not found:
        return name, ""
    fields = Fields(*found[0])
    fields.says("apiVersion", POLICY_API_VERSION)
    fields.says("kind", "PolicyLibrary")
    spec = fields.part("spec", optional=True)
    spec.only("version", "description")
    return fields.part("metadata").text("name"), spec.text("version", optional=True)


def _policy(
    folder: str,
    files: Mapping[str, _Documents],
    template_text: str,
    *,
    library: str,
    path_of: Callable[[str], str],
) -> Policy:
    paths = {part: f"policies/{folder}/{part}.yaml" for part in PARTS}
    places = {part: path_of(path) for part, path in paths.items()}
    for part in PARTS:
        if paths[part] not in files:
            raise LibraryError(f"policy {folder}: {places[part]} is missing", hint=_FOLDER_HINT)
    found = {part: _only(files[paths[part]], places[part]) for part in PARTS}
    fields = Fields(*found["policy"], about=f"policy {folder}")
    fields.says("apiVersion", POLICY_API_VERSION)
    fields.says("kind", "Policy")
    fields.part("metadata").says("name", folder)
    spec = fields.part("spec")
    spec.only(
        *("title", "severity", "category", "scope", "inventory"),
        *("what", "why", "mend", "references"),
    )
    engine = _check_template(Fields(*found["template"], about=f"policy {folder}"))
    template, constraint = found["template"][0], found["constraint"][0]
    _check_constraint(
        Fields(*found["constraint"], about=f"policy {folder}"), folder, template["spec"]["crd"]["spec"]
    )
    mend = spec.part("mend")
    mend.only("text", "before", "after")
    return Policy(
        name=folder,
        library=library,
        title=spec.text("title"),
        severity=Severity(spec.choice("severity", tuple(Severity))),
        category=spec.choice("category", CATEGORIES),
        scope=Scope(spec.choice("scope", tuple(Scope))),
        what=spec.text("what").strip(),
        why=spec.text("why").strip(),
        mend=Mend(
            mend.text("text").strip(), mend.text("before", optional=True), mend.text("after", optional=True)
        ),
        references=tuple(
            Reference(item.text("title"), item.text("url"))
            for item in spec.parts("references", optional=True)
        ),
        inventory=tuple(_inventory_kind(item) for item in spec.parts("inventory", optional=True)),
        engine=engine,
        template=template,
        constraint=constraint,
        folder=path_of(f"policies/{folder}"),
        places={part: found[part][1] for part in PARTS},
        template_text=template_text,
    )


def _inventory_kind(item: Fields) -> GroupVersionKind:
    item.only("group", "version", "kind")
    return GroupVersionKind(item.text("group", optional=True), item.text("version"), item.text("kind"))


def _check_template(fields: Fields) -> Engine:
    fields.choice("apiVersion", _TEMPLATE_API_VERSIONS)
    fields.says("kind", "ConstraintTemplate")
    kind = fields.part("spec").part("crd").part("spec").part("names").text("kind")
    fields.part("metadata").says("name", kind.lower())
    targets = fields.part("spec").parts("targets")
    if len(targets) != 1:
        raise fields.error(f"spec.targets: one target is wanted, there are {len(targets)}")
    targets[0].says("target", _TARGET)
    code = targets[0].parts("code", optional=True)
    engines = {item.text("engine") for item in code}
    if Engine.CEL in engines:
        return Engine.CEL
    if Engine.REGO in engines or targets[0].text("rego", optional=True):
        return Engine.REGO
    raise fields.error(f"spec.targets[0].code: no engine of {', '.join(Engine)}")


def _check_constraint(fields: Fields, name: str, crd: Object) -> None:
    fields.says("apiVersion", _CONSTRAINT_API_VERSION)
    fields.says("kind", crd["names"]["kind"])
    fields.part("metadata").says("name", name)
    spec = fields.part("spec", optional=True)
    spec.part("match", optional=True)
    spec.part("parameters", optional=True)


def _sets(files: Mapping[str, _Documents], *, library: str) -> dict[str, PolicySet]:
    sets: dict[str, PolicySet] = {}
    for path, each in files.items():
        if not path.startswith("sets/"):
            continue
        for found, place in each:
            made = _set(Fields(found, place), place, library)
            if made.name in sets:
                raise LibraryError(f"{place}: set {made.name} is already at {sets[made.name].place}")
            sets[made.name] = made
    return sets


def _set(fields: Fields, place: Place, library: str) -> PolicySet:
    fields.says("apiVersion", POLICY_API_VERSION)
    fields.says("kind", "PolicySet")
    name = fields.part("metadata").label_name("name")
    fields = fields.named(f"set {name}")
    spec = fields.part("spec")
    spec.only("title", "description", "policies")
    entries: dict[str, SetEntry] = {}
    for item in spec.parts("policies"):
        item.only("name", "parameters")
        policy = item.text("name")
        if policy in entries:
            raise item.error(f"{policy} is listed twice")
        entries[policy] = SetEntry(policy, item.part("parameters", optional=True).content)
    return PolicySet(
        name=name,
        library=library,
        title=spec.text("title"),
        description=spec.text("description", optional=True).strip(),
        entries=tuple(entries.values()),
        place=place,
    )


def _expansions(files: Mapping[str, _Documents]) -> tuple[dict[str, Any], ...]:
    found: list[dict[str, Any]] = []
    for path, each in files.items():
        if path.startswith("expansion/"):
            for content, place in each:
                fields = Fields(content, place)
                fields.says("kind", "ExpansionTemplate")
                fields.part("metadata").text("name")
                fields.part("spec")
                found.append(content)
    return tuple(found)


def combine(libraries: Iterable[Library]) -> tuple[dict[str, Policy], dict[str, PolicySet]]:
    """Return the policies and the sets of several libraries by name.

    A set may name policies of another library: a team's own set takes up the company's policies.

    Raises:
        LibraryError: two of them have something of one name, or a set names a policy that there is not.
    """
    policies: dict[str, Policy] = {}
    kinds: dict[str, Policy] = {}
    sets: dict[str, PolicySet] = {}
    for library in libraries:
        for policy in library.policies.values():
            if other := policies.get(policy.name):
                raise LibraryError(
                    f"two policies are called {policy.name}: {policy.folder} and {other.folder}",
                    hint="rename yours, and the kind in its template",
                )
            if other := kinds.get(policy.kind):
                raise LibraryError(
                    f"two policies make the kind {policy.kind}: "
                    f"{policy.at('template')} and {other.at('template')}",
                    hint="rename the kind in your template and constraint",
                )
            policies[policy.name] = kinds[policy.kind] = policy
        for found in library.sets.values():
            if clash := sets.get(found.name):
                raise LibraryError(
                    f"two sets are called {found.name}: {found.place} and {clash.place}", hint="rename yours"
                )
            sets[found.name] = found
    for found in sets.values():
        for entry in found.entries:
            if entry.policy not in policies:
                raise LibraryError(
                    f"{found.place}: set {found.name} names a policy that there is not: {entry.policy}",
                    hint="`moorage policy list` shows those that there are",
                )
    return policies, sets
