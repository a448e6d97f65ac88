"""Exceptions in both languages: what Gatekeeper excepts is what `excepts` says."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.policies.builders import REGO, library, policy_files

from moorage.policies.compiling import compile_policies
from moorage.policies.engine import judge
from moorage.policies.exceptions import excepts
from moorage.policies.model import PolicyException, Target

from .engine import NOW, Object, few, plainly, pod, subjects, who

kinds = st.sampled_from(["", "Pod", "Deployment", "ReplicaSet", "Job", "CronJob", "Namespace"])
patterns = st.sampled_from(["", "web", "web-*", "*", "web-1", "w*"])
targets = st.builds(
    Target,
    kind=kinds,
    name=patterns,
    labels=st.dictionaries(st.sampled_from(["app", "tier"]), st.sampled_from(["a", "b"]), max_size=2),
)
owners = st.fixed_dictionaries(
    {
        "apiVersion": st.just("v1"),
        "kind": st.sampled_from(["Deployment", "ReplicaSet", "Job", "CronJob"]),
        "name": st.sampled_from(["web", "web-1", "web-5d4f", "web-job", "web-x-2", "api-1"]),
        "uid": st.just("u"),
    }
)
named = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["web", "web-1", "web-pod", "api", "shop"]),
        "namespace": st.sampled_from(["shop", "other"]),
    },
    optional={
        "labels": st.dictionaries(
            st.sampled_from(["app", "tier", "pod-template-hash"]),
            st.sampled_from(["a", "b", "5d4f", "1", ""]),
        ),
        "ownerReferences": st.lists(owners, max_size=2),
    },
)


@st.composite
def owned(draw: st.DrawFn) -> Object:
    kind = draw(st.sampled_from(["Pod", "Job", "Deployment", "Namespace"]))
    own = draw(named)
    if kind == "Namespace":
        del own["namespace"]
    version = {"Pod": "v1", "Namespace": "v1", "Job": "batch/v1", "Deployment": "apps/v1"}[kind]
    return {"apiVersion": version, "kind": kind, "metadata": own}


NEVER = library(
    policy_files("cel-never", code={"validations": [{"expression": "false", "message": "no"}]}, match={}),
    policy_files("rego-never", rego='package never\n\nviolation contains {"msg": "no"}\n', match={}),
)


@given(objects=st.lists(owned(), min_size=1, max_size=40, unique_by=who), target=targets)
@settings(few, max_examples=40)
def test_both_languages_except_what_python_says(gator: Path, objects: list[Object], target: Target):
    exceptions = [
        PolicyException("shop", "it", policy, target, "It has to be.", "ann", NOW + timedelta(days=1))
        for policy in NEVER.policies
    ]
    compiled = compile_policies([NEVER], exceptions=exceptions, now=NOW, everything=True)
    judgement = judge(compiled, subjects(objects), namespaces={}, gator=gator)
    refused = {(finding.policy, finding.subject) for finding in judgement.findings}
    wanted = {
        (policy, place)
        for policy in NEVER.policies
        for place, obj in enumerate(objects)
        if not excepts(exceptions[0], obj)
    }
    assert refused == wanted
    assert {finding.message for finding in judgement.findings} <= {"no"}


def test_an_exception_for_another_policy_excepts_nothing(gator: Path):
    other = PolicyException(
        "shop", "it", "cel-never", Target(name="*"), "It has to be.", "ann", NOW + timedelta(1)
    )
    compiled = compile_policies([NEVER], exceptions=[other], now=NOW, everything=True)
    judgement = judge(compiled, subjects([pod()]), namespaces={}, gator=gator)
    assert [finding.policy for finding in judgement.findings] == ["rego-never"]


def test_rego_of_the_old_version_is_guarded_too(gator: Path):
    files = policy_files("old-rego", rego=REGO)
    path = "policies/old-rego/template.yaml"
    template = json.loads(files[path])
    old = 'package old\n\nviolation[{"msg": "bad"}] {\n\tinput.review.object.metadata.name == "bad"\n}\n'
    template["spec"]["targets"] = [{"target": "admission.k8s.gatekeeper.sh", "rego": old}]
    found = library({**files, path: json.dumps(template).encode()})
    excepted = PolicyException(
        "shop", "it", "old-rego", Target("Pod"), "It has to be.", "ann", NOW + timedelta(1)
    )
    for exceptions, count in (([], 2), ([excepted], 1)):
        compiled = compile_policies([found], exceptions=exceptions, now=NOW, everything=True)
        judgement = judge(compiled, subjects([pod(), pod(namespace="other")]), namespaces={}, gator=gator)
        assert len(judgement.findings) == count
        assert sum(plainly(gator, compiled, [pod(), pod(namespace="other")]).values()) == count
