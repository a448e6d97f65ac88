"""At admission: whose an object is, only a controller may say."""

from __future__ import annotations

import json
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.policies.builders import library, policy_files

from moorage.policies.compiling import compile_policies
from moorage.policies.exceptions import excepts
from moorage.policies.model import PolicyException, Target

from .engine import NOW, Object

NEVER = {
    "cel": policy_files(
        "cel-never", code={"validations": [{"expression": "false", "message": "no"}]}, match={}
    ),
    "rego": policy_files("rego-never", rego='package never\n\nviolation contains {"msg": "no"}\n', match={}),
}
EXCEPTED = Target("Deployment", "web")
USERS = (
    "",
    "ann@example.org",
    "system:kube-controller-manager",
    "system:serviceaccount:kube-system:replicaset-controller",
    "system:serviceaccount:shop:replicaset-controller",
)


def pod(*owners: tuple[str, str], namespace: str = "shop") -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "web-5d4f-x",
            "namespace": namespace,
            "labels": {"pod-template-hash": "5d4f"},
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "u"} for kind, name in owners
            ],
        },
    }


OBJECTS = (
    pod(("ReplicaSet", "web-5d4f")),
    pod(("ReplicaSet", "api-5d4f")),
    pod(("Deployment", "web")),
    pod(("ReplicaSet", "web-5d4f"), namespace="other"),
    {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}},
)


def review(obj: Object, username: str) -> Object:
    request: dict[str, Any] = {
        "uid": "u",
        "kind": {"group": "", "version": "v1", "kind": obj["kind"]},
        "operation": "CREATE",
        "namespace": obj["metadata"]["namespace"],
        "object": obj,
        "userInfo": {"username": username} if username else {},
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


@pytest.mark.parametrize("language", ["cel", "rego"])
def test_a_pod_is_excepted_for_its_workload_only_when_a_controller_makes_it(
    gator: Path, tmp_path: Path, language: str
):
    found = library(NEVER[language])
    [policy] = found.policies
    exception = PolicyException(
        "shop", "it", policy, EXCEPTED, "It has to be.", "ann", NOW + timedelta(days=1)
    )
    compiled = compile_policies([found], exceptions=[exception], now=NOW, everything=True)
    cases = []
    for number, (obj, username) in enumerate((obj, user) for obj in OBJECTS for user in USERS):
        (tmp_path / f"{number}.yaml").write_text(json.dumps(review(obj, username)))
        violations = "no" if excepts(exception, obj, username=username) else "yes"
        cases.append(
            {"name": f"case {number}", "object": f"{number}.yaml", "assertions": [{"violations": violations}]}
        )
    assert {case["assertions"][0]["violations"] for case in cases} == {"yes", "no"}
    (tmp_path / "template.yaml").write_text(json.dumps(compiled.templates[0].object))
    (tmp_path / "constraint.yaml").write_text(json.dumps(compiled.constraints[0].object))
    suite = {
        "apiVersion": "test.gatekeeper.sh/v1alpha1",
        "kind": "Suite",
        "metadata": {"name": "admission"},
        "tests": [
            {"name": language, "template": "template.yaml", "constraint": "constraint.yaml", "cases": cases}
        ],
    }
    (tmp_path / "suite.yaml").write_text(json.dumps(suite))
    done = subprocess.run(
        [gator, "verify", tmp_path / "suite.yaml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
