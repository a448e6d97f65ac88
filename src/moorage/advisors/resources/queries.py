"""What is asked of a Prometheus API: metrics of cAdvisor and of kube-state-metrics."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

CONTAINER: Final = ("namespace", "pod", "container")
_BY: Final = ", ".join(CONTAINER)


@dataclass(frozen=True, slots=True)
class Queries:
    """The queries about some namespaces.

    Args:
        namespaces: only these; all without.
        selector: more matchers, as they stand in braces: ``cluster="one"``.
    """

    namespaces: tuple[str, ...] = ()
    selector: str = ""

    def containers_of(self) -> str:
        """How many containers each namespace has had within a day."""
        return (
            f"count by (namespace) (last_over_time({self._used('container_memory_working_set_bytes')}[1d]))"
        )

    def cpu(self, seconds: int) -> str:
        """Cores, as the mean of so many seconds; what is below a tenth of a millicore does not count."""
        used = self._used("container_cpu_usage_seconds_total")
        return f"round(max by ({_BY}) (rate({used}[{seconds}s])), 0.0001)"

    def memory(self, seconds: int) -> str:
        """The most bytes of so many seconds."""
        return (
            f"max by ({_BY}) (max_over_time({self._used('container_memory_working_set_bytes')}[{seconds}s]))"
        )

    def throttled(self, seconds: int) -> str:
        """The share of periods in which a container with a limit had to wait."""
        waited = self._used("container_cpu_cfs_throttled_periods_total")
        every = self._used("container_cpu_cfs_periods_total")
        share = f"increase({waited}[{seconds}s]) / increase({every}[{seconds}s])"
        return f"round(max by ({_BY}) ({share}), 0.001) > 0"

    def restarts(self, seconds: int) -> str:
        """How often a container was started again."""
        started = self._of("kube_pod_container_status_restarts_total")
        return f"max by ({_BY}) (increase({started}[{seconds}s])) > 0"

    def ooms(self, seconds: int) -> str:
        """How often the kernel killed something in a container for want of memory, by cAdvisor."""
        return f"max by ({_BY}) (increase({self._used('container_oom_events_total')}[{seconds}s])) > 0"

    def killed(self) -> str:
        """Containers whose last end was for want of memory, by the kubelet."""
        ended = self._of("kube_pod_container_status_last_terminated_reason", 'reason="OOMKilled"')
        return f"max by ({_BY}) ({ended}) > 0"

    def setting(self, what: str, *, pods: Iterable[str] = (), seconds: int = 3600) -> str:
        """What containers ask for (``requests``) or may use (``limits``); of some pods, also long ago."""
        matchers = 'resource=~"cpu|memory"'
        if names := "|".join(re.escape(pod).replace("\\", "\\\\") for pod in pods):
            matchers += f',pod=~"{names}"'
        found = self._of(f"kube_pod_container_resource_{what}", matchers)
        return f"max by ({_BY}, resource) (last_over_time({found}[{seconds}s]))"

    def pod_owners(self, seconds: int) -> str:
        """What made each pod."""
        return self._owners("kube_pod_owner", "pod", seconds)

    def replicaset_owners(self, seconds: int) -> str:
        """What made each ReplicaSet."""
        return self._owners("kube_replicaset_owner", "replicaset", seconds)

    def job_owners(self, seconds: int) -> str:
        """What made each Job."""
        return self._owners("kube_job_owner", "job_name", seconds)

    def init_containers(self, seconds: int) -> str:
        """Containers that run before the others, or beside them all the time as sidecars."""
        found = self._of("kube_pod_init_container_info")
        return f"group by ({_BY}) (last_over_time({found}[{seconds}s]))"

    def hpas(self) -> str:
        """The HorizontalPodAutoscalers, with what they scale."""
        info = self._of("kube_horizontalpodautoscaler_info")
        by = "namespace, horizontalpodautoscaler, scaletargetref_kind, scaletargetref_name"
        return f"max by ({by}) (last_over_time({info}[1h]))"

    def hpa_targets(self) -> str:
        """By what HorizontalPodAutoscalers scale."""
        target = self._of("kube_horizontalpodautoscaler_spec_target_metric", 'metric_name=~"cpu|memory"')
        by = "namespace, horizontalpodautoscaler, metric_name, metric_target_type"
        return f"max by ({by}) (last_over_time({target}[1h]))"

    def limit_ranges(self) -> str:
        """What LimitRanges let containers ask for."""
        found = self._of("kube_limitrange", 'type="Container",constraint=~"min|max"')
        by = "namespace, limitrange, resource, constraint"
        return f"max by ({by}) (last_over_time({found}[1h]))"

    def quotas(self) -> str:
        """What ResourceQuotas allow, and what is used of it."""
        found = self._of("kube_resourcequota", 'resource=~"(requests.|limits.)?(cpu|memory)"')
        by = "namespace, resourcequota, resource, type"
        return f"max by ({by}) (last_over_time({found}[1h]))"

    def nodes(self) -> str:
        """What each node has for pods."""
        extra = f",{self.selector}" if self.selector else ""
        found = f'kube_node_status_allocatable{{resource=~"cpu|memory|pods"{extra}}}'
        return f"max by (node, resource) (last_over_time({found}[1h]))"

    def placed(self) -> str:
        """What each pod asks for, and on which node."""
        found = self._of("kube_pod_container_resource_requests", 'resource=~"cpu|memory",node!=""')
        return f"sum by (namespace, pod, node, resource) (max by ({_BY}, node, resource) ({found}))"

    def _owners(self, metric: str, label: str, seconds: int) -> str:
        found = self._of(metric, 'owner_is_controller!="false"')
        return f"group by (namespace, {label}, owner_kind, owner_name) (last_over_time({found}[{seconds}s]))"

    def _used(self, metric: str) -> str:
        return self._of(metric, 'container!="",container!="POD"')

    def _of(self, metric: str, matchers: str = "") -> str:
        every = [*self._namespaces(), *filter(None, (matchers, self.selector))]
        return f"{metric}{{{','.join(every)}}}"

    def _namespaces(self) -> Iterable[str]:
        if len(self.namespaces) == 1:
            yield f'namespace="{self.namespaces[0]}"'
        elif self.namespaces:
            # A namespace is a DNS label: nothing in it has a meaning in a regular expression.
            yield f'namespace=~"{"|".join(self.namespaces)}"'


def is_namespace(text: str) -> bool:
    """Say whether a text can be the name of a namespace, and so can stand in a query."""
    return bool(re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", text))
