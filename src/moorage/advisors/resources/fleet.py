"""Reading the nodes, and what pods on them ask for, from the metrics of kube-state-metrics."""

from __future__ import annotations

from moorage.advisors.resources.prometheus import Prometheus
from moorage.advisors.resources.queries import Queries
from moorage.advisors.resources.savings import Fleet, Pod


def read_fleet(prometheus: Prometheus, when: float, queries: Queries) -> Fleet:
    """Return the nodes and the pods on them; nothing where there are no such metrics."""
    nodes: dict[str, dict[str, float]] = {}
    for (node, resource), value in prometheus.instant(queries.nodes(), when, ("node", "resource")).items():
        nodes.setdefault(node, {})[resource] = value
    pods: dict[Pod, tuple[float, float]] = {}
    by = ("namespace", "pod", "node", "resource")
    for (namespace, pod, _, resource), value in prometheus.instant(queries.placed(), when, by).items():
        cpu, memory = pods.get((namespace, pod), (0.0, 0.0))
        pods[namespace, pod] = (value, memory) if resource == "cpu" else (cpu, value)
    whole = [each for each in nodes.values() if {"cpu", "memory"} <= each.keys()]
    return Fleet(
        tuple(sorted((each["cpu"], each["memory"], each.get("pods", 110.0)) for each in whole)), pods
    )
