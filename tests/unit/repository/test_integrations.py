"""What other repositories use of this one: the GitHub Action and the pre-commit hooks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from moorage.cli._app import build

ROOT = Path(__file__).parents[3]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())


def commands() -> dict:
    return get_command(build("policy")).commands["policy"].commands  # type: ignore[attr-defined]


@pytest.fixture
def action(tmp_path: Path):
    """Run what the action runs, with a `moorage` that writes down what it is asked and answers as told."""

    def run(code: int = 0, **inputs: str) -> tuple[int, list[str], str, str]:
        asked, output, summary = tmp_path / "asked", tmp_path / "output", tmp_path / "summary"
        fake = tmp_path / "moorage"
        fake.write_text(
            f"#!{sys.executable}\n"
            "import sys, pathlib\n"
            f"pathlib.Path({str(asked)!r}).write_text('\\0'.join(sys.argv[1:]))\n"
            "for each in sys.argv:\n"
            "    kind, _, file = each.partition('=')\n"
            "    file and kind in ('sarif', 'markdown') and pathlib.Path(file).write_text('# ' + kind)\n"
            f"sys.exit({code})\n"
        )
        fake.chmod(0o755)
        defaults = {
            f"INPUT_{name.upper().replace('-', '_')}": each["default"]
            for name, each in ACTION["inputs"].items()
        }
        given = {f"INPUT_{name.upper()}": value for name, value in inputs.items() if name != "base"}
        done = subprocess.run(
            [ROOT / "scripts/policy-action"],
            env={
                "PATH": os.environ["PATH"],
                "MOORAGE": str(fake),
                "RUNNER_TEMP": str(tmp_path),
                "GITHUB_OUTPUT": str(output),
                "GITHUB_STEP_SUMMARY": str(summary),
                "BASE_SHA": inputs.get("base", ""),
                **defaults,
                **given,
            },
            cwd=ROOT,
            timeout=60,
            check=False,
            capture_output=True,
        )
        return done.returncode, asked.read_text().split("\0"), output.read_text(), summary.read_text()

    return run


def test_the_action_gives_its_script_every_input():
    (step,) = [step for step in ACTION["runs"]["steps"] if step.get("id") == "test"]
    given = {
        re.sub(r"[^a-z-]", "", value.split("inputs.")[1])
        for value in step["env"].values()
        if "inputs." in value
    }
    assert given == set(ACTION["inputs"]) - {"python-version"}
    assert "${{" not in step["run"], "values go through the environment"
    script = (ROOT / "scripts/policy-action").read_text()
    assert all(name in script for name in step["env"])


def test_the_action_judges_what_it_is_told(action):
    code, asked, output, summary = action(
        paths="deploy/\n\n  charts/my web \n", sets="baseline\ncost=warn\n", arguments="--keep-going\n"
    )
    assert code == 0
    end = asked.index("--")
    assert asked[:2] == ["policy", "test"]
    assert asked[end + 1 :] == ["deploy/", "charts/my web"]
    assert asked[2:7] == ["--set", "baseline", "--set", "cost=warn", "--keep-going"]
    assert "--diff-base" not in asked
    assert "exit-code=0\nsarif=" in output
    assert summary == "# markdown"


def test_the_action_ends_as_the_command_does_and_still_reports(action):
    code, asked, output, summary = action(code=1, base="HEAD")
    assert code == 1
    assert asked[asked.index("--diff-base") + 1] == "HEAD"
    assert "exit-code=1" in output
    assert summary


def test_what_the_action_and_the_hooks_say_is_understood():
    known = {option for param in commands()["test"].params for option in param.opts}
    script = (ROOT / "scripts/policy-action").read_text()
    assert set(re.findall(r"(?:one|\+=\() ?(--[a-z-]+)", script)) <= known
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    for hook in hooks:
        moorage, policy, command = hook["entry"].split()
        assert (moorage, policy) == ("moorage", "policy")
        assert command in commands()
        assert hook["pass_filenames"] is False
