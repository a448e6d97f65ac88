"""Rendering what is no manifest yet: kustomizations with kubectl, charts with Helm, in their own words."""

from __future__ import annotations

import re
import subprocess
import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from moorage.commands import run
from moorage.manifests.model import InputError

SECONDS: Final = 300
DEFAULT_RELEASE: Final = "release"
_MANY_LINES: Final = 12
_CHART_FILE: Final = re.compile(r"(?:\./)?[^/]+/Chart\.yaml")
_CHART_NAME: Final = re.compile(r"^name:\s*[\"']?(?P<name>[^\"'\s#]+)", re.MULTILINE)
_CHART_MAX: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Release:
    """A way in which a chart is installed.

    Args:
        name: of the release; empty for the chart's own name.
        values: files with values, the later ones win.
    """

    name: str = ""
    values: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class ChartOptions:
    """How charts are rendered.

    Args:
        releases: how each chart is installed; once without any.
        values: files with values for every release; those of a release win.
        settings: single values (``key=value``) for every release; they win over files.
        kube_version: the version of Kubernetes that charts are told; the newest that Helm knows without.
    """

    releases: tuple[Release, ...] = (Release(),)
    values: tuple[Path, ...] = ()
    settings: tuple[str, ...] = ()
    kube_version: str = ""


def parse_release(text: str) -> Release:
    """Read ``NAME`` or ``NAME=FILE,FILE...``.

    Raises:
        InputError: it names nothing.
    """
    name, _, files = text.partition("=")
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9.]{0,51}[a-z0-9])?", name):
        raise InputError(
            f"{name!r} cannot be the name of a release", hint="write NAME or NAME=VALUES.yaml,MORE.yaml"
        )
    return Release(name, tuple(Path(file) for file in files.split(",") if file))


def render_kustomization(folder: Path) -> str:
    """Return what a kustomization makes.

    Raises:
        InputError: it does not build; kubectl's own words say why.
    """
    done = _render([_program("kubectl"), "kustomize", str(folder)], folder)
    if done.returncode:
        raise InputError(f"{folder}: the kustomization does not build: {_words(done.stderr)}")
    return done.stdout


def render_chart(chart: Path, release: Release, options: ChartOptions, *, namespace: str) -> str:
    """Return what a chart makes for a release, without its tests.

    Raises:
        InputError: it does not render; Helm's own words say why.
    """
    for file in (*options.values, *release.values):
        if not file.is_file():
            raise InputError(f"{file}: there is no such file of values")
    command = [
        *(_program("helm"), "template", release_name(chart, release), str(chart)),
        *("--namespace", namespace, "--include-crds", "--skip-tests"),
        *(f"--values={file}" for file in (*options.values, *release.values)),
        *(f"--set={setting}" for setting in options.settings),
        *((f"--kube-version={options.kube_version}",) if options.kube_version else ()),
    ]
    done = _render(command, chart)
    if done.returncode:
        raise InputError(f"{chart}: the chart does not render: {_words(done.stderr)}")
    return done.stdout


def release_name(chart: Path, release: Release) -> str:
    """Return the name of a release; a chart that is given none is called as it calls itself."""
    if release.name:
        return release.name
    called = _chart_name(chart) or chart.resolve().name.lower().removesuffix(".tgz")
    name = re.sub(r"[^-a-z0-9]+", "-", called.lower()).strip("-")
    return name[:53].rstrip("-") or DEFAULT_RELEASE


def _chart_name(chart: Path) -> str:
    """Return what a chart calls itself; an empty text where that cannot be found: Helm will say why."""
    try:
        if chart.is_dir():
            text = (chart / "Chart.yaml").read_bytes()
        else:
            with tarfile.open(chart) as archive:
                inside = (member for member in archive if _CHART_FILE.fullmatch(member.name))
                member = next(inside, None)
                file = archive.extractfile(member) if member else None
                text = file.read(_CHART_MAX) if file else b""
    except (OSError, tarfile.TarError, EOFError, zlib.error):
        return ""
    found = _CHART_NAME.search(text.decode("utf-8", "replace"))
    return found["name"] if found else ""


def _program(name: str) -> str:
    from moorage.toolchain import locate  # most of what is read has nothing to render

    return str(locate(name))


def _render(command: Sequence[str], what: Path) -> subprocess.CompletedProcess[str]:
    return run(command, seconds=SECONDS, late=f"{what}: not rendered after {SECONDS} s", error=InputError)


def _words(text: str) -> str:
    lines = [line.rstrip() for line in text.splitlines() if line.strip() and "--debug flag" not in line]
    shown = lines[-_MANY_LINES:]
    return re.sub(r"^(?:Error|error):\s*", "", "\n  ".join(shown)) or "it says nothing about why"
