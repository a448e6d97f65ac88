"""Teaching a template what exceptions are: the rule of `exceptions.excepts`, in the template's language."""

from __future__ import annotations

import copy
import re
from typing import Any, Final

from moorage.manifests.model import Object
from moorage.policies.exceptions import CONTROLLERS, POD_TEMPLATE_HASH
from moorage.policies.model import Engine, LibraryError, Policy

PARAMETER: Final = "exceptions"
_VARIABLE: Final = "moorageExcepted"
_ORIGINAL: Final = "lib.moorage_original"

_SCHEMA: Final = {
    "type": "array",
    "description": "What PolicyExceptions except. Moorage fills it in.",
    "items": {
        "type": "object",
        "properties": {
            "namespace": {"type": "string", "description": "Where the exception holds."},
            "kind": {
                "type": "string",
                "description": "The kind of what is excepted; any where it is left out.",
            },
            "name": {"type": "string", "description": "Its name."},
            "prefix": {"type": "string", "description": "How its name begins."},
            "labels": {
                "type": "object",
                "description": "Labels that it has.",
                "additionalProperties": {"type": "string"},
            },
        },
    },
}

# The object under review, part by part; nothing is taken for granted about what it has.
_META: Final = "variables.anyObject.?metadata"
_NAME: Final = f'{_META}.?name.orValue({_META}.?generateName.orValue(""))'
_LABELS: Final = f"{_META}.?labels.orValue({{}})"
_KIND: Final = "variables.anyObject.kind"
_USER: Final = 'request.?userInfo.?username.orValue("")'
_CONTROLLER: Final = " || ".join(f'{_USER}.startsWith("{name}")' for name in CONTROLLERS)

_CEL: Final = f"""\
variables.params != null && has(variables.params.{PARAMETER}) && variables.params.{PARAMETER}.exists(e,
  e.namespace == ({_KIND} == "Namespace" ? {_NAME} : {_META}.?namespace.orValue("")) &&
  (!has(e.labels) || e.labels.all(k, k in {_LABELS} && {_LABELS}[k] == e.labels[k])) &&
  (
    (
      (!has(e.kind) || e.kind == {_KIND}) &&
      (!has(e.name) || e.name == {_NAME}) && (!has(e.prefix) || {_NAME}.startsWith(e.prefix))
    ) || (
      ({_USER} == "" || {_CONTROLLER}) &&
      {_META}.?ownerReferences.orValue([]).exists(o,
        (
          (!has(e.kind) || e.kind == o.kind) &&
          (!has(e.name) || e.name == o.name) && (!has(e.prefix) || o.name.startsWith(e.prefix))
        ) || (
          {_KIND} == "Pod" && o.kind == "ReplicaSet" && (!has(e.kind) || e.kind == "Deployment") &&
          {_LABELS}[?"{POD_TEMPLATE_HASH}"].orValue("") != "" &&
          o.name.endsWith("-" + {_LABELS}["{POD_TEMPLATE_HASH}"]) &&
          (!has(e.name) || o.name == e.name + "-" + {_LABELS}["{POD_TEMPLATE_HASH}"]) &&
          (!has(e.prefix) || (o.name.startsWith(e.prefix) &&
            size(o.name) >= size(e.prefix) + 1 + size({_LABELS}["{POD_TEMPLATE_HASH}"])))
        ) || (
          {_KIND} == "Pod" && o.kind == "Job" && (!has(e.kind) || e.kind == "CronJob") &&
          o.name.matches("-([0-9]+|job)$") &&
          (!has(e.name) || o.name.substring(0, o.name.lastIndexOf("-")) == e.name) &&
          (!has(e.prefix) || o.name.substring(0, o.name.lastIndexOf("-")).startsWith(e.prefix))
        )
      )
    )
  )
)"""

# Written in what both versions of Rego have; `_old_rego` makes the older one of it.
_REGO: Final = f"""\
package moorage

import data.{_ORIGINAL} as original

violation contains found if {{
	not excepted
	original.violation[found]
}}

metadata := object.get(input.review.object, "metadata", {{}})

labels := object.get(metadata, "labels", {{}})

kind := object.get(input.review.object, "kind", "")

name := object.get(metadata, "name", object.get(metadata, "generateName", ""))

namespace := name if {{
	kind == "Namespace"
}}

namespace := object.get(metadata, "namespace", "") if {{
	kind != "Namespace"
}}

excepted if {{
	exception := input.parameters.{PARAMETER}[_]
	exception.namespace == namespace
	not lacks_label(exception)
	meant(exception)
}}

lacks_label(exception) if {{
	value := exception.labels[key]
	not labels[key] == value
}}

meant(exception) if {{
	of_kind(exception, kind)
	named(exception, name)
}}

meant(exception) if {{
	by_controller
	owner := object.get(metadata, "ownerReferences", [])[_]
	made(exception, owner)
}}

username := object.get(object.get(input.review, "userInfo", {{}}), "username", "")

by_controller if {{
	username == ""
}}

by_controller if {{
	startswith(username, [{", ".join(f'"{name}"' for name in CONTROLLERS)}][_])
}}

made(exception, owner) if {{
	of_kind(exception, owner.kind)
	named(exception, owner.name)
}}

made(exception, owner) if {{
	kind == "Pod"
	owner.kind == "ReplicaSet"
	of_kind(exception, "Deployment")
	hash := labels["{POD_TEMPLATE_HASH}"]
	hash != ""
	endswith(owner.name, concat("", ["-", hash]))
	named(exception, trim_suffix(owner.name, concat("", ["-", hash])))
}}

made(exception, owner) if {{
	kind == "Pod"
	owner.kind == "Job"
	of_kind(exception, "CronJob")
	regex.match(`-([0-9]+|job)$`, owner.name)
	parts := split(owner.name, "-")
	named(exception, concat("-", array.slice(parts, 0, count(parts) - 1)))
}}

of_kind(exception, wanted) if {{
	object.get(exception, "kind", wanted) == wanted
}}

named(exception, wanted) if {{
	object.get(exception, "name", wanted) == wanted
	startswith(wanted, object.get(exception, "prefix", ""))
}}
"""

_PACKAGE: Final = re.compile(r"^(\s*package[ \t]+)\S+", re.MULTILINE)


_GUARDED: Final = re.compile(rf"variables\.{_VARIABLE} \|\| \(\n(.*?)\n\)", re.DOTALL)


def without_guard(message: str) -> str:
    """Return a message in which an expression is quoted as its author wrote it."""
    return _GUARDED.sub(r"\1", message) if _VARIABLE in message else message


def guarded(policy: Policy) -> dict[str, Any]:
    """Return a policy's template with exceptions in it.

    Raises:
        LibraryError: the template has a parameter of that name already, or no source to guard.
    """
    template: dict[str, Any] = copy.deepcopy(dict(policy.template))
    _add_parameter(template, policy)
    target = template["spec"]["targets"][0]
    if policy.engine is Engine.CEL:
        _guard_cel(_source(target, policy), policy)
    elif legacy := target.pop("rego", None):
        source = {"rego": legacy, "libs": target.pop("libs", None) or []}
        _guard_rego(source, policy)
        target["code"] = [*(target.get("code") or []), {"engine": Engine.REGO.value, "source": source}]
    else:
        _guard_rego(_source(target, policy), policy)
    return template


def _source(target: Object, policy: Policy) -> dict[str, Any]:
    source = next(code.get("source") for code in target["code"] if code.get("engine") == policy.engine)
    if not isinstance(source, dict):
        raise _wrong(policy, "its code has no source")
    return source


def _add_parameter(template: dict[str, Any], policy: Policy) -> None:
    crd = template["spec"]["crd"]["spec"]
    schema = (crd.get("validation") or {}).get("openAPIV3Schema") or {}
    properties = schema.get("properties") or {}
    if PARAMETER in properties:
        raise _wrong(policy, f"it has a parameter called {PARAMETER}: that name is taken")
    crd["validation"] = {
        **(crd.get("validation") or {}),
        "openAPIV3Schema": {"type": "object", **schema, "properties": {**properties, PARAMETER: _SCHEMA}},
    }


def _guard_cel(source: dict[str, Any], policy: Policy) -> None:
    validations = source.get("validations")
    if not isinstance(validations, list) or not validations:
        raise _wrong(policy, "it has no validations")
    source["variables"] = [{"name": _VARIABLE, "expression": _CEL}, *(source.get("variables") or [])]
    source["validations"] = [
        {**validation, "expression": f"variables.{_VARIABLE} || (\n{validation.get('expression')}\n)"}
        for validation in validations
    ]


def _guard_rego(source: dict[str, Any], policy: Policy) -> None:
    original, count = _PACKAGE.subn(rf"\g<1>{_ORIGINAL}", str(source.get("rego") or ""), count=1)
    if not count:
        raise _wrong(policy, "its Rego has no package")
    source["rego"] = _REGO if source.get("version") == "v1" else _old_rego(_REGO)
    source["libs"] = [*(source.get("libs") or []), original]


def _old_rego(text: str) -> str:
    return text.replace(" if {", " {").replace("violation contains found", "violation[found]")


def _wrong(policy: Policy, problem: str) -> LibraryError:
    return LibraryError(f"{policy.at('template')}: policy {policy.name}: {problem}")
