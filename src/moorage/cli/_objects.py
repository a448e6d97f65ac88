"""The objects that commands declare, and the changes they make to those there are. Pure.

A change is made to the object as the API server has it, not to a parsed copy, so that fields of a newer
version of the API survive a command of an older one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from moorage.api.kubernetescluster import KubernetesCluster
from moorage.api.meta import API_VERSION
from moorage.api.project import Project
from moorage.cli._names import ClusterRef
from moorage.errors import MoorageError

Object = dict[str, Any]
Change = Callable[[Object], Object]

USER = "User"
"""The kind of a member who is not said to be anything else."""


class ImpossibleChangeError(MoorageError):
    """A change to something that is not there, or is there already."""


@dataclass(frozen=True, slots=True)
class PoolSize:
    """How many nodes: a number, or a range that autoscaling moves in."""

    nodes: int | None = None
    fewest: int | None = None
    most: int | None = None

    def __post_init__(self) -> None:
        if (self.fewest is None) != (self.most is None):
            raise ImpossibleChangeError("--min and --max belong together", hint="say both, or --nodes")
        if self.nodes is not None and self.most is not None:
            raise ImpossibleChangeError(
                "--nodes is a fixed number, --min and --max are a range", hint="say one or the other"
            )

    def required(self) -> PoolSize:
        """Return the size.

        Raises:
            ImpossibleChangeError: nobody said one.
        """
        if self.nodes is None and self.most is None:
            raise ImpossibleChangeError("how many nodes?", hint="say --nodes N, or --min N and --max N")
        return self

    def fields(self) -> Object:
        """Return a node pool's fields."""
        if self.most is not None:
            return {"min": self.fewest, "max": self.most}
        return {} if self.nodes is None else {"replicas": self.nodes}


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """A node pool, as a command line says it."""

    name: str
    machine_type: str
    size: PoolSize
    labels: Sequence[str] = ()
    taints: Sequence[str] = ()
    zone: str | None = None
    max_surge: str | None = None
    max_unavailable: str | None = None


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """A cluster, as a command line says it; what is not said is left to the project's defaults."""

    version: str | None = None
    provider: str | None = None
    cni: str | None = None
    control_plane_replicas: int | None = None
    pools: Sequence[PoolOptions] = field(default=())


@dataclass(frozen=True, slots=True)
class ProjectOptions:
    """A project, as a command line says it."""

    display_name: str | None = None
    owners: Sequence[str] = ()
    clusters: int | None = None
    nodes: int | None = None
    cpu: str | None = None
    memory: str | None = None
    version: str | None = None
    machine_type: str | None = None


def project(name: str, options: ProjectOptions) -> Object:
    """Return a project.

    Raises:
        InvalidObjectError: a value is not one that it can have.
    """
    quota = _said(clusters=options.clusters, nodes=options.nodes, cpu=options.cpu, memory=options.memory)
    defaults = _said(version=options.version, machineType=options.machine_type)
    spec = _said(
        displayName=options.display_name,
        members=[{"name": owner, "role": "owner"} for owner in options.owners] or None,
        quota=quota or None,
        defaults=defaults or None,
    )
    obj = {"apiVersion": API_VERSION, "kind": "Project", "metadata": {"name": name}, "spec": spec}
    return Project.parse(obj).wire()


def cluster(ref: ClusterRef, options: ClusterOptions) -> Object:
    """Return a cluster.

    Raises:
        InvalidObjectError: a value is not one that it can have.
    """
    control_plane = _said(replicas=options.control_plane_replicas)
    spec = _said(
        version=options.version,
        provider=options.provider,
        controlPlane=control_plane or None,
        cni={"name": options.cni} if options.cni else None,
        nodePools=[pool(each) for each in options.pools] or None,
    )
    obj = {
        "apiVersion": API_VERSION,
        "kind": "KubernetesCluster",
        "metadata": {"name": ref.name, "namespace": ref.namespace},
        "spec": spec,
    }
    return KubernetesCluster.parse(obj).wire()


def pool(options: PoolOptions) -> Object:
    """Return a node pool's declaration."""
    return _said(
        name=options.name,
        machineType=options.machine_type,
        **options.size.fields(),
        labels=dict(_pair(text) for text in options.labels) or None,
        taints=[_taint(text) for text in options.taints] or None,
        maxSurge=_count_or_percent(options.max_surge),
        maxUnavailable=_count_or_percent(options.max_unavailable),
        zone=options.zone,
    )


def with_pool(options: PoolOptions) -> Change:
    """Return the change that adds a node pool."""

    def change(obj: Object) -> Object:
        pools = _pools(obj)
        if any(each["name"] == options.name for each in pools):
            raise ImpossibleChangeError(
                f"cluster {_name(obj)} has a pool {options.name} already",
                hint=f"`moorage pool scale {_name(obj)} {options.name} --nodes N` changes its size",
            )
        return _changed(obj, nodePools=[*pools, pool(options)])

    return change


def without_pool(name: str) -> Change:
    """Return the change that removes a node pool."""

    def change(obj: Object) -> Object:
        _find(obj, name)
        return _changed(obj, nodePools=[each for each in _pools(obj) if each["name"] != name])

    return change


def scaled(name: str | None, size: PoolSize) -> Change:
    """Return the change that gives a pool another size; no name means the only pool there is."""

    def change(obj: Object) -> Object:
        target = _find(obj, name)["name"]
        return _changed(
            obj,
            nodePools=[_resized(each, size) if each["name"] == target else each for each in _pools(obj)],
        )

    return change


def upgraded(version: str) -> Change:
    """Return the change that declares another Kubernetes version."""
    return lambda obj: _changed(obj, version=version)


def with_member(name: str, role: str, kind: str) -> Change:
    """Return the change that gives somebody a role in a project, in place of the one they have."""

    def change(obj: Object) -> Object:
        declared = {"name": name, "role": role} | ({} if kind == USER else {"kind": kind})
        members = [each for each in _members(obj) if not _is_member(each, name, kind)]
        return _changed(obj, members=[*members, declared])

    return change


def without_member(name: str, kind: str) -> Change:
    """Return the change that ends somebody's membership."""

    def change(obj: Object) -> Object:
        members = _members(obj)
        rest = [each for each in members if not _is_member(each, name, kind)]
        if len(rest) == len(members):
            raise ImpossibleChangeError(
                f"{name} is not a member of project {_name(obj)}",
                hint=f"`moorage project member list {_name(obj)}` shows who is",
            )
        return _changed(obj, members=rest)

    return change


def patch_between(before: Object, after: Object) -> Object:
    """Return the merge patch from one state of an object to another, valid only while it has not moved on."""
    old, new = before.get("spec") or {}, after.get("spec") or {}
    changed = {key: value for key, value in new.items() if old.get(key) != value}
    changed |= {key: None for key in old if key not in new}
    return {"metadata": {"resourceVersion": before["metadata"]["resourceVersion"]}, "spec": changed}


def declared(obj: Object) -> Object:
    """Return what of an object a person would write: no status, and nothing that an API server adds."""
    metadata = {
        key: obj["metadata"][key]
        for key in ("name", "namespace", "labels", "annotations")
        if obj["metadata"].get(key)
    }
    return {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "metadata": metadata,
        "spec": obj.get("spec") or {},
    }


def _said(**fields: Any) -> Object:
    return {name: value for name, value in fields.items() if value is not None}


def _changed(obj: Object, **fields: Any) -> Object:
    return {**obj, "spec": {**(obj.get("spec") or {}), **fields}}


def _name(obj: Object) -> str:
    namespace = obj["metadata"].get("namespace")
    name: str = obj["metadata"]["name"]
    return f"{namespace.removeprefix('project-')}/{name}" if namespace else name


def _pools(obj: Object) -> list[Object]:
    return list(obj["spec"].get("nodePools") or ())


def _find(obj: Object, name: str | None) -> Object:
    pools = _pools(obj)
    names = ", ".join(each["name"] for each in pools)
    if name is None:
        if len(pools) == 1:
            return pools[0]
        if not pools:
            raise ImpossibleChangeError(
                f"cluster {_name(obj)} has no node pool",
                hint=f"`moorage pool add {_name(obj)} NAME --nodes N` adds one",
            )
        raise ImpossibleChangeError(
            f"cluster {_name(obj)} has several pools: {names}", hint="say which: `--pool NAME`"
        )
    for each in pools:
        if each["name"] == name:
            return each
    raise ImpossibleChangeError(
        f"cluster {_name(obj)} has no pool {name}", hint=f"it has {names}" if names else None
    )


def _resized(declaration: Object, size: PoolSize) -> Object:
    rest = {key: value for key, value in declaration.items() if key not in ("replicas", "min", "max")}
    return {**rest, **size.fields()}


def _members(obj: Object) -> list[Object]:
    return list((obj.get("spec") or {}).get("members") or ())


def _is_member(declaration: Object, name: str, kind: str) -> bool:
    return (declaration["name"], declaration.get("kind", USER)) == (name, kind)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ImpossibleChangeError(f"{text!r} is not a label", hint="write KEY=VALUE")
    return key, value


def _taint(text: str) -> Object:
    what, colon, effect = text.rpartition(":")
    key, _, value = what.partition("=")
    if not colon or not key or not effect:
        raise ImpossibleChangeError(
            f"{text!r} is not a taint", hint="write KEY=VALUE:NoSchedule or KEY:NoSchedule"
        )
    return _said(key=key, value=value or None, effect=effect)


def _count_or_percent(text: str | None) -> int | str | None:
    return int(text) if text is not None and text.isdecimal() else text
