"""The port of the VPA's recommender gives the answers of the real one, to the millicore and the byte."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moorage.advisors.resources.model import PodUse, Resource, Samples, Setting, Use, Workload
from moorage.advisors.resources.recommenders.vpa import VpaRecommender

from .vpa.cases import START, cases

PEER = Path(__file__).parent / "vpa"
ANSWERS = json.loads((PEER / "answers.json").read_text())
CASES = cases()


def samples(rows: list[tuple[float, float]], *, step: float = 1.0) -> Samples:
    """Put rows on a grid of seconds."""
    if not rows:
        return Samples(START, step, np.empty(0))
    values = np.full(int(rows[-1][0] - rows[0][0]) + 1, np.nan)
    for time, value in rows:
        values[int(time - rows[0][0])] = value
    return Samples(float(rows[0][0]), step, values)


def pod(name: str, told: dict[str, Any]) -> PodUse:
    kills = sorted((time, told["ooms"].count(time)) for time in set(told["ooms"]))
    return PodUse(name, samples(told["cpu"]), samples(told["memory"]), ooms=samples(kills))


@pytest.mark.parametrize("name", CASES)
def test_the_port_answers_as_the_real_recommender_does(name: str):
    for container, told in CASES[name].items():
        use = Use(
            Workload("shop", "Deployment", "web"),
            container,
            tuple(pod(f"p{number}", each) for number, each in enumerate(told["pods"])),
            Setting(memory_request=float(told["request"])),
            containers=len(CASES[name]),
        )
        found = VpaRecommender().bounds(use)
        for resource in Resource:
            bounds = found[resource]
            expected = ANSWERS[name][container][resource.value]
            assert {"target": bounds.target, "lower": bounds.lower, "upper": bounds.upper} == expected, (
                resource
            )


@pytest.mark.skipif(
    not os.environ.get("MOORAGE_TEST_PEERS") or not shutil.which("go"),
    reason="builds the real recommender with Go, in minutes: MOORAGE_TEST_PEERS=1",
)
def test_the_real_recommender_still_answers_so():
    done = subprocess.run(
        ["go", "run", "."], cwd=PEER, input=json.dumps(CASES), capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == ANSWERS
