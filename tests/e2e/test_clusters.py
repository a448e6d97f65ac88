"""A cluster's life, through the command line and kubectl."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
import yaml

from moorage.local.ports import Ports
from moorage.local.supervisor import platform_processes


def condition(obj, type_):
    return next(item for item in obj["status"]["conditions"] if item["type"] == type_)


def node_labels(moorage, label):
    nodes = json.loads(moorage.kubectl("get", "nodes", "-o", "json").stdout)["items"]
    return sorted(node["metadata"]["labels"].get(label, "") for node in nodes)


def test_a_cluster_lives_from_creation_to_deletion(moorage, project):
    ref = f"{project}/web"
    made = moorage.json(
        "cluster", "create", "web", "-p", project, "--kubernetes-version", "1.36", "--nodes", "3"
    )
    assert made["status"]["nodes"] == {"desired": 3, "ready": 3, "summary": "3/3"}
    assert made["status"]["version"]["controlPlane"].startswith("1.36.")
    assert condition(made, "Ready")["status"] == "True"

    moorage("cluster", "kubeconfig", ref, "--as", "ada")
    assert len(node_labels(moorage, "kubernetes.io/hostname")) == 3
    # The binary is a newer one; what it serves is the version that was asked for.
    assert json.loads(moorage.kubectl("get", "--raw", "/version").stdout)["emulationMinor"] == "36"

    scaled = moorage.json("cluster", "scale", ref, "--nodes", "5")
    assert scaled["status"]["nodes"]["ready"] == 5
    assert len(node_labels(moorage, "kubernetes.io/hostname")) == 5

    moorage(
        *("pool", "add", ref, "big", "--machine-type", "large", "--nodes", "1"),
        *("--label", "tier=big", "--taint", "dedicated=big:NoSchedule"),
    )
    (big,) = json.loads(moorage.kubectl("get", "nodes", "-l", "tier=big", "-o", "json").stdout)["items"]
    assert big["spec"]["taints"] == [{"key": "dedicated", "value": "big", "effect": "NoSchedule"}]
    assert big["metadata"]["labels"]["node.kubernetes.io/instance-type"] == "large"

    shown = moorage("cluster", "get", ref).stdout
    assert "dedicated=big:NoSchedule" in shown
    moorage("pool", "delete", ref, "big", "--yes")
    moorage("pool", "scale", ref, "workers", "--nodes", "2")
    assert len(node_labels(moorage, "kubernetes.io/hostname")) == 2

    upgraded = moorage.json("cluster", "upgrade", ref, "1.37")
    version = upgraded["status"]["version"]
    assert version["controlPlane"] == version["nodes"]["min"] == version["nodes"]["max"]
    assert version["controlPlane"].startswith("1.37.")

    events = moorage.json("cluster", "events", ref)
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    assert any("Machine/web-workers" in event["object"] for event in events)
    everything = moorage.json("cluster", "events", ref, "--all")
    assert len(events) == 30 < len(everything)
    own = {event["what"] for event in everything if event["object"] == "KubernetesCluster/web"}
    assert {"Created", "ControlPlaneReady", "UpgradeStarted", "UpgradeFinished", "PoolScaled"} <= {
        what.partition(" (x")[0] for what in own
    }

    moorage("cluster", "delete", ref, "--yes")
    assert moorage.json("cluster", "list", "-p", project)["items"] == []
    assert moorage.kubectl("get", "nodes", check=False).returncode != 0


def test_what_a_dry_run_prints_is_what_kubectl_takes(moorage, project):
    # Without nodes: Cluster API is slow to remove a machine that it was just making.
    arguments = ("cluster", "create", "dry", "-p", project, "--kubernetes-version", "1.36", "--nodes", "0")
    printed = moorage(*arguments, "--dry-run").stdout
    assert moorage.json("cluster", "list", "-p", project)["items"] == []
    moorage("project", "kubeconfig", project, "--as", "ed")
    assert "dry created" in moorage.kubectl("apply", "-f", "-", stdin=printed).stdout
    by_kubectl = yaml.safe_load(moorage.kubectl("get", "kc", "dry", "-o", "yaml").stdout)["spec"]
    moorage.kubectl("delete", "kc", "dry", "--wait=false")
    moorage(*arguments[:2], "same", *arguments[3:], "--no-wait")
    assert moorage.json("cluster", "get", f"{project}/same")["spec"] == by_kubectl


def test_an_edit_leaves_alone_what_others_declared(moorage, project):
    moorage("cluster", "create", "web", "-p", project, "--nodes", "1", "--no-wait")
    moorage("project", "kubeconfig", project, "--as", "ed")
    patch = {"spec": {"maintenanceWindow": {"days": ["Sunday"], "start": "03:00"}}}
    moorage.kubectl("patch", "kc", "web", "--type=merge", f"-p={json.dumps(patch)}")
    moorage("cluster", "scale", f"{project}/web", "--nodes", "0", "--no-wait")
    spec = moorage.json("cluster", "get", f"{project}/web")["spec"]
    assert spec["maintenanceWindow"]["start"] == "03:00"
    assert spec["nodePools"][0]["replicas"] == 0


def test_ten_edits_at_once_are_all_made(moorage, project):
    users = [f"user-{number}" for number in range(10)]
    commands = [
        moorage.start("project", "member", "add", project, user, "--role", "viewer") for user in users
    ]
    for command in commands:
        _, told = command.communicate(timeout=120)
        assert command.returncode == 0, told
    members = moorage.json("project", "member", "list", project)
    assert {member["name"] for member in members} == {"ada", "ed", "bob", *users}


@dataclass(frozen=True)
class Traces:
    """What a cluster could leave behind on the machine and in the management cluster."""

    processes: frozenset[str]
    files: frozenset[str]
    ports: frozenset[str]
    objects: frozenset[str]


def traces(moorage, namespace):
    root = moorage.home.root
    admin = moorage.home.admin_kubeconfig
    kinds = moorage.kubectl(
        *("api-resources", "--verbs=list", "--namespaced", "-o", "name"), kubeconfig=admin
    ).stdout.split()
    kinds = [kind for kind in kinds if not kind.startswith("events")]
    objects = moorage.kubectl("get", ",".join(kinds), "-n", namespace, "-o", "name", kubeconfig=admin).stdout
    return Traces(
        processes=frozenset(" ".join(process.cmdline()) for process in platform_processes(moorage.home)),
        # What is in databases is not told by their files.
        files=frozenset(
            str(path.relative_to(root))
            for path in root.rglob("*")
            if not {root / "etcd", root / "metrics"} & {*path.parents}
        ),
        ports=frozenset(Ports(moorage.home).known()),
        objects=frozenset(objects.split()),
    )


@pytest.mark.timeout(900)
def test_ten_clusters_made_and_deleted_at_once_leave_nothing(moorage, project):
    names = [f"c{number}" for number in range(10)]
    before = traces(moorage, f"project-{project}")

    def all_at_once(verb, *arguments):
        commands = {name: moorage.start("cluster", verb, name, "-p", project, *arguments) for name in names}
        for name, command in commands.items():
            _, told = command.communicate(timeout=600)
            assert command.returncode == 0, f"{name}: {told}"

    all_at_once("create", "--nodes", "1", "--timeout", "8m")
    clusters = moorage.json("cluster", "list", "-p", project)["items"]
    assert [item["status"]["nodes"]["ready"] for item in clusters] == [1] * 10
    assert len(traces(moorage, f"project-{project}").processes) >= len(before.processes) + 40

    all_at_once("delete", "--yes", "--timeout", "8m")
    after = traces(moorage, f"project-{project}")
    assert after.processes - before.processes == set()
    assert after.ports - before.ports == set()
    assert after.objects - before.objects == set()
    assert after.files - before.files == set()
