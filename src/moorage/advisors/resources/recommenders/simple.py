"""The method of KRR's ``simple`` strategy, with its published defaults.

CPU is the 95th percentile, memory the maximum and 15 % more, over 14 days; at least 10 millicores and 100 MB,
and nothing with fewer than 100 samples. It knows nothing of kills and limits; it leaves alone what a
HorizontalPodAutoscaler scales by.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from moorage.advisors.resources.model import DAY, Array, Resource, Use, World
from moorage.advisors.resources.recommenders import NotYet, Proposal


@dataclass(frozen=True, slots=True)
class SimpleRecommender:
    """KRR's ``simple``.

    Args:
        percentile: of CPU.
        margin: how much more memory than ever was used, as a share.
        window: how many days count.
        least_samples: below which there is no answer.
        least_cpu: cores; no proposal is below.
        least_memory: bytes; no proposal is below.
    """

    percentile: float = 95.0
    margin: float = 0.15
    window: float = 14.0
    least_samples: int = 100
    least_cpu: float = 0.010
    least_memory: float = 100e6

    @property
    def name(self) -> str:
        """What it is called on the command line."""
        return "simple"

    def recommend(self, use: Use, world: World, now: float) -> Proposal | NotYet:
        """Say what a container should ask for."""
        use = use.between(now - self.window * DAY, now + DAY)  # an hour of memory ends after now
        cpu, memory = pooled(use, Resource.CPU), pooled(use, Resource.MEMORY)
        if len(cpu) < self.least_samples or not len(memory):
            return NotYet(f"{len(cpu):,} of {self.least_samples:,} samples")
        # The larger of the pods' percentiles: one request has to fit all of them.
        cores = max(
            float(np.percentile(found, self.percentile)) for pod in use.pods if len(found := pod.cpu.present)
        )
        asked = {target.resource for target in world.hpas.get(use.workload, ())}
        most = float(memory.max()) * (1 + self.margin)
        proposed = max(most, self.least_memory)
        return Proposal(
            None if Resource.CPU in asked else max(cores, self.least_cpu),
            None if Resource.MEMORY in asked else proposed,
            memory_limit=None if Resource.MEMORY in asked else proposed,
            why=(f"CPU: percentile {self.percentile:g}", f"memory: maximum and {self.margin:.0%}"),
        )


def pooled(use: Use, resource: Resource) -> Array:
    """Return all samples of all pods."""
    parts = [getattr(pod, resource.value).present for pod in use.pods]
    return np.concatenate(parts) if parts else np.empty(0, np.float32)
