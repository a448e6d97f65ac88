"""Reading what surrounds workloads from the metrics of kube-state-metrics."""

from __future__ import annotations

from moorage.advisors.resources.model import Bounds, HpaTarget, Quota, Resource, Workload, World
from moorage.advisors.resources.prometheus import Prometheus
from moorage.advisors.resources.queries import Queries


def read_world(prometheus: Prometheus, when: float, queries: Queries) -> World:
    """Read what surrounds workloads from the metrics of kube-state-metrics."""
    names: dict[tuple[str, str], Workload] = {}
    by = ("namespace", "horizontalpodautoscaler", "scaletargetref_kind", "scaletargetref_name")
    for namespace, name, kind, target in prometheus.instant(queries.hpas(), when, by):
        names[namespace, name] = Workload(namespace, kind, target)
    hpas: dict[Workload, tuple[HpaTarget, ...]] = {}
    by = ("namespace", "horizontalpodautoscaler", "metric_name", "metric_target_type")
    for (namespace, name, metric, kind), value in sorted(
        prometheus.instant(queries.hpa_targets(), when, by).items()
    ):
        workload = names.get((namespace, name))
        if workload is not None and metric in set(Resource):
            target_of = HpaTarget(name, Resource(metric), value if kind == "utilization" else None)
            hpas[workload] = (*hpas.get(workload, ()), target_of)
    ranges: dict[tuple[str, str], dict[str, dict[Resource, float]]] = {}
    by = ("namespace", "limitrange", "resource", "constraint")
    for (namespace, name, resource, kind), value in prometheus.instant(
        queries.limit_ranges(), when, by
    ).items():
        if resource in set(Resource):
            ranges.setdefault((namespace, name), {}).setdefault(kind, {})[Resource(resource)] = value
    bounds: dict[str, tuple[Bounds, ...]] = {}
    for (namespace, name), told in sorted(ranges.items()):
        found = Bounds(name, told.get("min", {}), told.get("max", {}))
        bounds[namespace] = (*bounds.get(namespace, ()), found)
    free: dict[tuple[str, str], dict[str, float]] = {}
    by = ("namespace", "resourcequota", "resource", "type")
    for (namespace, name, resource, kind), value in prometheus.instant(queries.quotas(), when, by).items():
        counted = resource if "." in resource else f"requests.{resource}"
        left = free.setdefault((namespace, name), {})
        left[counted] = left.get(counted, 0.0) + (value if kind == "hard" else -value)
    quotas: dict[str, tuple[Quota, ...]] = {}
    for (namespace, name), numbers in sorted(free.items()):
        quotas[namespace] = (*quotas.get(namespace, ()), Quota(name, numbers))
    return World(f"metrics of {prometheus.url}", hpas=hpas, bounds=bounds, quotas=quotas)
