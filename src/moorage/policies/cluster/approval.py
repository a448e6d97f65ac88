"""Who may grant exceptions in a cluster: what is installed there so that its API server sees to it. Pure.

It is a policy of the API server itself: it needs nobody to answer, and so works also while the operator and
the engine are away. Whoever may ``update policyexceptions/approval`` approves: a project's owners, who may do
anything, and nobody else unless somebody grants it. There is no such subresource; as with certificates, its
name only stands for the right.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from moorage.kube.kinds import Object
from moorage.local import manifests
from moorage.policies.compiling import MANAGED_BY_LABEL, MANAGER
from moorage.policies.model import POLICY_GROUP

NAME: Final = "moorage-policy-exceptions"
CRD_FILE: Final = f"policyexceptions.{POLICY_GROUP}.yaml"
_RBAC: Final = "rbac.authorization.k8s.io/v1"
_ADMISSION: Final = "admissionregistration.k8s.io/v1"
_LABELS: Final = {MANAGED_BY_LABEL: MANAGER}

_APPROVER: Final = (
    f"authorizer.group('{POLICY_GROUP}').resource('policyexceptions').subresource('approval')"
    ".namespace(request.namespace).check('update').allowed()"
)


def custom_resource_definition() -> Object:
    """Return the CRD of PolicyException."""
    [crd] = manifests.parse(files("moorage.api").joinpath("crds", CRD_FILE).read_text("utf-8"))
    return crd


def admission() -> list[Object]:
    """Return what has the API server refuse approvals by anybody else.

    What was approved stays so only as it was approved: whoever changes it takes the approval back.
    """
    policy: Object = {
        "apiVersion": _ADMISSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": NAME, "labels": _LABELS},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": [POLICY_GROUP],
                        "apiVersions": ["*"],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": ["policyexceptions"],
                    }
                ]
            },
            "variables": [
                {"name": "approved", "expression": "object.spec.?approved.orValue(false)"},
                {
                    "name": "asItWas",
                    "expression": "oldObject != null && oldObject.spec == object.spec",
                },
            ],
            "validations": [
                {
                    "expression": f"!variables.approved || variables.asItWas || {_APPROVER}",
                    "messageExpression": "'only an owner of the project approves exceptions: ' + "
                    "(oldObject != null && oldObject.spec.?approved.orValue(false) ? "
                    "'set spec.approved to false with your change, and have it approved again' : "
                    "'leave spec.approved out, and ask one')",
                    "reason": "Forbidden",
                }
            ],
        },
    }
    binding: Object = {
        "apiVersion": _ADMISSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": NAME, "labels": _LABELS},
        "spec": {"policyName": NAME, "validationActions": ["Deny"]},
    }
    return [policy, binding]


def roles() -> list[Object]:
    """Return who may write exceptions, and who may read them: whoever may do so with workloads."""
    return [
        _role("edit", ["create", "delete", "deletecollection", "patch", "update"]),
        _role("view", ["get", "list", "watch"]),
    ]


def _role(of: str, verbs: list[str]) -> Object:
    rule = {"apiGroups": [POLICY_GROUP], "resources": ["policyexceptions"], "verbs": verbs}
    labels = {**_LABELS, f"rbac.authorization.k8s.io/aggregate-to-{of}": "true"}
    metadata = {"name": f"moorage:policy-exceptions-{of}", "labels": labels}
    return {"apiVersion": _RBAC, "kind": "ClusterRole", "metadata": metadata, "rules": [rule]}
