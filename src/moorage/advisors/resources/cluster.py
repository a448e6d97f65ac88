"""Reading what surrounds workloads from a live cluster, and prices from MachineTypes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from moorage.advisors.resources.model import Bounds, HpaTarget, Quota, Resource, Setting, Vpa, Workload, World
from moorage.advisors.resources.savings import Machine, Prices, PricesError, prices_of
from moorage.api.quantities import InvalidQuantityError, parse_cpu, parse_memory
from moorage.errors import MoorageError
from moorage.toolchain.kubectl import kubectl

_WORKLOADS: Final = "deployments.apps,statefulsets.apps,daemonsets.apps,cronjobs.batch,jobs.batch"
_AROUND: Final = "horizontalpodautoscalers.autoscaling,limitranges,resourcequotas"
_VPAS: Final = "verticalpodautoscalers.autoscaling.k8s.io"
_UNKNOWN: Final = ("the server doesn't have a resource type",)
_ACTING: Final = frozenset({"Auto", "Recreate", "Initial", "InPlaceOrRecreate", "InPlace"})


class ClusterError(MoorageError):
    """A cluster that does not answer, or may not be read."""


def read_cluster(context: str, kubeconfig: str = "") -> World:
    """Read workloads, autoscalers, LimitRanges and ResourceQuotas of a cluster.

    Raises:
        ClusterError: the cluster does not answer, or may not be read.
    """
    objects: list[dict[str, Any]] = []
    for what, unknown in ((_WORKLOADS, ()), (_AROUND, ()), (_VPAS, _UNKNOWN)):
        answer = kubectl(
            *("get", what, "--all-namespaces", "--output=json"),
            context=context,
            kubeconfig=kubeconfig,
            error=ClusterError,
            unknown=unknown,
        )
        objects += json.loads(answer)["items"] if answer else []
    return parse(objects, origin=f"context {context}" if context else "the current context")


def parse(objects: Iterable[Mapping[str, Any]], *, origin: str) -> World:
    """Read what surrounds workloads from objects; kinds that say nothing of it are passed over."""
    settings: dict[tuple[Workload, str], Setting] = {}
    versions: dict[Workload, str] = {}
    hpas: dict[Workload, tuple[HpaTarget, ...]] = {}
    vpas: dict[Workload, Vpa] = {}
    bounds: dict[str, tuple[Bounds, ...]] = {}
    quotas: dict[str, tuple[Quota, ...]] = {}
    images: dict[tuple[Workload, str], str] = {}
    for content in objects:
        kind, metadata, spec = content["kind"], content["metadata"], content.get("spec") or {}
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        match kind:
            case "HorizontalPodAutoscaler":
                target = _target(namespace, spec.get("scaleTargetRef") or {})
                hpas[target] = (*hpas.get(target, ()), *_hpa_targets(name, spec))
            case "VerticalPodAutoscaler":
                mode = (spec.get("updatePolicy") or {}).get("updateMode", "Auto")
                vpas[_target(namespace, spec.get("targetRef") or {})] = Vpa(
                    name, mode in _ACTING, _recommended(content.get("status") or {})
                )
            case "LimitRange":
                bounds[namespace] = (*bounds.get(namespace, ()), *_bounds(name, spec))
            case "ResourceQuota":
                quotas[namespace] = (*quotas.get(namespace, ()), _quota(name, content.get("status") or {}))
            case _:
                workload = Workload(namespace, kind, name)
                versions[workload] = content["apiVersion"]
                for container in _containers(kind, spec):
                    settings[workload, container["name"]] = setting_of(container.get("resources") or {})
                    images[workload, container["name"]] = str(container.get("image") or "")
    return World(origin, settings, versions, hpas, vpas, bounds, quotas, images=images)


def read_prices(file: str) -> Prices:
    """Read prices from a file of MachineTypes: ``kubectl get machinetypes -o yaml`` writes one.

    Raises:
        PricesError: there is none in it.
    """
    try:
        documents = list(yaml.safe_load_all(Path(file).read_text("utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise PricesError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except yaml.YAMLError as error:
        raise PricesError(f"{file} is not YAML: {' '.join(str(error).split())}") from error
    objects = [each for document in documents for each in _items(document)]
    types = [each for each in objects if isinstance(each, dict) and each.get("kind") == "MachineType"]
    if not types:
        raise PricesError(
            f"{file} has no MachineType",
            hint="`kubectl get machinetypes -o yaml` of the management cluster writes them",
        )
    return prices_in(types, file)


def prices_in(types: Iterable[Mapping[str, Any]], where: str) -> Prices:
    """Read prices from MachineTypes.

    Args:
        types: the objects.
        where: they come from, for errors.

    Raises:
        PricesError: none has a price, or they are in several currencies.
    """
    try:
        return prices_of([machine for each in types if (machine := _machine(each, where)) is not None])
    except PricesError as error:
        raise PricesError(f"{where}: {error.message.removeprefix(f'{where}: ')}", hint=error.hint) from error


def _items(document: Any) -> list[Any]:
    items = document.get("items", [document]) if isinstance(document, dict) else []
    return items if isinstance(items, list) else []


def _machine(content: Mapping[str, Any], file: str) -> Machine | None:
    """Return a machine with its price; nothing where it has none.

    Raises:
        PricesError: what it has, or what it costs, is not written as it should be.
    """
    try:
        return next(_machines([content]), None)
    except KeyError as error:
        why = f"it has no {error.args[0]}"
    except InvalidQuantityError as error:
        why = error.message
    except ValueError:
        why = "its price is no number"
    except (TypeError, AttributeError):
        why = "its spec is not that of a MachineType"
    metadata = content.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    raise PricesError(
        f"{file}: MachineType {name or 'without a name'}: {why}",
        hint="`kubectl get machinetypes -o yaml` of the management cluster writes them as they should be",
    )


def _machines(objects: Iterable[Mapping[str, Any]]) -> Iterator[Machine]:
    for content in objects:
        spec = content.get("spec") or {}
        price = spec.get("pricePerHour")
        if content.get("kind") == "MachineType" and price:
            yield Machine(
                parse_cpu(spec["cpu"]) / 1000,
                float(parse_memory(spec["memory"])),
                float(price["amount"]),
                str(price["currency"]),
            )


def _target(namespace: str, reference: Mapping[str, Any]) -> Workload:
    return Workload(namespace, str(reference.get("kind", "")), str(reference.get("name", "")))


def _hpa_targets(name: str, spec: Mapping[str, Any]) -> Iterator[HpaTarget]:
    for metric in spec.get("metrics") or ():
        # Of one container (ContainerResource), or of the whole pod.
        source = metric.get("resource") or metric.get("containerResource") or {}
        if source.get("name") in set(Resource):
            utilization = (source.get("target") or {}).get("averageUtilization")
            yield HpaTarget(name, Resource(source["name"]), utilization)


def _recommended(status: Mapping[str, Any]) -> dict[str, Mapping[str, str]]:
    """Return what a VerticalPodAutoscaler itself says, by container."""
    told = (status.get("recommendation") or {}).get("containerRecommendations") or ()
    return {
        str(each.get("containerName")): {what: str(amount) for what, amount in sorted(target.items())}
        for each in told
        if (target := each.get("target"))
    }


def _bounds(name: str, spec: Mapping[str, Any]) -> Iterator[Bounds]:
    for each in spec.get("limits") or ():
        if each.get("type") == "Container":
            yield Bounds(name, _amounts(each.get("min") or {}), _amounts(each.get("max") or {}))


def _quota(name: str, status: Mapping[str, Any]) -> Quota:
    hard, used = status.get("hard") or {}, status.get("used") or {}
    free = {}
    for what, most in hard.items():
        counted = f"requests.{what}" if what in set(Resource) else what
        if counted.partition(".")[0] in {"requests", "limits"} and counted.rpartition(".")[2] in set(
            Resource
        ):
            resource = Resource(counted.rpartition(".")[2])
            free[counted] = _amount(resource, most) - _amount(resource, used.get(what, "0"))
    return Quota(name, free)


def _containers(kind: str, spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    template = (spec.get("jobTemplate") or {}).get("spec", {}) if kind == "CronJob" else spec
    pod = ((template.get("template") or {}).get("spec")) or {}
    return list(pod.get("containers", ()))


def setting_of(resources: Mapping[str, Any]) -> Setting:
    """Read what a container asks for, and what it may use at most."""
    asked = _amounts(resources.get("requests") or {})
    most = _amounts(resources.get("limits") or {})
    # What has a limit and no request asks for its limit: so the API server completes it.
    return Setting(
        cpu_request=asked.get(Resource.CPU, most.get(Resource.CPU)),
        cpu_limit=most.get(Resource.CPU),
        memory_request=asked.get(Resource.MEMORY, most.get(Resource.MEMORY)),
        memory_limit=most.get(Resource.MEMORY),
    )


def _amounts(quantities: Mapping[str, Any]) -> dict[Resource, float]:
    return {each: _amount(each, quantities[each.value]) for each in Resource if each.value in quantities}


def _amount(resource: Resource, quantity: str) -> float:
    return parse_cpu(quantity) / 1000 if resource is Resource.CPU else float(parse_memory(quantity))
