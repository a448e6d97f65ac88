"""From a right that nobody uses to an advice about it, and back when following it did harm."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from moorage.advisors.audit.counts import Counts
from moorage.advisors.evidence import engine

from .waiting import eventually

SECONDS = 240
RBAC = """\
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: shop}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: web, namespace: shop}
rules:
- {apiGroups: [""], resources: [configmaps], verbs: [get, list]}
- {apiGroups: [""], resources: [secrets], verbs: [get, delete]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: web, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: web}
subjects:
- {kind: ServiceAccount, name: web, namespace: shop}
"""


@pytest.fixture
def at_work(moorage, project) -> Iterator[str]:
    """A cluster in which a ServiceAccount lists ConfigMaps all the time, and may delete Secrets."""
    moorage("cluster", "create", "web", "-p", project, "--nodes", "0")
    moorage("cluster", "kubeconfig", f"{project}/web", "--as", "ada")
    moorage.kubectl("apply", "-f", "-", stdin=RBAC)
    token = moorage.kubectl("create", "token", "web", "-n", "shop").stdout.strip()
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(2):
            moorage.kubectl("get", "configmaps", "-n", "shop", f"--token={token}", check=False)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield token
    finally:
        stop.set()
        worker.join()


def test_a_right_that_nobody_uses_becomes_an_advice_and_its_loss_is_noticed(moorage, project, at_work):
    def admin(*arguments):
        namespace = f"project-{project}"
        return moorage.kubectl("-n", namespace, *arguments, kubeconfig=moorage.home.admin_kubeconfig)

    def condition():
        cluster = json.loads(admin("get", "kubernetescluster", "web", "-o", "json").stdout)
        found = [item for item in cluster["status"]["conditions"] if item["type"] == "AdviceReady"]
        return found[0] if found else {}

    def advices():
        """Return the advice with a change about the account; while it is young, it is left alone."""
        return [
            each
            for each in json.loads(admin("get", "advices", "-o", "json").stdout)["items"]
            if each["spec"]["subject"] == "ServiceAccount shop/web" and each["spec"].get("change")
        ]

    # By default advice takes 30 days, and that is said.
    assert eventually(lambda: condition().get("reason") == "Collecting", seconds=60)
    assert "30 days" in condition()["message"]
    admin("patch", "kubernetescluster", "web", "--type=merge", "-p", '{"spec": {"advice": {"window": "1m"}}}')

    # Only what is not used goes, and what is used stays.
    assert eventually(advices, seconds=SECONDS), condition()
    assert condition()["reason"] == "Current"
    found = advices()[0]
    told = found["spec"]["summary"]
    proposed = json.dumps([change["object"] for change in found["spec"]["change"]])
    assert "secrets" in told
    assert "configmaps" not in told
    assert "configmaps" in proposed
    assert "secrets" not in proposed

    # Followed, the account can still do what it did.
    name = found["metadata"]["name"]
    delete = ("delete", "secret", "none-such", "-n", "shop", f"--token={at_work}")
    moorage("advice", "apply", name, "-p", project, "--as", "ada", "--yes", "--watch", "0s")
    moorage.kubectl("get", "configmaps", "-n", "shop", f"--token={at_work}")
    assert " ada: applied: " in moorage("advice", "show", name, "-p", project).stdout, "it is under her name"

    # What was allowed before and is refused now opens the advice again.
    def harm():
        status = json.loads(admin("get", "advice", name, "-o", "json").stdout)["status"]
        return status["state"] == "Open" and (status.get("application") or {}).get("harm")

    assert eventually(lambda: "Forbidden" in moorage.kubectl(*delete, check=False).stderr, seconds=15)
    why = eventually(harm, seconds=SECONDS)
    assert why
    assert "delete secrets none-such in shop" in why
    moorage("advice", "revert", name, "-p", project, "--as", "ada", "--yes")
    assert eventually(lambda: "NotFound" in moorage.kubectl(*delete, check=False).stderr, seconds=15)


def test_a_cluster_is_read_by_somebody_who_may_read_no_more_and_leaves_nothing_behind(moorage, project):
    moorage("cluster", "create", "small", "-p", project, "--nodes", "0")
    home = moorage.home
    [folder] = home.clusters.glob("small-*")
    advisor = folder / "advisor.kubeconfig"

    def may(*what):
        answer = moorage.kubectl("auth", "can-i", "-A", *what, kubeconfig=advisor, check=False)
        return answer.stdout.strip() == "yes"

    kinds = ("roles", "clusterroles", "rolebindings", "clusterrolebindings", "serviceaccounts")
    assert all(may("list", kind) for kind in kinds)
    assert not any(may(verb, kind) for kind in kinds for verb in ("get", "create", "update", "delete"))
    assert not any(may("list", kind) for kind in ("secrets", "configmaps", "services"))

    counts = Counts(engine(home.evidence_database))
    assert eventually(lambda: counts.signals().get(folder.name), seconds=30)
    moorage("cluster", "delete", f"{project}/small", "--yes")
    assert eventually(lambda: folder.name not in counts.signals(), seconds=30)
    assert not (home.spool / folder.name).exists()
    assert not list((home.pki / "audit").glob(f"{folder.name}.*"))
