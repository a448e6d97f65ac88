"""The reference of the API for people, made from the CRDs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from moorage.api.crd import (
    LOCAL_KINDS,
    PRODUCT_KINDS,
    USER_CLUSTER_KINDS,
    custom_resource_definition,
)
from moorage.api.models import Resource
from moorage.api.schema import INT_OR_STRING, LIST_MAP_KEYS, LIST_TYPE, VALIDATIONS, Schema

_INTRODUCTION = """\
# The API

What can be declared, field by field. This page is made from the models in `src/moorage/api`, as are the CRDs
in `src/moorage/api/crds`; on a running platform `kubectl explain` says the same.

A field is required where it says so. A rule that is broken is answered with the sentence that is quoted here
("…" stands for what was written), before anything is stored.
"""

_USER_CLUSTERS = """\
## In user clusters

What teams declare beside their workloads.
"""

_LOCAL = """\
## The local provider's kinds

Cluster API makes these from a ClusterClass; nobody declares them by hand. They fulfil Cluster API's contracts
of version v1beta2 for infrastructure, control plane and bootstrap providers.
"""

# What a computed message puts in: ``' + self.name + '`` in the middle, or ``' + self`` at the end.
_INSERTED = re.compile(r"' \+ [^']+?(?: \+ '|$)")
_QUOTES_AROUND = re.compile(r"^'|'$")

_FILLED_IN = "Left out, "
"""With these words a description says what a declaration that leaves the field out gets."""


@dataclass(frozen=True, slots=True)
class _Field:
    path: str
    schema: Schema
    required: bool


def reference() -> str:
    """Return the reference as Markdown."""
    parts = [_INTRODUCTION]
    parts += [_section(kind, "##") for kind in PRODUCT_KINDS]
    parts.append(_USER_CLUSTERS)
    parts += [_section(kind, "###") for kind in USER_CLUSTER_KINDS]
    parts.append(_LOCAL)
    parts += [_section(kind, "###") for kind in LOCAL_KINDS]
    return "\n".join(parts)


def _section(resource: type[Resource], heading: str) -> str:
    definition = custom_resource_definition(resource)
    spec = definition["spec"]
    version = spec["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    names = [f"`{name}`" for name in (spec["names"]["plural"], *spec["names"].get("shortNames", ()))]
    scope = "in a namespace" if spec["scope"] == "Namespaced" else "for the whole platform"
    lines = [
        f"{heading} {spec['names']['kind']}",
        "",
        schema["description"],
        "",
        f"`{spec['group']}/{version['name']}`, {scope}; `kubectl get` knows it as {_enumerated(names)}.",
        "",
    ]
    if rules := list(_messages(schema)):
        lines += [*(f"- {_sentence(rule)}" for rule in rules), ""]
    lines += ["| field | type | |", "| --- | --- | --- |"]
    lines += [_row(field) for field in _fields(schema, "")]
    return "\n".join([*lines, ""])


def _fields(schema: Schema, prefix: str) -> Iterator[_Field]:
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        if path == "metadata":
            continue
        yield _Field(path, field, name in required)
        yield from _fields(field, f"{path}.")
        yield from _fields(field.get("items", {}), f"{path}[].")


def _row(field: _Field) -> str:
    said = [field.schema.get("description", "")]
    if field.required and _FILLED_IN not in said[0]:
        said.append("Required.")
    if (default := field.schema.get("default")) not in (None, {}):
        said.append(f"Default: `{json.dumps(default)}`.")
    if limits := list(_limits(field.schema)):
        said.append(f"{_capitalized(', '.join(limits))}.")
    said += [_sentence(message) for message in _messages(field.schema)]
    for part in ("items", "additionalProperties"):
        if isinstance(inner := field.schema.get(part), dict):
            said += [_sentence(message) for message in _messages(inner)]
    text = " ".join(part for part in said if part).replace("|", "\\|")
    return f"| `{field.path}` | {_type(field.schema)} | {text} |"


def _type(schema: Schema) -> str:
    if values := schema.get("enum"):
        return " or ".join(f"`{value}`" for value in values)
    if schema.get(INT_OR_STRING):
        return "integer or string"
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {_type(schema['items'])}"
    if kind == "object" and isinstance(values := schema.get("additionalProperties"), dict):
        return f"map of {_type(values)}"
    return "time" if schema.get("format") == "date-time" else kind


def _limits(schema: Schema) -> Iterator[str]:
    if "minimum" in schema and "maximum" in schema:
        yield f"{schema['minimum']} to {schema['maximum']}"
    elif "minimum" in schema:
        yield f"at least {schema['minimum']}"
    for word, unit in (("Length", "characters"), ("Items", "items"), ("Properties", "entries")):
        if (most := schema.get(f"max{word}")) is not None:
            yield f"at most {most} {unit}"
        if (least := schema.get(f"min{word}", 0)) > 1:
            yield f"at least {least} {unit}"
    if schema.get(LIST_TYPE) == "map":
        yield f"told apart by {_enumerated([f'`{key}`' for key in schema[LIST_MAP_KEYS]])}"
    if schema.get(LIST_TYPE) == "set":
        yield "each only once"


def _messages(schema: Schema) -> Iterator[str]:
    for rule in schema.get(VALIDATIONS, ()):
        yield _readable(rule)


def _readable(rule: dict[str, Any]) -> str:
    if "message" in rule:
        return str(rule["message"])
    return _QUOTES_AROUND.sub("", _INSERTED.sub("…", rule["messageExpression"]))


def _sentence(text: str) -> str:
    return f"“{text}”"


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


def _enumerated(words: Iterable[str]) -> str:
    *rest, last = words
    return f"{', '.join(rest)} and {last}" if rest else last
