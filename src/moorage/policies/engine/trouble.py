"""Saying what is wrong with a policy that cannot judge: which policy, and where in its template."""

from __future__ import annotations

import re
from typing import Final

from moorage.policies.engine.gator import EngineError
from moorage.policies.engine.rules import Rule, expressions
from moorage.policies.model import Policy

_COMPILATION: Final = re.compile(
    r"(?:compilation error: |composited variable \"(?P<variable>[^\"]+)\" fails to compile: )(?P<why>.*)",
    re.DOTALL,
)
_REGO_LINE: Final = re.compile(r"(?:template|libs\[\"lib_\d+\"\]):(\d+): ")
_CEL_INPUT: Final = re.compile(r"ERROR: <input>:(\d+):(\d+): ")
_PICTURE: Final = re.compile(r"^\s*\| (?P<source>.*\S)\s*$", re.MULTILINE)
"""The line of the expression that CEL's compiler points into, as it shows it below its complaint."""

_NAMESPACE_OBJECT: Final = re.compile(r"(?<![\w.])namespaceObject\b")
_EXPRESSION: Final = re.compile(r"expression '(?P<expression>.*?)' resulted in error: ", re.DOTALL)
_PREFIXES: Final = ("invalid ConstraintTemplate: ", "compilation failed: ")
_WORDS_MAX: Final = 400


def reads_namespace(rule: Rule) -> bool:
    """Say whether a rule reads its object's Namespace, which the engine has only in a cluster."""
    return any(_NAMESPACE_OBJECT.search(text) for text in expressions(rule.template))


def does_not_compile(message: str) -> bool:
    """Say whether a message is not about the object but about the rule: CEL that does not compile."""
    return _COMPILATION.search(message) is not None


def refused(policy: Policy, why: str) -> EngineError:
    """Return an error for a policy that cannot judge: what the engine says, and where in the template."""
    line = _line(policy, why)
    place = policy.places.get("template")
    where = f"{place.file}:{line}" if place and line else policy.at("template")
    return EngineError(
        f"{where}: policy {policy.name} does not compile: {_words(why)}",
        hint="`moorage policy verify` runs its suite",
    )


def _words(why: str) -> str:
    """Return what the engine says in one line: the first error, without a picture of the source."""
    if found := _COMPILATION.search(why):
        why = found["why"]
    lines = [line.strip() for line in why.splitlines() if line.strip()]
    placed = (line for line in lines if _REGO_LINE.search(line) or _CEL_INPUT.search(line))
    first = next(placed, lines[0] if lines else why)
    for prefix in _PREFIXES:
        first = first.removeprefix(prefix)
    return _REGO_LINE.sub("", _CEL_INPUT.sub("", first)).strip()[:_WORDS_MAX]


def _line(policy: Policy, why: str) -> int | None:
    text = policy.template_text
    if found := _REGO_LINE.search(why):
        block = re.search(r"^\s*(?:-\s*)?rego:\s*[|>].*$", text, re.MULTILINE)
        return _line_at(text, block.end()) + int(found[1]) if block else None
    compiled = _COMPILATION.search(why)
    if compiled and (variable := compiled["variable"]):
        place = re.search(rf"^\s*-?\s*name:\s*[\"']?{re.escape(variable)}[\"']?\s*$", text, re.MULTILINE)
        return _line_at(text, place.end()) if place else None
    if expression := _EXPRESSION.search(why):
        inner = expression["expression"].strip().splitlines()
        at = text.find(inner[0]) if inner else -1
        return _line_at(text, at) if at >= 0 else None
    if picture := _PICTURE.search(why):
        at = text.find(picture["source"].strip())
        return _line_at(text, at) if at >= 0 else None
    return None


def _line_at(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1
