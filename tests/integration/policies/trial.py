"""A user cluster's control plane with Gatekeeper beside it; no Cluster API, no operator in between."""

from __future__ import annotations

import asyncio
import secrets
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx2
from lightkube import AsyncClient

from moorage.kube.client import connect
from moorage.local import kubeconfig
from moorage.local.home import Home
from moorage.local.material import ClusterKeys
from moorage.local.pki import Leaf, issue
from moorage.local.usercluster import UserClusterSpec, ensure_control_plane, remove_control_plane
from moorage.policies.cluster import webhooks
from moorage.policies.cluster.act import act
from moorage.policies.cluster.host import LocalEngineHost, Place
from moorage.policies.cluster.observe import observe
from moorage.policies.cluster.plan import Invalid, Memory, Plan, plan
from moorage.policies.cluster.wanted import Wanted, reading_rules, wanted
from moorage.policies.cluster.webhooks import Engine
from moorage.policies.compiled import Compiled
from moorage.policies.model import Action
from moorage.providers.local.controlplane.controller import kwok_config

READY_SECONDS = 120.0
SETTLED_SECONDS = 300.0


@dataclass
class Trial:
    """A cluster, its engine, and what was written to it."""

    home: Home
    place: Place
    client: AsyncClient
    host: LocalEngineHost
    engine: Engine
    keys: ClusterKeys
    memory: Memory = field(default_factory=Memory)
    wanted: Wanted | None = None

    async def step(
        self,
        compiled: Compiled,
        floor: Mapping[str, Action] | None = None,
        refused: tuple[Invalid, ...] = (),
    ) -> Plan:
        """Do what the controller does once."""
        self.wanted = wanted(compiled, {item.policy for item in refused})
        hooks = webhooks.configuration(self.engine, self.wanted.sets, floor or {}, self.wanted.judged)
        seen = await observe(self.client, self.wanted)
        rules = reading_rules(self.wanted.read)
        decided = plan(self.wanted, hooks, rules, seen, self.memory, datetime.now(UTC), refused=refused)
        self.memory = await act(self.client, decided.steps, decided.memory, lambda: datetime.now(UTC))
        return decided

    async def settle(
        self,
        compiled: Compiled,
        floor: Mapping[str, Action] | None = None,
        refused: tuple[Invalid, ...] = (),
    ) -> Plan:
        """Do what the controller does until nothing is left to do."""
        deadline = time.monotonic() + SETTLED_SECONDS
        while not (decided := await self.step(compiled, floor, refused)).settled:
            assert time.monotonic() < deadline, f"not settled: {decided.steps[:3]}, {decided.invalid}"
            await asyncio.sleep(0.3)
        return decided

    def as_user(self, name: str) -> AsyncClient:
        """Be somebody else than the platform: whom the policies do judge."""
        pair = issue(self.keys.authority, Leaf(name))
        [entry] = self.place.kubeconfig["clusters"]
        server = entry["cluster"]["server"]
        authority = self.keys.authority.certificate
        return connect(kubeconfig.self_contained(server, authority, pair, name, cluster=self.place.id))

    def http(self) -> httpx2.AsyncClient:
        """Ask the engine as the API server does."""
        context = ssl.create_default_context(cadata=self.engine.authority.decode())
        return httpx2.AsyncClient(verify=context, timeout=60, trust_env=False)


@asynccontextmanager
async def trial_cluster(home: Home) -> AsyncIterator[Trial]:
    """A cluster that is ready, with an engine that is; it goes at the end."""
    cluster_id = f"policies-{secrets.token_hex(3)}"
    spec = UserClusterSpec(
        id=cluster_id,
        name=f"project-trial/{cluster_id}",
        version="1.36",
        audience=f"https://moorage.dev/clusters/{cluster_id}",
        namespace="project-trial",
        kwok_config=kwok_config(),
    )
    keys = ClusterKeys.generate("trial")
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not (state := await ensure_control_plane(home, spec, keys)).ready:
            assert time.monotonic() < deadline, state.reason
            await asyncio.sleep(0.1)
        place, host = Place(spec.name, cluster_id, state.kubeconfig), LocalEngineHost(home)
        async with connect(state.kubeconfig) as client:
            while (found := await host.ensure(place, client)).waits_for is not None:
                assert time.monotonic() < deadline, found.waits_for
                await asyncio.sleep(0.2)
            assert found.engine is not None
            yield Trial(home, place, client, host, found.engine, keys)
    finally:
        await remove_control_plane(home, cluster_id)


def library_folder(folder: Path, policies: Mapping[str, str], *, name: str = "trial") -> Path:
    """Write a library of policies that refuse ConfigMaps by a CEL expression, all in one set."""
    for policy, expression in policies.items():
        _write_policy(folder / "policies" / policy, policy, expression)
    sets = folder / "sets"
    sets.mkdir(parents=True, exist_ok=True)
    entries = "".join(f"  - name: {policy}\n" for policy in policies)
    (sets / f"{name}.yaml").write_text(
        f"apiVersion: policy.moorage.dev/v1alpha1\nkind: PolicySet\nmetadata:\n  name: {name}\n"
        f"spec:\n  title: For a test\n  description: For a test\n  policies:\n{entries}"
    )
    return folder


def _write_policy(folder: Path, name: str, expression: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    kind = "Moorage" + "".join(word.title() for word in name.split("-"))
    (folder / "policy.yaml").write_text(
        f"""\
apiVersion: policy.moorage.dev/v1alpha1
kind: Policy
metadata:
  name: {name}
spec:
  title: ConfigMaps are as they should be
  severity: low
  category: metadata
  scope: Namespaced
  what: Judges ConfigMaps.
  why: It is a test.
  mend:
    text: Write another one.
    before: |
      apiVersion: v1
    after: |
      apiVersion: v1
  references:
  - title: ConfigMap
    url: https://kubernetes.io/docs/concepts/configuration/configmap/
"""
    )
    (folder / "template.yaml").write_text(
        f"""\
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata:
  name: {kind.lower()}
spec:
  crd:
    spec:
      names:
        kind: {kind}
  targets:
  - target: admission.k8s.gatekeeper.sh
    code:
    - engine: K8sNativeValidation
      source:
        failurePolicy: Fail
        validations:
        - expression: {expression!r}
          message: this ConfigMap is not as it should be
"""
    )
    (folder / "constraint.yaml").write_text(
        f"""\
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: {kind}
metadata:
  name: {name}
spec:
  enforcementAction: deny
  match:
    kinds:
    - apiGroups: [""]
      kinds: [ConfigMap]
"""
    )
