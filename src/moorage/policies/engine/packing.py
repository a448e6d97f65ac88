"""Making one template of many rules, for a run.

To hold one CEL template against one object, the engine copies the object several times over; that takes
longer than the rule itself. Rules for the same kinds therefore become one template in a run. Variables that
say the same become one, so that all rules that look at a Pod's containers collect them once; and each
validation marks its message with the rule that it is of. Whatever comes back without a mark, or with the
mark that says that the message is not the one that was meant, is doubtful: that rule is held against that
object again, by itself. So a pack decides what is clear, and never what is not.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from moorage.manifests.model import Object
from moorage.policies.engine.rules import Rule
from moorage.policies.model import Engine

FEWEST: Final = 2
_BUILT_IN: Final = "anyObject"
_PARAMETERS: Final = "params"
_MARK: Final = re.compile(r"(\d+)\.(\d+):(.*)", re.DOTALL)
_UNMEANT: Final = "!"
_EXPRESSION: Final = re.compile(r"expression '(.*?)' resulted in error: ", re.DOTALL)
# Text and comments, in which nothing is a name; and the names of variables.
_TOKEN: Final = re.compile(
    r"""
      (?P<text>
          [bB]?[rR][bB]?(?:\"\"\".*?\"\"\"|'''.*?'''|"[^"\n]*"|'[^'\n]*')
        | [bB]?(?:\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
        | //[^\n]*
      )
    | (?P<member>\.\s*\??\s*)?\bvariables\b(?P<select>\s*\.\s*\??\s*(?P<name>[A-Za-z_]\w*))?
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Pack:
    """Rules that are one template in a run.

    Args:
        rules: their places in the run.
        template: the template.
        constraint: its constraint.
        expressions: which rules an expression is of, as the engine quotes it.
        sayings: what each validation says when it has no message to compute.
    """

    rules: tuple[int, ...]
    template: Object
    constraint: Object
    expressions: Mapping[str, frozenset[int]]
    sayings: Mapping[tuple[int, int], str]

    @property
    def name(self) -> str:
        """The name of its constraint."""
        return str(self.constraint["metadata"]["name"])

    def read(self, message: str) -> tuple[int, str] | frozenset[int]:
        """Return the rule that a message is of and what it says; or the rules that are in doubt."""
        if (found := _MARK.fullmatch(message)) is None:
            quoted = _EXPRESSION.search(message)
            return self.expressions.get(quoted[1], frozenset(self.rules)) if quoted else frozenset(self.rules)
        rule, validation, said = int(found[1]), int(found[2]), found[3]
        if rule not in self.rules:
            return frozenset(self.rules)
        if (saying := self.sayings.get((rule, validation))) is not None:
            return rule, saying
        # The engine trims a message, and does without one that is empty, which a mark hides from it.
        meant = said.strip()
        return (rule, meant) if meant and meant != _UNMEANT else frozenset({rule})


@dataclass(frozen=True, slots=True)
class _Part:
    """A rule's share of a pack."""

    place: int
    variables: list[dict[str, str]]
    validations: list[dict[str, str]]
    expressions: list[str]
    sayings: dict[tuple[int, int], str]


def packs(rules: Sequence[Rule], *, keep_kinds: bool) -> list[Pack]:
    """Return the packs that rules make; those that are in none are to be judged by themselves."""
    alike: dict[bytes, list[_Part]] = {}
    for place, rule in enumerate(rules):
        if (part := _part(rule, place)) is not None:
            key = msgspec.json.encode(list(rule.kinds), order="sorted") if keep_kinds else b""
            alike.setdefault(key, []).append(part)
    return [
        _pack(number, parts, rules, keep_kinds=keep_kinds)
        for number, parts in enumerate(alike.values())
        if len(parts) >= FEWEST
    ]


def _part(rule: Rule, place: int) -> _Part | None:
    """Return a rule's share, or ``None`` where it has to stay by itself."""
    source = _source(rule)
    if (
        not rule.is_cel
        or rule.constraint is not None
        or source is None
        or "legacySchema" in _validation(rule)
    ):
        return None
    if source.get("failurePolicy", "Fail") != "Fail":  # it forgives its own errors
        return None
    renamed = _Renamer(f"variables.{_PARAMETERS}.r{place}" if rule.parameters else "dyn(null)")
    made = [
        *renamed.variables,
        *(
            renamed.declare(str(each.get("name")), each.get("expression"))
            for each in source.get("variables") or ()
        ),
    ]
    conditions = [renamed(condition.get("expression")) for condition in source.get("matchCondition") or ()]
    asked = " && ".join(f"({condition})" for condition in conditions)
    validations, sayings = [], {}
    for number, validation in enumerate(source.get("validations") or ()):
        mark = f"{place}.{number}:"
        expression = renamed(validation.get("expression"))
        if asked:
            expression = f"{asked} ? (\n{expression}\n) : true"
        one = {"expression": expression, "message": f"{mark}{_UNMEANT}"}
        if computed := validation.get("messageExpression"):
            one["messageExpression"] = f"{json.dumps(mark)} + (\n{renamed(computed)}\n)"
        else:
            said = str(validation.get("message") or "").strip()
            sayings[place, number] = said or f"failed expression: {str(validation.get('expression')).strip()}"
        validations.append(one)
    if renamed.puzzled or not validations:
        return None
    return _Part(place, made, validations, [one["expression"] for one in validations], sayings)


def _source(rule: Rule) -> Mapping[str, Any] | None:
    for code in rule.template["spec"]["targets"][0].get("code") or ():
        if code.get("engine") == Engine.CEL and isinstance(code.get("source"), Mapping):
            found: Mapping[str, Any] = code["source"]
            return found
    return None


class _Renamer:
    """Gives the variables of a rule names that say what they are: equal ones are equal in all rules.

    Args:
        parameters: where the rule's parameters are in a pack.
    """

    def __init__(self, parameters: str) -> None:
        self._names: dict[str, str] = {}
        self.puzzled = False
        self.variables = [self.declare(_PARAMETERS, parameters, known=True)]

    def declare(self, name: str, expression: object, *, known: bool = False) -> dict[str, str]:
        """Take in a variable, which those after it can use; return it as it is in a pack."""
        said = str(expression) if known else self(expression)
        self.puzzled = self.puzzled or name in self._names or name == _BUILT_IN
        self._names[name] = f"v{hashlib.sha256(said.encode()).hexdigest()[:16]}"
        return {"name": self._names[name], "expression": said}

    def __call__(self, expression: object) -> str:
        """Return an expression with the new names; be puzzled when it is not clear what is a name."""
        if not isinstance(expression, str):
            self.puzzled = True
            return ""
        return _TOKEN.sub(self._renamed, expression)

    def _renamed(self, found: re.Match[str]) -> str:
        name = found["name"]
        if found["text"] is not None or name == _BUILT_IN:
            return found[0]
        if found["member"] or name not in self._names:
            self.puzzled = True
            return found[0]
        return f"{found[0].removesuffix(name)}{self._names[name]}"


def _pack(number: int, parts: Sequence[_Part], rules: Sequence[Rule], *, keep_kinds: bool) -> Pack:
    kind = f"MoorageRun{number}"
    expressions: dict[str, set[int]] = {}
    sayings: dict[tuple[int, int], str] = {}
    for part in parts:
        sayings.update(part.sayings)
        for expression in part.expressions:
            expressions.setdefault(expression, set()).add(part.place)
    own = {part.place: rules[part.place] for part in parts}
    source = {
        "failurePolicy": "Fail",
        "variables": list({v["name"]: v for part in parts for v in part.variables}.values()),
        "validations": [validation for part in parts for validation in part.validations],
    }
    schema = {"type": "object", "properties": {f"r{place}": _schema(rule) for place, rule in own.items()}}
    spec: dict[str, Any] = {"parameters": {f"r{place}": rule.parameters for place, rule in own.items()}}
    kinds = rules[parts[0].place].kinds
    if keep_kinds and kinds:
        spec["match"] = {"kinds": list(kinds)}
    return Pack(
        rules=tuple(own),
        template={
            "apiVersion": "templates.gatekeeper.sh/v1",
            "kind": "ConstraintTemplate",
            "metadata": {"name": kind.lower()},
            "spec": {
                "crd": {"spec": {"names": {"kind": kind}, "validation": {"openAPIV3Schema": schema}}},
                "targets": [
                    {
                        "target": "admission.k8s.gatekeeper.sh",
                        "code": [{"engine": Engine.CEL.value, "source": source}],
                    }
                ],
            },
        },
        constraint={
            "apiVersion": "constraints.gatekeeper.sh/v1beta1",
            "kind": kind,
            "metadata": {"name": f"pack-{number}"},
            "spec": spec,
        },
        expressions={expression: frozenset(places) for expression, places in expressions.items()},
        sayings=sayings,
    )


def _schema(rule: Rule) -> Object:
    """Return the schema of a rule's parameters: it checks them, and fills in what they leave out."""
    return {"type": "object", **(_validation(rule).get("openAPIV3Schema") or {})}


def _validation(rule: Rule) -> Mapping[str, Any]:
    found: Mapping[str, Any] = rule.template["spec"]["crd"]["spec"].get("validation") or {}
    return found
