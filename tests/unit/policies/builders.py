"""Libraries for tests, as the files that they are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from moorage.policies.load import read_library
from moorage.policies.model import Library

Files = dict[str, bytes]

CEL = {
    "failurePolicy": "Fail",
    "variables": [{"name": "name", "expression": "variables.anyObject.metadata.name"}],
    "validations": [
        {
            "expression": 'variables.name != "bad"',
            "messageExpression": '"the name is " + variables.name',
        }
    ],
}
REGO = """package named

violation contains {"msg": msg} if {
	input.review.object.metadata.name == "bad"
	msg := "the name is bad"
}
"""
PODS = [{"apiGroups": [""], "kinds": ["Pod"]}]


def kind_of(name: str) -> str:
    return "Test" + "".join(part.capitalize() for part in name.split("-"))


def policy_files(
    name: str,
    *,
    code: Mapping[str, Any] | None = None,
    rego: str = "",
    match: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    schema: Mapping[str, Any] | None = None,
    **spec: Any,
) -> Files:
    """A policy that refuses what is called "bad", unless told otherwise."""
    kind = kind_of(name)
    engine = (
        {"engine": "Rego", "source": {"version": "v1", "rego": rego}}
        if rego
        else {"engine": "K8sNativeValidation", "source": dict(code or CEL)}
    )
    crd: dict[str, Any] = {"names": {"kind": kind}}
    if schema:
        crd["validation"] = {"openAPIV3Schema": {"type": "object", "properties": dict(schema)}}
    documents = {
        "policy": {
            "apiVersion": "policy.moorage.dev/v1alpha1",
            "kind": "Policy",
            "metadata": {"name": name},
            "spec": {
                "title": "Nothing is bad",
                "severity": "high",
                "category": "metadata",
                "scope": "Namespaced",
                "what": "Names.",
                "why": "Bad is bad.",
                "mend": {"text": "Choose another name."},
                "references": [{"title": "Names", "url": "https://example.com/"}],
                **spec,
            },
        },
        "template": {
            "apiVersion": "templates.gatekeeper.sh/v1",
            "kind": "ConstraintTemplate",
            "metadata": {"name": kind.lower()},
            "spec": {
                "crd": {"spec": crd},
                "targets": [{"target": "admission.k8s.gatekeeper.sh", "code": [engine]}],
            },
        },
        "constraint": {
            "apiVersion": "constraints.gatekeeper.sh/v1beta1",
            "kind": kind,
            "metadata": {"name": name},
            "spec": {
                "enforcementAction": "deny",
                "match": dict(match) if match is not None else {"kinds": PODS},
                **({"parameters": dict(parameters)} if parameters else {}),
            },
        },
    }
    return {
        f"policies/{name}/{part}.yaml": json.dumps(content).encode() for part, content in documents.items()
    }


def set_files(name: str, policies: Sequence[str | Mapping[str, Any]]) -> Files:
    """A set of policies, by their names or with parameters."""
    content = {
        "apiVersion": "policy.moorage.dev/v1alpha1",
        "kind": "PolicySet",
        "metadata": {"name": name},
        "spec": {
            "title": name,
            "policies": [{"name": entry} if isinstance(entry, str) else dict(entry) for entry in policies],
        },
    }
    return {f"sets/{name}.yaml": json.dumps(content).encode()}


EXPANSIONS: Files = {
    "expansion/workloads.yaml": b"""
apiVersion: expansion.gatekeeper.sh/v1beta1
kind: ExpansionTemplate
metadata: {name: expand-workloads}
spec:
  applyTo: [{groups: [apps], versions: [v1], kinds: [Deployment, ReplicaSet]}]
  templateSource: spec.template
  generatedGVK: {group: "", version: v1, kind: Pod}
---
apiVersion: expansion.gatekeeper.sh/v1beta1
kind: ExpansionTemplate
metadata: {name: expand-jobs}
spec:
  applyTo: [{groups: [batch], versions: [v1], kinds: [Job]}]
  templateSource: spec.template
  generatedGVK: {group: "", version: v1, kind: Pod}
---
apiVersion: expansion.gatekeeper.sh/v1beta1
kind: ExpansionTemplate
metadata: {name: expand-cronjobs}
spec:
  applyTo: [{groups: [batch], versions: [v1], kinds: [CronJob]}]
  templateSource: spec.jobTemplate
  generatedGVK: {group: batch, version: v1, kind: Job}
"""
}


def library(*files: Files, name: str = "test") -> Library:
    """A library of files."""
    together: Files = {}
    for each in files:
        together.update(each)
    return read_library(together, name=name, origin=name)
