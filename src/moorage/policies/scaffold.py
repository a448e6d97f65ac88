"""The beginning of a policy: a folder whose suite passes, with a rule that is easy to replace."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template
from typing import Final

from moorage.files import replace_file
from moorage.policies.folders import is_flat, library_root
from moorage.policies.model import PolicyError

NAME_MAX: Final = 53
"""Constraints are called after their policy, and have 63 characters for that and what sets add."""

_NAME: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_READABLE: Final = 0o644


def write_policy(library: Path, name: str, *, rego: bool, chosen: str = "") -> tuple[Path, list[Path]]:
    """Write a policy to a library, and return its folder and its files.

    Args:
        library: its folder.
        name: of the policy.
        rego: whether its rule is in Rego, not CEL.
        chosen: a new set that has it; none is made where empty.

    Raises:
        PolicyError: the name cannot be, there is something already, or it cannot be written.
    """
    if not _NAME.fullmatch(name) or len(name) > NAME_MAX:
        raise PolicyError(
            f"{name!r} cannot be the name of a policy",
            hint=f"lower case letters, digits and hyphens, a letter first, at most {NAME_MAX}",
        )
    library = library_root(library)
    folder = (library if is_flat(library) else library / "policies") / name
    if folder.exists():
        raise PolicyError(f"{folder} is there already", hint="choose another name")
    made = library / "sets" / f"{chosen}.yaml" if chosen else None
    if made is not None and not _NAME.fullmatch(chosen):
        raise PolicyError(
            f"{chosen!r} cannot be the name of a set", hint="lower case letters, digits and hyphens"
        )
    if made is not None and made.exists():
        raise PolicyError(
            f"{made} is there already",
            hint=f"leave --set out, and add `- name: {name}` to its policies",
        )
    kind = "".join(part.capitalize() for part in name.split("-"))
    files = {
        file: Template(text).substitute(
            name=name, kind=kind, lower=kind.lower(), title=name.replace("-", " ")
        )
        for file, text in {**_FILES, "template.yaml": _REGO if rego else _CEL}.items()
    }
    try:
        (folder / "samples").mkdir(parents=True)
        for file, text in files.items():
            replace_file(folder / file, text, mode=_READABLE)
        if made is not None:
            made.parent.mkdir(exist_ok=True)
            replace_file(made, Template(_SET).substitute(set=chosen, name=name), mode=_READABLE)
    except OSError as error:
        raise PolicyError(f"{folder} cannot be written: {error.strerror or error}") from error
    return folder, [*(folder / file for file in sorted(files)), *([made] if made else [])]


_SET: Final = """\
apiVersion: policy.moorage.dev/v1alpha1
kind: PolicySet
metadata:
  name: $set # a namespace opts in with the label policy.moorage.dev/$set
spec:
  title: What every workload of ours keeps to
  policies:
    - name: $name
"""


_POLICY: Final = """\
apiVersion: policy.moorage.dev/v1alpha1
kind: Policy
metadata:
  name: $name
spec:
  title: Workloads say which team they belong to # the rule, as a statement
  severity: low # critical, high, medium or low
  category: metadata
  scope: Namespaced
  what: >
    Every Deployment, StatefulSet and DaemonSet has the label that the parameter `label` names.
  why: >
    Say what happens without it, and to whom it has happened.
  mend:
    text: >
      Set the label `team` on the workload.
    before: |
      apiVersion: apps/v1
      kind: Deployment
      metadata:
        name: web
        namespace: shop
    after: |
      apiVersion: apps/v1
      kind: Deployment
      metadata:
        name: web
        namespace: shop
        labels:
          team: checkout
  references:
    - title: "Kubernetes: labels and selectors"
      url: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
"""

_HEAD: Final = """\
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata:
  name: $lower
spec:
  crd:
    spec:
      names:
        kind: $kind
      validation:
        openAPIV3Schema:
          type: object
          properties:
            label:
              type: string
              description: The label that every workload has.
  targets:
    - target: admission.k8s.gatekeeper.sh
      code:
"""

_CEL: Final = (
    _HEAD
    + """\
        - engine: K8sNativeValidation
          source:
            failurePolicy: Fail
            variables:
              - name: label
                expression: 'variables.params.?label.orValue("team")'
              - name: value
                expression: 'variables.anyObject.?metadata.?labels[?variables.label].orValue("")'
            validations:
              # Whoever deletes something need not label it first.
              - expression: 'request.operation == "DELETE" || variables.value != ""'
                message: a label is missing
                messageExpression: '"metadata.labels has no " + variables.label + "; it must name the team"'
"""
)

_REGO: Final = (
    _HEAD
    + """\
        - engine: Rego
          source:
            version: v1
            rego: |
              package $lower

              # Whoever deletes something need not label it first.
              violation contains {"msg": msg} if {
                object.get(input.review, "operation", "") != "DELETE"
                label := object.get(parameters, "label", "team")
                labels := object.get(object.get(input.review.object, "metadata", {}), "labels", {})
                object.get(labels, label, "") == ""
                msg := sprintf("metadata.labels has no %s; it must name the team", [label])
              }

              # A constraint without parameters has none at all.
              parameters := object.get(input, "parameters", {})
"""
)

_CONSTRAINT: Final = """\
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: $kind
metadata:
  name: $name
spec:
  enforcementAction: deny
  match:
    kinds:
      - apiGroups: [apps]
        kinds: [Deployment, StatefulSet, DaemonSet]
  parameters:
    label: team
"""

_SUITE: Final = """\
apiVersion: test.gatekeeper.sh/v1alpha1
kind: Suite
metadata:
  name: $name
tests:
  - name: $name
    template: template.yaml
    constraint: constraint.yaml
    cases:
      - name: a-label
        object: samples/a-label.yaml
        assertions:
          - violations: no
      - name: no-label
        object: samples/no-label.yaml
        assertions:
          - violations: 1
            message: 'metadata\\.labels has no team; it must name the team'
      - name: an-empty-label
        object: samples/an-empty-label.yaml
        assertions:
          - violations: 1
"""

_OBJECT: Final = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
"""

_FILES: Final = {
    "policy.yaml": _POLICY,
    "constraint.yaml": _CONSTRAINT,
    "suite.yaml": _SUITE,
    "samples/a-label.yaml": f"{_OBJECT}  labels:\n    team: checkout\n",
    "samples/no-label.yaml": _OBJECT,
    "samples/an-empty-label.yaml": f'{_OBJECT}  labels:\n    team: ""\n',
}
