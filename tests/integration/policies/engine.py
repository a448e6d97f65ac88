"""What the tests of the engine share: the plain way to judge, a library that has it all, and objects."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from tests.unit.policies.builders import EXPANSIONS, PODS, REGO, library, policy_files, set_files

from moorage.policies.compiled import Compiled
from moorage.policies.compiling import compile_policies
from moorage.policies.engine import Judgement, Subject
from moorage.policies.guard import without_guard

NOW = datetime(2027, 1, 1, tzinfo=UTC)
Object = dict[str, Any]
Verdict = Counter[tuple[str, str, str, str, bool, str]]

# Every example starts processes.
few = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)

# --- The plain way: one run over everything -----------------------------------------------------------------


def plainly(
    gator: Path, compiled: Compiled, objects: Sequence[Object], beside: Sequence[Object] = ()
) -> Verdict:
    """What `gator test` itself finds, with the constraints as a cluster gets them."""
    documents = [
        *(template.object for template in compiled.templates),
        *(constraint.object for constraint in compiled.constraints),
        *compiled.expansions,
        *beside,
        *objects,
    ]
    done = subprocess.run(
        [gator, "test", "-o", "json"],
        input="\n".join(json.dumps(document) for document in documents),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    mine = {json.dumps(obj, sort_keys=True) for obj in objects}
    found: Verdict = Counter()
    for result in json.loads(done.stdout) or ():
        if json.dumps(result["violatingObject"], sort_keys=True) not in mine:
            continue
        implied = re.fullmatch(r"\[Implied by [^\]]*\] (.*)", result["msg"], re.DOTALL)
        message = without_guard(implied[1] if implied else result["msg"])
        found[
            (
                *who(result["violatingObject"]),
                result["constraint"]["metadata"]["name"],
                bool(implied),
                message,
            )
        ] += 1
    return found


def who(obj: Object) -> tuple[str, str, str]:
    metadata = obj.get("metadata") or {}
    return obj["kind"], metadata.get("namespace", ""), metadata.get("name", "")


def verdict(judgement: Judgement, objects: Sequence[Object]) -> Verdict:
    return Counter(
        (*who(objects[finding.subject]), finding.constraint, bool(finding.made), finding.message)
        for finding in judgement.findings
    )


def subjects(objects: Iterable[Object]) -> list[Subject]:
    return [Subject.of(obj) for obj in objects]


# --- A library with everything in it that makes a difference ------------------------------------------------

SEES = 'variables.anyObject.?metadata.?labels.?color.orValue("none")'
LARGE = 'variables.anyObject.metadata.labels["size"] != "xl"'
COLORS = {
    "validations": [
        {
            "expression": f"!({SEES} in variables.params.colors)",
            "messageExpression": f'"the color\\tis \\"" + {SEES} + "\\" ☂"',
        },
        {"expression": LARGE, "message": "too large"},
    ]
}
COLOR_SCHEMA = {"colors": {"type": "array", "items": {"type": "string"}, "description": "Which."}}
WORKLOADS = [{"apiGroups": ["apps", "batch"], "kinds": ["*"]}, {"apiGroups": [""], "kinds": ["Pod"]}]
TWINS = """package twins

violation contains {"msg": msg} if {
	some other in data.inventory.namespace[input.review.object.metadata.namespace]["v1"].Service
	other.metadata.name != input.review.object.metadata.name
	other.spec.selector == input.review.object.spec.selector
	msg := sprintf("selects what %q selects", [other.metadata.name])
}
"""
SERVICES = [{"apiGroups": [""], "kinds": ["Service"]}]
MIXED = library(
    policy_files("pod-names", match={"kinds": PODS}),
    policy_files("any-names", match={}),
    policy_files("pod-regos", rego=REGO, match={"kinds": PODS, "scope": "Namespaced"}),
    policy_files(
        "colors",
        code=COLORS,
        match={"kinds": WORKLOADS},
        parameters={"colors": ["red"]},
        schema=COLOR_SCHEMA,
    ),
    policy_files("selected", match={"kinds": PODS, "labelSelector": {"matchLabels": {"size": "xl"}}}),
    policy_files("generated", match={"kinds": PODS, "source": "Generated"}),
    policy_files(
        "twins", rego=TWINS, match={"kinds": SERVICES}, inventory=[{"version": "v1", "kind": "Service"}]
    ),
    policy_files("spaces", match={"kinds": [{"apiGroups": [""], "kinds": ["Namespace"]}]}),
    set_files("low", ["pod-names", "any-names", "spaces", "twins"]),
    set_files(
        "high",
        [
            "pod-names",
            "pod-regos",
            "selected",
            "generated",
            {"name": "colors", "parameters": {"colors": ["blue"]}},
        ],
    ),
    set_files("more", ["colors"]),
    EXPANSIONS,
)
NAMESPACES = {
    "none": {},
    "low": {"policy.moorage.dev/low": "enforce"},
    "both": {"policy.moorage.dev/low": "audit", "policy.moorage.dev/high": "warn"},
    "all": {f"policy.moorage.dev/{name}": "enforce" for name in ("low", "high", "more")},
    "kube-system": {"policy.moorage.dev/high": "enforce"},
}

names = st.sampled_from(["bad", "good", "web", "w.x"])
labels = st.fixed_dictionaries(
    {}, optional={"color": st.sampled_from(["red", "blue", "green"]), "size": st.sampled_from(["s", "xl"])}
)
pod_spec = st.just({"containers": [{"name": "app", "image": "app:1"}]})


def metadata(name: str, namespace: str, its: Mapping[str, str]) -> Object:
    return {"name": name, "namespace": namespace, **({"labels": dict(its)} if its else {})}


@st.composite
def workloads(draw: st.DrawFn) -> Object:
    kind = draw(
        st.sampled_from(["Pod", "Deployment", "ReplicaSet", "Job", "CronJob", "Service", "ConfigMap"])
    )
    own = metadata(draw(names), draw(st.sampled_from([*NAMESPACES])), draw(labels))
    template: Object = {"spec": draw(pod_spec)}
    if inner := draw(labels):
        template["metadata"] = {"labels": dict(inner)}
    match kind:
        case "Pod":
            return {"apiVersion": "v1", "kind": kind, "metadata": own, "spec": draw(pod_spec)}
        case "Service":
            spec: Object = {"selector": {"app": draw(st.sampled_from(["a", "b"]))}}
            return {"apiVersion": "v1", "kind": kind, "metadata": own, "spec": spec}
        case "ConfigMap":
            return {"apiVersion": "v1", "kind": kind, "metadata": own, "data": {"a": "b"}}
        case "CronJob":
            spec = {"schedule": "@daily", "jobTemplate": {"spec": {"template": template}}}
            return {"apiVersion": "batch/v1", "kind": kind, "metadata": own, "spec": spec}
        case "Job":
            return {"apiVersion": "batch/v1", "kind": kind, "metadata": own, "spec": {"template": template}}
        case _:
            return {"apiVersion": "apps/v1", "kind": kind, "metadata": own, "spec": {"template": template}}


def namespaces() -> list[Object]:
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(its)}}
        for name, its in NAMESPACES.items()
    ]


many = st.lists(workloads(), min_size=1, max_size=30, unique_by=who)


def pod(name: str = "bad", namespace: str = "shop", **fields: Any) -> Object:
    spec = {"containers": [{"name": "app", "image": "app:1"}]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata(name, namespace, {}),
        "spec": spec,
        **fields,
    }


def service(name: str, app: str = "a") -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name, "shop", {}),
        "spec": {"selector": {"app": app}},
    }


ALL = compile_policies([MIXED], now=NOW, everything=True)
