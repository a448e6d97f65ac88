"""Admission: what is refused, and why, in one sentence; what is filled in. Pure.

What can be judged by looking at one object is judged by the schema. Here is what takes knowledge of others.
It is a fast answer to whoever asks; the plans hold to the same rules in any case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from moorage.api.kubernetescluster import KubernetesCluster
from moorage.api.machinetype import MachineType
from moorage.api.meta import DEFAULT_PROVIDER, PROJECT_NAMESPACE_PREFIX, project_of
from moorage.api.project import Project
from moorage.api.versions import parse_version, resolve
from moorage.clusters import claims
from moorage.clusters.checks import (
    Offer,
    Problem,
    Running,
    check_machine_types,
    check_offered,
    check_provider,
    check_step,
    check_zones,
)
from moorage.clusters.cluster.wording import count, some
from moorage.clusters.quota import NOTHING, Amounts, room_for, shortages_of_growth
from moorage.kube.kinds import Object


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to a request.

    Args:
        refusal: why it is refused; ``None`` when it is not.
        warnings: what whoever asked should know.
    """

    refusal: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether the request may go on."""
        return self.refusal is None


ALLOWED = Verdict()


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """What a cluster is judged by.

    Args:
        project: the project whose namespace it is in, if there is one.
        offers: what each provider offers.
        machine_types: the machine types that it names, as far as there are such.
        siblings: the project's other clusters; not asked for when nothing is limited.
        sizes: of the machine types of all of them.
    """

    project: Project | None
    offers: Mapping[str, Offer]
    machine_types: Mapping[str, MachineType]
    siblings: tuple[KubernetesCluster, ...] = ()
    sizes: claims.Sizes = field(default_factory=dict)


def judge_cluster(new: KubernetesCluster, old: KubernetesCluster | None, facts: ClusterFacts) -> Verdict:
    """Judge a cluster that is created, or changed from ``old``.

    A change is judged by what it changes: nobody is kept from scaling a cluster by a fault that is older.
    """
    if new.metadata.deletion_timestamp is not None:
        return ALLOWED
    namespace = new.metadata.namespace or ""
    if facts.project is None:
        name = project_of(namespace)
        return Verdict(
            f"there is no project {name}"
            if name
            else f"clusters are declared in the namespace of a project ({PROJECT_NAMESPACE_PREFIX}NAME), "
            f"which {namespace} is not"
        )
    if old is None and facts.project.metadata.deletion_timestamp is not None:
        return Verdict(f"project {facts.project.metadata.name} is being deleted")
    problem = _unknown(new, facts)
    if problem is not None and (old is None or _unknown(old, facts) != problem):
        return Verdict(problem.message)
    problem = _version(new, old, facts) or _quota(new, old, facts.project, facts)
    return Verdict(problem.message) if problem is not None else ALLOWED


def default_cluster(new: Object, old: Object | None, project: Project | None) -> Object:
    """Return the spec of a cluster with everything filled in that the declaration leaves out.

    What a cluster once got stays, when it is declared again without it: defaults are for new clusters.
    """
    spec = dict(new.get("spec") or {})
    before = (old or {}).get("spec") or {}
    defaults = project.spec.defaults if project is not None else None
    given: Mapping[str, Any] = defaults.wire() if defaults is not None else {}
    if not spec.get("version"):
        _fill(spec, "version", before.get("version"), given.get("version"))
    if not spec.get("provider"):
        _fill(spec, "provider", before.get("provider"), given.get("provider"), DEFAULT_PROVIDER)
    if "cni" not in spec:
        _fill(spec, "cni", before.get("cni"), None if old is not None else given.get("cni"))
    if "maintenanceWindow" not in spec:
        _fill(spec, "maintenanceWindow", given.get("maintenanceWindow"))
    pools = spec.get("nodePools")
    if isinstance(pools, list):
        known = {pool.get("name"): pool.get("machineType") for pool in before.get("nodePools") or ()}
        spec["nodePools"] = [_default_pool(pool, known, given.get("machineType")) for pool in pools]
    return spec


def default_version(spec: Object, offers: Mapping[str, Offer]) -> str | Problem:
    """Return the version of a new cluster for which nobody has chosen one: the newest minor of its provider.

    Args:
        spec: a spec with its other defaults filled in.
        offers: what each provider offers.
    """
    provider = str(spec.get("provider", ""))
    problem = check_provider(provider, offers)
    if problem is not None:
        return problem
    versions = offers[provider].versions
    if not versions:
        return Problem("VersionNotOffered", f"provider {provider} offers no Kubernetes yet")
    return max(versions).minor_version


def judge_project(
    new: Project, old: Project | None, offers: Mapping[str, Offer], types: Iterable[str]
) -> Verdict:
    """Judge a project that is created, or changed from ``old``."""
    if new.metadata.deletion_timestamp is not None:
        return ALLOWED
    defaults = new.spec.defaults
    if defaults is not None and (old is None or old.spec.defaults != defaults):
        provider = defaults.provider or DEFAULT_PROVIDER
        problem = check_provider(provider, offers) if defaults.provider or defaults.version else None
        if problem is None and defaults.version:
            problem = check_offered(defaults.version, offers[provider])
        if problem is not None:
            return Verdict(f"the project's defaults: {problem.message}")
        if defaults.machine_type and defaults.machine_type not in types:
            return Verdict(f"the project's defaults: there is no machine type {defaults.machine_type}")
    return Verdict(warnings=_exceeded(new))


def judge_project_deletion(project: str, clusters: Sequence[str]) -> Verdict:
    """Judge the deletion of a project that has these clusters."""
    if not clusters:
        return ALLOWED
    return Verdict(
        f"project {project} still has {count(len(clusters), 'cluster')} ({some(clusters)}): "
        f"delete {'it' if len(clusters) == 1 else 'them'} first"
    )


def judge_machine_type(new: MachineType, old: MachineType, clusters: Iterable[KubernetesCluster]) -> Verdict:
    """Judge a change of a machine type."""
    users = [
        _named(cluster)
        for cluster in clusters
        if new.metadata.name in claims.machine_types_of(cluster)
        and old.spec.offered_by(cluster.spec.provider)
        and not new.spec.offered_by(cluster.spec.provider)
    ]
    if not users:
        return ALLOWED
    return Verdict(
        f"machine type {new.metadata.name} is used by {some(sorted(users))}, whose provider would not "
        "offer it any more: move their node pools to another type first"
    )


def judge_machine_type_deletion(name: str, clusters: Iterable[KubernetesCluster]) -> Verdict:
    """Judge the deletion of a machine type."""
    users = sorted(_named(cluster) for cluster in clusters if name in claims.machine_types_of(cluster))
    if not users:
        return ALLOWED
    return Verdict(
        f"machine type {name} is used by {count(len(users), 'cluster')} ({some(users)}): "
        "move their node pools to another type first"
    )


def _unknown(cluster: KubernetesCluster, facts: ClusterFacts) -> Problem | None:
    return (
        check_provider(cluster.spec.provider, facts.offers)
        or check_machine_types(cluster.spec, facts.machine_types)
        or check_zones(cluster.spec, facts.offers[cluster.spec.provider])
    )


def _version(new: KubernetesCluster, old: KubernetesCluster | None, facts: ClusterFacts) -> Problem | None:
    requested = new.spec.version
    if old is not None and old.spec.version == requested:
        return None
    offer = facts.offers.get(new.spec.provider)
    if offer is None:
        return None
    problem = check_offered(requested, offer)
    wanted = resolve(requested, offer.versions)
    if problem is not None or wanted is None or old is None:
        return problem
    running = _running(old)
    return check_step(wanted, running) if running is not None else None


def _running(cluster: KubernetesCluster) -> Running | None:
    version = cluster.status.version if cluster.status is not None else None
    if version is None or version.control_plane is None:
        return None
    oldest = version.nodes.min if version.nodes is not None else None
    return Running(parse_version(version.control_plane), parse_version(oldest) if oldest else None)


def _quota(
    new: KubernetesCluster, old: KubernetesCluster | None, project: Project, facts: ClusterFacts
) -> Problem | None:
    limits = claims.limits(project.spec.quota)
    if limits.unlimited:
        return None
    before = claims.wanted(old.spec, facts.sizes) if old is not None else NOTHING
    used = sum((claims.wanted(sibling.spec, facts.sizes) for sibling in facts.siblings), NOTHING)
    short = shortages_of_growth(limits, used, before, claims.wanted(new.spec, facts.sizes))
    if not short:
        return None
    name = project.metadata.name
    return Problem("QuotaExceeded", f"the quota of project {name} is exceeded: {'; '.join(map(str, short))}")


def _exceeded(project: Project) -> tuple[str, ...]:
    used = project.status.used if project.status is not None else None
    if used is None:
        return ()
    limits = claims.limits(project.spec.quota)
    if room_for(_used(project), limits):
        return ()
    warning = (
        f"project {project.metadata.name} uses more than this quota allows: "
        "nothing is taken away, but nothing can grow"
    )
    return (warning,)


def _used(project: Project) -> Amounts:
    used = project.status.used if project.status is not None else None
    return claims.amounts(used) if used is not None else NOTHING


def _default_pool(pool: Any, known: Mapping[Any, Any], default: Any) -> Any:
    if not isinstance(pool, dict) or pool.get("machineType"):
        return pool  # what is no pool is for the schema to refuse
    filled = dict(pool)
    _fill(filled, "machineType", known.get(pool.get("name")), default)
    return filled


def _fill(target: dict[str, Any], key: str, *choices: Any) -> None:
    for choice in choices:
        if choice:
            target[key] = choice
            return


def _named(cluster: KubernetesCluster) -> str:
    namespace = cluster.metadata.namespace or ""
    return f"{project_of(namespace) or namespace}/{cluster.metadata.name}"
