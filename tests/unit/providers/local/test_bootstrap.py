"""LocalBootstrapConfigs."""

from __future__ import annotations

import pytest
import yaml

from moorage.providers.local.bootstrap import (
    Step,
    data_secret,
    join_document,
    observe,
    plan,
    plan_status,
)
from moorage.providers.local.contract import parse_cluster, parse_machine

from .builders import NOW, bootstrap_config, cache_of, cluster, machine, said


def facts(obj, *others):
    return observe(cache_of(obj, *others), obj)


@pytest.mark.parametrize(
    ("obj", "others", "step"),
    [
        (bootstrap_config(), [cluster()], Step.NOTHING),
        (bootstrap_config(), [machine()], Step.NOTHING),
        (bootstrap_config(owned=False), [cluster(), machine()], Step.NOTHING),
        (bootstrap_config(), [cluster(initialized=False), machine()], Step.WAIT),
        (bootstrap_config(), [cluster(endpoint=False), machine()], Step.WAIT),
        (bootstrap_config(), [cluster(), machine()], Step.CREATE),
        (bootstrap_config(secret="web-main-1"), [cluster(), machine()], Step.REPORT),
        (bootstrap_config(), [cluster(paused=True), machine()], Step.PAUSE),
        (bootstrap_config(paused=True), [cluster(), machine()], Step.PAUSE),
    ],
)
def test_what_is_done_with_a_bootstrap_config(obj, others, step):
    assert plan(facts(obj, *others)) is step


def test_the_document_says_whom_to_join_as_what_and_holds_no_secret():
    document = yaml.safe_load(join_document(parse_cluster(cluster()), parse_machine(machine()), b"CERT"))
    assert document["kind"] == "Join"
    assert document["server"] == "https://127.0.0.1:20001"
    assert document["cluster"] == "web-123456789a"
    assert document["node"]["name"] == "web-main-1"
    assert document["node"]["kubeletVersion"] == "v1.36.0"
    assert document["node"]["taints"][0]["key"] == "node.cluster.x-k8s.io/uninitialized"
    assert not {"token", "key", "password"} & {key.lower() for key in document}


def test_the_secret_is_as_the_contract_wants_it():
    obj = bootstrap_config()
    secret = data_secret(obj, facts(obj, cluster(), machine()), "document")
    assert secret["metadata"]["name"] == "web-main-1"
    assert secret["metadata"]["labels"]["cluster.x-k8s.io/cluster-name"] == "web"
    assert list(secret["data"]) == ["value"]
    [owner] = secret["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["controller"]) == ("LocalBootstrapConfig", True)


def test_the_data_is_reported_with_its_secret():
    obj = bootstrap_config()
    found = facts(obj, cluster(), machine())
    waiting = plan_status(obj, found, Step.WAIT, None, NOW)
    assert waiting.initialization is None
    assert said(waiting, "Ready") == ("False", "WaitingForControlPlane")
    made = plan_status(obj, found, Step.CREATE, "web-main-1", NOW)
    assert made.initialization.data_secret_created
    assert made.data_secret_name == "web-main-1"
    assert said(made, "Ready") == ("True", "DataSecretAvailable")
