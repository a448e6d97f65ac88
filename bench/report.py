"""Run all benchmarks, one after the other, and write what they found into docs/reference/benchmarks.md."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from harness import Figure, number, say, spread
from machine import Machine

BENCHMARKS = (
    "up",
    "create_cluster",
    "five_clusters",
    "pool",
    "operator_at_rest",
    "fleet",
    "policies",
    "permissions",
    "apis",
    "resources",
)
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

_HERE = Path(__file__).parent
_ROOT = _HERE.parent
_PAGE = _ROOT / "docs" / "reference" / "benchmarks.md"
_RESULTS = _ROOT / ".cache" / "bench" / "results.jsonl"
_QUICK = {
    "up": ("--runs=1",),
    "create_cluster": ("--runs=1",),
    "five_clusters": ("--runs=1", "--clusters=2", "--settle=5"),
    "pool": ("--runs=1", "--most=20"),
    "operator_at_rest": ("--clusters=2", "--minutes=0.5", "--settle=10"),
    "fleet": ("--sizes", "5", "10", "--rest=10"),
    "policies": ("--runs=1", "--objects=40"),
    "permissions": ("--runs=1", "--events=20000", "--large=0.1"),
    "apis": ("--runs=1", "--files=300"),
    "resources": ("--runs=1", "--containers=200", "--each=2"),
}


def main() -> int:
    """Run what is asked for, write the page, and return the exit status."""
    parser = argparse.ArgumentParser(prog="bench/report.py", description=__doc__)
    parser.add_argument(
        "only", nargs="*", metavar="NAME", help=f"which; all without: {', '.join(BENCHMARKS)}"
    )
    parser.add_argument("--results", type=Path, default=_RESULTS, metavar="FILE", help="one JSON line a run")
    parser.add_argument("--page", type=Path, default=_PAGE, metavar="FILE", help="the page to write into")
    parser.add_argument("--quick", action="store_true", help="see that all work; write no page")
    parser.add_argument("--render", action="store_true", help="run nothing; write the page from the results")
    options = parser.parse_args()
    if unknown := set(options.only) - set(BENCHMARKS):
        parser.error(f"no benchmark: {', '.join(sorted(unknown))}")
    options.results.parent.mkdir(parents=True, exist_ok=True)
    failed = [] if options.render else run(options.only or BENCHMARKS, options.results, quick=options.quick)
    if not options.quick:
        write(options.page, latest(options.results))
        say(f"written: {options.page}")
    if failed:
        say(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def run(names: Iterable[str], results: Path, *, quick: bool) -> list[str]:
    """Run benchmarks, each in a process of its own; return which failed."""
    failed = []
    for name in names:
        say(f"bench/{name}.py")
        arguments = _QUICK[name] if quick else (f"--json={results}",)
        done = subprocess.run([sys.executable, str(_HERE / f"{name}.py"), *arguments], check=False)
        if done.returncode:
            failed.append(name)
    return failed


def latest(results: Path) -> list[dict[str, Any]]:
    """Return the last result of each benchmark."""
    lines = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    found = {line["benchmark"]: line for line in lines}
    return [found[name] for name in BENCHMARKS if name in found]


def write(page: Path, results: Sequence[dict[str, Any]]) -> None:
    """Write results into a page, between its marks."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{render(results)}\n{END}{after}")


def render(results: Sequence[dict[str, Any]]) -> str:
    """Return results as Markdown."""
    if not results:
        return "\nNothing has been measured yet: `make bench`.\n"
    return "\n".join(_section(result) for result in results)


def _section(result: dict[str, Any]) -> str:
    figures = [Figure(**figure) for figure in result["figures"]]
    beside = [result["peer"]] if any(figure.peer for figure in figures) else []
    header = ["figure", "Moorage", *beside, *(["ratio"] if beside else []), "aim"]
    rows = [_row(figure, beside=bool(beside)) for figure in figures]
    lines = [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]
    return "\n".join([f"\n### `bench/{result['benchmark']}.py`\n", *lines, "", _where(result)])


def _row(figure: Figure, *, beside: bool) -> list[str]:
    ratio = "" if figure.ratio is None else f"{number(figure.ratio)}x"
    peer = [spread(figure.peer, figure.unit) if figure.peer else "", ratio] if beside else []
    return [figure.name, spread(figure.ours, figure.unit), *peer, figure.aim]


def _where(result: dict[str, Any]) -> str:
    machine = Machine(**result["machine"])
    given = ", ".join(f"{name} {value}" for name, value in result["parameters"].items() if name != "no_peer")
    busy = " **The machine was busy: this is noise.**" if machine.busy else ""
    return f"{result['started'][:10]}: {given}; {machine}.{busy}\n"


if __name__ == "__main__":
    sys.exit(main())
