"""What a cluster can ask for. Pure: admission refuses by it, and the plan holds to it in any case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from moorage.api.kubernetescluster import KubernetesClusterSpec
from moorage.api.machinetype import MachineType
from moorage.api.versions import KubernetesVersion, is_minor, minors, parse_version, resolve


@dataclass(frozen=True, slots=True)
class Offer:
    """What a provider offers.

    Args:
        provider: its name.
        versions: the versions of Kubernetes.
        zones: where machines can be; ``None`` when it does not say.
    """

    provider: str
    versions: tuple[KubernetesVersion, ...]
    zones: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """What a cluster runs already, as far as it is known.

    Args:
        control_plane: the version of its control plane, or the one that it was last told to have.
        oldest_node: the oldest version among its nodes.
    """

    control_plane: KubernetesVersion
    oldest_node: KubernetesVersion | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a declaration cannot be followed: one word for programs, one sentence for people."""

    reason: str
    message: str


def check_provider(provider: str, offers: Iterable[str]) -> Problem | None:
    """Say what is wrong with the provider that a cluster names."""
    known = sorted(offers)
    if provider in known:
        return None
    there = f"there is: {', '.join(known)}" if known else "there is none yet"
    return Problem("ProviderUnknown", f"there is no provider {provider} ({there})")


def check_machine_types(spec: KubernetesClusterSpec, types: Mapping[str, MachineType]) -> Problem | None:
    """Say what is wrong with the machine types that a cluster names, given those that there are."""
    named = [(pool.machine_type, f"node pool {pool.name}") for pool in spec.node_pools]
    if spec.control_plane.machine_type is not None:
        named.append((spec.control_plane.machine_type, "the control plane"))
    for name, where in named:
        machine_type = types.get(name)
        if machine_type is None:
            return Problem("MachineTypeUnknown", f"{where}: there is no machine type {name}")
        if not machine_type.spec.offered_by(spec.provider):
            return Problem(
                "MachineTypeNotOffered",
                f"{where}: machine type {name} is not offered by provider {spec.provider}",
            )
    return None


def check_zones(spec: KubernetesClusterSpec, offer: Offer) -> Problem | None:
    """Say what is wrong with the zones that a cluster's pools name."""
    for pool in spec.node_pools:
        if pool.zone and offer.zones is not None and pool.zone not in offer.zones:
            there = f"there is: {', '.join(offer.zones)}" if offer.zones else "it has none"
            return Problem(
                "ZoneUnknown",
                f"node pool {pool.name}: there is no zone {pool.zone} at provider {offer.provider} ({there})",
            )
    return None


def check_offered(requested: str, offer: Offer) -> Problem | None:
    """Say what is wrong with the version that a cluster asks for, whatever it runs."""
    if resolve(requested, offer.versions) is not None:
        return None
    wanted = parse_version(requested)
    patches = [str(version) for version in offer.versions if version.minors_after(wanted) == 0]
    if patches and not is_minor(requested):
        offered = f"offered of {wanted.minor_version}: {', '.join(patches)}"
    else:
        offered = f"offered: {', '.join(minors(offer.versions)) or 'nothing'}"
    return Problem(
        "VersionNotOffered",
        f"Kubernetes {requested} is not offered by provider {offer.provider} ({offered})",
    )


def check_step(wanted: KubernetesVersion, running: Running) -> Problem | None:
    """Say what is wrong with going to a version from what a cluster runs."""
    control_plane, node = running.control_plane, running.oldest_node
    if wanted < control_plane:
        return Problem(
            "VersionDowngrade",
            f"Kubernetes cannot be downgraded to {wanted}: the control plane is at {control_plane}",
        )
    if wanted.minors_after(control_plane) > 1:
        return _skipped(wanted, "the control plane is at", control_plane)
    if node is not None and wanted.minors_after(node) > 1:
        return _skipped(wanted, "there are nodes at", node)
    return None


def _skipped(wanted: KubernetesVersion, what: str, running: KubernetesVersion) -> Problem:
    following = f"{running.major}.{running.minor + 1}"
    return Problem(
        "VersionSkipped",
        f"Kubernetes {wanted.minor_version} has to wait until all runs {following}: {what} {running}",
    )
