"""Carrying out what was planned for one cluster."""

from __future__ import annotations

import logging

from lightkube import AsyncClient

from moorage.api.kubernetescluster import KubernetesCluster
from moorage.api.meta import CLUSTER_FINALIZER, CLUSTERS_MANAGER
from moorage.clusters.cluster import plan
from moorage.kube.controller import Cache
from moorage.kube.events import EventPoster
from moorage.kube.kinds import CAPI_CLUSTER, KUBERNETES_CLUSTER, MACHINE, Object
from moorage.kube.objects import apply, apply_status, delete, merge_patch, set_finalizer

logger = logging.getLogger(__name__)


async def act(
    client: AsyncClient,
    cache: Cache,
    events: EventPoster,
    declared: KubernetesCluster,
    action: plan.Action,
) -> None:
    """Carry out one action. Each may be repeated; what was written is put into the cache at once."""
    name, namespace = declared.metadata.name, declared.metadata.namespace or ""
    match action:
        case plan.WriteStatus(status, happened):
            written = await apply_status(
                client,
                KUBERNETES_CLUSTER,
                {"metadata": {"name": name, "namespace": namespace}, "status": status.wire()},
                field_manager=CLUSTERS_MANAGER,
            )
            cache.put(KUBERNETES_CLUSTER, written)
            # After the status: what could not be written is found again, and told then.
            await events.post(written, happened)
            return
        case plan.HoldObject():
            await _set_finalizer(client, cache, declared, present=True)
        case plan.LetGo():
            await _set_finalizer(client, cache, declared, present=False)
        case plan.ApplyCluster(cluster):
            applied = await apply(client, CAPI_CLUSTER, cluster, field_manager=CLUSTERS_MANAGER)
            cache.put(CAPI_CLUSTER, applied)
        case plan.RemoveStrangers(_, kept, resource_version):
            workers: Object = {"machineDeployments": list(kept)} if kept else {"machineDeployments": None}
            patch = {
                "metadata": {"resourceVersion": resource_version},
                "spec": {"topology": {"workers": workers}},
            }
            await _patch_cluster(client, cache, declared, patch)
        case plan.ReplaceMachine(machine):
            await delete(client, MACHINE, machine, namespace)
        case plan.SetPaused(paused):
            await _patch_cluster(client, cache, declared, {"spec": {"paused": paused}})
        case plan.DeleteCluster():
            await delete(client, CAPI_CLUSTER, name, namespace)
    logger.info("%s/%s: %s", namespace, name, action)


async def _patch_cluster(
    client: AsyncClient, cache: Cache, declared: KubernetesCluster, patch: Object
) -> None:
    metadata = declared.metadata
    patched = await merge_patch(
        client, CAPI_CLUSTER, metadata.name, metadata.namespace, patch, field_manager=CLUSTERS_MANAGER
    )
    if patched is not None:
        cache.put(CAPI_CLUSTER, patched)


async def _set_finalizer(
    client: AsyncClient, cache: Cache, declared: KubernetesCluster, *, present: bool
) -> None:
    changed = await set_finalizer(
        client,
        KUBERNETES_CLUSTER,
        {"metadata": declared.metadata.wire()},
        CLUSTER_FINALIZER,
        present=present,
        field_manager=CLUSTERS_MANAGER,
    )
    if changed is not None:
        cache.put(KUBERNETES_CLUSTER, changed)
