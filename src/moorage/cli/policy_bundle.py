"""``moorage policy bundle``: libraries of policies as OCI artifacts, by digest and signed."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from moorage.cli._help import CommandGroup
from moorage.cli._output import Column, Output, OutputOption, dump, print_records, say, write
from moorage.errors import ExitCode, MoorageError

if TYPE_CHECKING:
    from moorage.policies.bundles.sources import Opened
    from moorage.policies.bundles.transfer import Signer, Trust

app = typer.Typer(cls=CommandGroup, no_args_is_help=True)

_PASSWORD = "COSIGN_PASSWORD"  # noqa: S105 - the name of the variable
_KEYS = "MOORAGE_POLICY_KEYS"

SourceArgument = Annotated[
    str, typer.Argument(metavar="SOURCE", help="A library's folder, a bundle's file, or its reference.")
]
ReferenceArgument = Annotated[
    str,
    typer.Argument(metavar="REFERENCE", help="registry.example.com/team/policies:1.4.0, or ...@sha256:..."),
]
KeysOption = Annotated[
    list[str] | None,
    typer.Option(
        "--key",
        envvar=_KEYS,
        metavar="FILE",
        help="A public key; the bundle has to be signed by one of those that are given.",
    ),
]
SignedAsOption = Annotated[
    str,
    typer.Option(
        "--signed-as",
        metavar="REPOSITORY",
        help="What the signature names, where the bundle is a copy of it.",
    ),
]
OfflineOption = Annotated[
    bool, typer.Option("--offline", help="Be content with what was pulled before; ask nobody.")
]


@app.callback()
def bundle() -> None:
    """Libraries of policies as OCI artifacts: by digest, signed, and usable without a network."""


@app.command()
def build(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The library.")],
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where to. Default: NAME-VERSION.tar, here."),
    ] = None,
    version: Annotated[
        str, typer.Option("--version", metavar="VERSION", help="Of the library. Default: what it says.")
    ] = "",
    source: Annotated[
        str, typer.Option("--source", metavar="URL", help="Where people find it. Default: git's origin.")
    ] = "",
    revision: Annotated[
        str, typer.Option("--revision", metavar="REVISION", help="Of the source. Default: git's commit.")
    ] = "",
) -> None:
    """Make a bundle of a library, in a file; print its digest. Its policies have to compile.

    The same folder gives the same digest on every machine. Its time is the commit's, or SOURCE_DATE_EPOCH.
    """
    from moorage.cli._trying import require_judging
    from moorage.policies.bundles.build import build as build_bundle
    from moorage.policies.bundles.layout import write_layout
    from moorage.policies.bundles.provenance import read_commit
    from moorage.policies.bundles.transfer import library_of
    from moorage.reports.words import counted

    commit = read_commit(folder) if folder.is_dir() else None
    made = build_bundle(folder, commit, version=version, source=source, revision=revision)
    library = library_of(made, name=folder.resolve().name, origin=str(folder))
    require_judging(library)
    file = output or Path(f"{library.name}-{version or library.version}".rstrip("-") + ".tar")
    write_layout(file, made)
    if commit is not None and not commit.clean:
        say(f"{folder} is not as its commit has it: the bundle says nothing of the commit")
    policies = counted(len(library.policies), "policy", "policies")
    say(f"{file}: {policies}, {counted(len(library.sets), 'set')}")
    write(made.digest)


@app.command()
def push(source: SourceArgument, reference: ReferenceArgument) -> None:
    """Write a bundle to a registry; print it at its digest.

    Logins are those of `docker login`. Signatures that a file holds go along.
    """
    from moorage.cli._trying import require_judging
    from moorage.policies.bundles.reference import Reference
    from moorage.policies.bundles.sources import open_source
    from moorage.policies.bundles.transfer import push as push_bundle

    target = Reference.parse(reference)
    opened = _run(open_source(source))
    if Path(source).is_dir():
        require_judging(opened.library)
    write(str(_run(push_bundle(target, opened.bundle, opened.signatures))))


@app.command()
def pull(
    reference: ReferenceArgument,
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="PATH", help="A new folder, or NAME.tar for a file with its signatures."
        ),
    ] = None,
    key: KeysOption = None,
    signed_as: SignedAsOption = "",
    offline: OfflineOption = False,
) -> None:
    """Get a bundle from a registry; print it at its digest.

    It is kept in the cache, and written elsewhere where that is asked for.
    """
    from moorage.policies.bundles.layout import write_layout
    from moorage.policies.bundles.reference import Reference
    from moorage.policies.bundles.sources import write_folder
    from moorage.policies.bundles.transfer import pull as pull_bundle

    to_file = output is not None and output.suffix == ".tar"
    pulled = _run(
        pull_bundle(
            Reference.parse(reference), trust=_trust(key, signed_as), offline=offline, with_signatures=to_file
        )
    )
    if output is not None and to_file:
        write_layout(output, pulled.bundle, pulled.signatures)
    elif output is not None:
        write_folder(output, pulled.bundle)
    elif pulled.not_kept:
        raise MoorageError(
            f"the bundle cannot be kept: {pulled.not_kept}", hint="name a place for it with -o"
        )
    say(_signed_by(pulled.signed_by))
    write(str(pulled.reference))


@app.command()
def inspect(
    source: SourceArgument,
    *,
    key: KeysOption = None,
    signed_as: SignedAsOption = "",
    offline: OfflineOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what a bundle is.

    Its digest, where it is from, who signed it, its policies and sets.
    """
    from moorage.policies.bundles.sources import open_source

    opened = _run(open_source(source, trust=_trust(key, signed_as), offline=offline))
    record = _described(opened)
    if output is Output.NAME:
        write(opened.bundle.digest)
    elif output is Output.TABLE:
        _print_description(record)
    else:
        dump(record, output)


@app.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="A folder, a file, or a reference.")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="A folder, a file, or a reference.")],
    *,
    key: KeysOption = None,
    signed_as: SignedAsOption = "",
    offline: OfflineOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what is different between two bundles.

    That is: policies, sets, parameters, severities. Exits 1 when there is a difference.
    """
    from moorage.policies.bundles.diff import compare
    from moorage.policies.bundles.sources import open_source

    trust = _trust(key, signed_as)

    async def both() -> tuple[Opened, Opened]:
        return (
            await open_source(before, trust=trust, offline=offline),
            await open_source(after, trust=trust, offline=offline),
        )

    old, new = _run(both())
    changes = compare(old.library, new.library)
    records = [
        {"what": c.what, "name": c.name, "change": str(c.kind), "details": list(map(_printable, c.details))}
        for c in changes
    ]
    if output is Output.TABLE:
        lines = [
            {**record, "details": line, **({} if first else {"what": " ", "name": " ", "change": " "})}
            for record in records
            for first, line in [(number == 0, line) for number, line in enumerate(record["details"] or [""])]
        ]
        print_records(lines, output, columns=_CHANGES, nothing="no difference", whole=True)
    else:
        print_records(records, output, columns=_CHANGES)
    if changes:
        raise typer.Exit(ExitCode.FINDINGS)


@app.command()
def sign(
    reference: Annotated[
        str, typer.Argument(metavar="REFERENCE", help="registry.example.com/team/policies@sha256:...")
    ],
    *,
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="The private key.")],
) -> None:
    """Sign a bundle in a registry; print where the signature is.

    It is in cosign's format. The key's password is asked for, or taken from COSIGN_PASSWORD.
    """
    from moorage.policies.bundles.keys import PrivateKey
    from moorage.policies.bundles.reference import Reference
    from moorage.policies.bundles.transfer import sign as sign_bundle

    target = Reference.parse(reference)
    private = PrivateKey.read(key, _password(f"Password of {key}: "))
    write(str(_run(sign_bundle(target, private))))


@app.command()
def verify(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A bundle's reference, or its file.")],
    *,
    key: KeysOption = None,
    signed_as: SignedAsOption = "",
    offline: OfflineOption = False,
) -> None:
    """Check that a bundle is whole, and signed by one of the keys.

    Prints it at its digest. Exits 2 when it is not.
    """
    from moorage.policies.bundles.sources import open_source

    if not key:
        raise MoorageError(
            "a signature is checked with a public key, and none is given",
            hint=f"give --key FILE, or set {_KEYS}",
        )
    if Path(source).is_dir():
        raise MoorageError(
            f"{source} is a folder, which is not signed", hint="name a bundle's file or reference"
        )
    opened = _run(open_source(source, trust=_trust(key, signed_as), offline=offline))
    say(_signed_by(opened.signed_by))
    write(opened.where if "@sha256:" in opened.where else opened.bundle.digest)


@app.command()
def keygen(
    prefix: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="PREFIX", help="Where to: PREFIX.key and PREFIX.pub."),
    ] = Path("policies"),
) -> None:
    """Make a key pair that signs bundles.

    It is ECDSA P-256, in cosign's files. The private key is for its owner only. Its
    password is asked for, or taken from COSIGN_PASSWORD.
    """
    from moorage.policies.bundles.keys import write_pair

    password = _password("Password for the new key: ", again="Again: ")
    if not password:
        raise MoorageError("a private key needs a password", hint="it is what protects a copy of the file")
    private, public, key = write_pair(prefix, password)
    say(f"{private} signs: keep it to yourself. {public} checks: give it to everybody.")
    write(key.fingerprint)


_CHANGES = (
    Column("What", lambda record: str(record["what"])),
    Column("Name", lambda record: str(record["name"])),
    Column("Change", lambda record: str(record["change"]), {"added": "green", "removed": "red"}.get),
    Column("Details", lambda record: str(record["details"])),
)


def _described(opened: Opened) -> dict[str, Any]:
    library, made = opened.library, opened.bundle
    return {
        "where": opened.where,
        "digest": made.digest,
        "name": library.name,
        "version": library.version,
        "annotations": dict(made.annotations),
        "signatures": len(opened.signatures.manifest.layers) if opened.signatures else 0,
        "signedBy": str(opened.signed_by) if opened.signed_by else None,
        "sizeBytes": sum(map(len, made.artifact.blobs.values())),
        "layers": [layer.as_json() for layer in made.artifact.manifest.layers],
        "policies": [
            {"name": policy.name, "severity": str(policy.severity), "title": policy.title}
            for policy in library.policies.values()
        ],
        "sets": [
            {"name": found.name, "policies": [entry.policy for entry in found.entries]}
            for found in library.sets.values()
        ],
    }


def _print_description(record: dict[str, Any]) -> None:
    from moorage.policies.bundles.provenance import CREATED, REVISION, SOURCE

    said = record["annotations"]
    severities = Counter(policy["severity"] for policy in record["policies"])
    counts = ", ".join(f"{count} {severity}" for severity, count in severities.most_common())
    signed = _signed_by(record["signedBy"]) if record["signatures"] else "not signed"
    rows = {
        "Digest": record["digest"],
        "Name": record["name"],
        "Version": record["version"],
        "Created": said.get(CREATED, ""),
        "Revision": said.get(REVISION, ""),
        "Source": said.get(SOURCE, ""),
        "Signatures": f"{record['signatures']}, {signed}" if record["signatures"] else signed,
        "Size": f"{record['sizeBytes'] / 1000:.0f} kB",
        "Policies": f"{len(record['policies'])} ({counts})",
        "Sets": ", ".join(f"{found['name']} ({len(found['policies'])})" for found in record["sets"]),
    }
    for title, value in rows.items():
        write(f"{title + ':':<12}{_printable(value) or '-'}")


def _printable(text: str) -> str:
    """Return a text of a bundle without what would command the terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _signed_by(signer: Signer | str | None) -> str:
    return f"signed by {signer}" if signer else "no signature was checked: no --key is given"


def _trust(keys: list[str] | None, signed_as: str) -> Trust:
    from moorage.policies.bundles.transfer import trusted

    if signed_as and not keys:
        raise MoorageError("--signed-as says what a signature names, and no --key is given to check one")
    return trusted(keys or (), signed_as)


def _password(prompt: str, *, again: str = "") -> bytes:
    import getpass
    import sys

    if (given := os.environ.get(_PASSWORD)) is not None:
        return given.encode()
    if not sys.stdin.isatty():
        raise MoorageError(
            "the password of the key is not known", hint=f"set {_PASSWORD}, or ask on a terminal"
        )
    password = getpass.getpass(prompt)
    if again and getpass.getpass(again) != password:
        raise MoorageError("the two passwords are not the same")
    return password.encode()


def _run(work: Any) -> Any:
    from moorage.cli._run import run

    return run(work)
