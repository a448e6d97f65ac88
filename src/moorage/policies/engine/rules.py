"""Rules: what is left of constraints when it is settled whom they are for.

Whether a namespace is judged, and with which action, changes nothing about what is wrong with an object. So
constraints that differ in that only are one rule, and a rule's finding holds for all of them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from moorage.manifests.model import Object
from moorage.policies.compiled import Compiled, CompiledConstraint, CompiledTemplate
from moorage.policies.engine.inventory import Key, key_of, stays_in_its_namespace
from moorage.policies.engine.matching import Match
from moorage.policies.guard import PARAMETER
from moorage.policies.model import Engine

RuleId = bytes
_ID_SIZE: Final = 16
_WHOLE_CONSTRAINT: Final = re.compile(r"(?<![\w.])params\b")

_encode: Final = msgspec.json.Encoder(order="sorted").encode


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A template with parameters.

    Args:
        id: of everything that decides its verdict on an object: equal rules have equal ids.
        policy: the policy that it is of.
        kind: of its constraints.
        engine: the language of the template.
        template: its template; the plain one where nothing is excepted.
        kinds: of what it judges, in Gatekeeper's words; what a run may hold against others' objects.
        parameters: its parameters.
        constraint: the whole constraint, where the rule reads it; its match is then the engine's to decide.
        inventory: which kinds it reads.
        local: whether it is seen to read its object's namespace only.
    """

    id: RuleId
    policy: str
    kind: str
    engine: Engine
    template: Object = field(repr=False)
    kinds: tuple[Object, ...] = field(repr=False)
    parameters: Object = field(repr=False)
    constraint: Object | None = field(repr=False)
    inventory: tuple[Key, ...]
    local: bool

    @property
    def is_cel(self) -> bool:
        """Whether it is written in CEL."""
        return self.engine is Engine.CEL


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """A constraint with the rule that it stands for."""

    constraint: CompiledConstraint
    match: Match
    rule: Rule


def bind(compiled: Compiled) -> list[Bound]:
    """Return the constraints with their rules; equal rules are one.

    Raises:
        MatchError: a constraint matches what Gatekeeper does not know.
    """
    templates = {template.kind: template for template in compiled.templates}
    rules: dict[RuleId, Rule] = {}
    found: list[Bound] = []
    for constraint in compiled.constraints:
        spec = constraint.object["spec"]
        rule = _rule(constraint, templates[constraint.kind])
        match = Match.of(spec.get("match") or {}, where=f"constraint {constraint.name}")
        found.append(Bound(constraint, match, rules.setdefault(rule.id, rule)))
    return found


def _rule(constraint: CompiledConstraint, template: CompiledTemplate) -> Rule:
    spec: Mapping[str, Any] = constraint.object["spec"]
    kinds = tuple((spec.get("match") or {}).get("kinds") or ())
    whole = constraint.object if _reads_constraint(template) else None
    parameters = spec.get("parameters") or {}
    said = [template.digest, _encode(whole) if whole is not None else constraint.digest]
    return Rule(
        id=short_digest(_encode(kinds), *said),
        policy=constraint.policy,
        kind=template.kind,
        engine=template.engine,
        template=template.object if PARAMETER in parameters else template.plain,
        kinds=kinds,
        parameters=parameters,
        constraint=whole,
        inventory=tuple(dict.fromkeys(map(key_of, template.inventory))),
        local=bool(template.inventory) and stays_in_its_namespace(template.plain),
    )


def _reads_constraint(template: CompiledTemplate) -> bool:
    """Say whether a rule reads more of its constraint than its parameters: only CEL can."""
    return template.engine is Engine.CEL and any(
        _WHOLE_CONSTRAINT.search(text) for text in expressions(template.object)
    )


def expressions(template: Object) -> Iterable[str]:
    """Yield the CEL expressions of a template."""
    for code in template["spec"]["targets"][0].get("code") or ():
        source = code.get("source")
        if code.get("engine") == Engine.CEL and isinstance(source, Mapping):
            for part in ("variables", "validations", "matchConditions", "matchCondition"):
                for entry in source.get(part) or ():
                    for name in ("expression", "messageExpression"):
                        if isinstance(entry, Mapping) and isinstance(entry.get(name), str):
                            yield entry[name]


def short_digest(*parts: bytes | str) -> bytes:
    """Return a digest of several parts."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        whole.update(len(data).to_bytes(8, "big"))
        whole.update(data)
    return whole.digest()[:_ID_SIZE]
