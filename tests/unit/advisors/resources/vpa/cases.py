"""Histories for the VPA's recommender and for our port of it; made of a seed, so that both get the same.

The answers of the real one are in ``answers.json``. To have it answer again:

    python tests/unit/advisors/resources/vpa/cases.py > cases.json
    cd tests/unit/advisors/resources/vpa && go run . < cases.json > answers.json
"""

from __future__ import annotations

import json
import random
import sys
from typing import Any

DAY = 86_400
START = 1_790_000_123
STEPS = (60, 300, 3600)
MIB = 2**20

Case = dict[str, Any]


def cases() -> dict[str, Case]:
    """Return containers by case: how many, how long, with how many pods and kills differs."""
    found = {}
    for seed in range(60):
        rnd = random.Random(seed)  # noqa: S311 - the same every time
        names = [f"c{number}" for number in range(rnd.choice((1, 1, 2, 3)))]
        found[f"case-{seed:02}"] = {name: _container(rnd) for name in names}
    found["one-sample"] = {"c0": {"request": 0, "pods": [_samples([(START, 0.25, 300.0 * MIB)])]}}
    found["idle"] = {
        "c0": {"request": 0, "pods": [_samples([(START + 60 * n, 0.0, 0.0) for n in range(2000)])]}
    }
    found["huge"] = {
        "c0": {"request": 0, "pods": [_samples([(START + 3600 * n, 2000.0, 3e12) for n in range(100)])]}
    }
    # The first bucket's edge, and the day that begins with nothing.
    edges = [(START + 3600 * n, 0.01 * (n % 4), 1e7 * (n % 24)) for n in range(24 * 7)]
    found["edges"] = {"c0": {"request": 0, "pods": [_samples(edges)]}}
    return found


def _container(rnd: random.Random) -> Case:
    step = rnd.choice(STEPS)
    days = rnd.uniform(0.2, 7.5)
    cores, memory = 10 ** rnd.uniform(-3, 1), 10 ** rnd.uniform(7, 10)
    shape = rnd.choice(("steady", "bursty", "growing", "gaps"))
    pods = []
    for number in range(rnd.randint(1, 3)):
        begin = START + number * rnd.randint(0, DAY)
        rows = []
        for index in range(min(int(days * DAY / step), 3000)):
            if shape == "gaps" and rnd.random() < 0.4:
                continue
            factor = 1 + rnd.random() * 0.2
            if shape == "bursty" and rnd.random() < 0.05:
                factor *= 5
            if shape == "growing":
                factor *= 1 + index * step / DAY
            rows.append((begin + index * step, cores * factor, memory * factor))
        pods.append(_samples(rows))
        if rnd.random() < 0.3 and rows:
            pods[-1]["ooms"] = sorted(row[0] for row in rnd.sample(rows, min(3, len(rows))))
    return {"request": int(memory * rnd.uniform(0.5, 1.5)), "pods": pods}


def _samples(rows: list[tuple[int, float, float]]) -> Case:
    return {
        "cpu": [[time, round(cores, 4)] for time, cores, _ in rows],
        "memory": [[time, round(memory)] for time, _, memory in rows],
        "ooms": [],
    }


if __name__ == "__main__":
    json.dump(cases(), sys.stdout)
