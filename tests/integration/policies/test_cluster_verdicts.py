"""One verdict: every case of the library's suites, judged on the terminal and by the engine of a cluster."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from moorage.kube.kinds import NAMESPACE, Object
from moorage.kube.objects import FAILED, apply, create, delete, list_objects
from moorage.local.home import Home
from moorage.policies.cluster.resources import known_kind
from moorage.policies.compiling import compile_policies
from moorage.policies.engine import NotAnObjectError, Subject, judge
from moorage.policies.levels import EXEMPT_NAMESPACES
from moorage.policies.load import builtin_library_path, load_library
from moorage.policies.model import Library

from .trial import Trial, trial_cluster

# They ask what a request changes (one judges what is made alone, one compares with what there was). The
# terminal knows files, and none of these requests.
ABOUT_CHANGES = {"naked-pods", "hpa-replicas-conflict"}
SYNC_SECONDS = 15

Said = frozenset[tuple[str, str]]
_LINE = re.compile(r"^\[([^\]]+)\] (?:\[Implied by [^\]]+\] )?(.*)$")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Case:
    """A case of a suite."""

    policy: str
    name: str
    operation: str
    content: Object
    old: Object | None
    inventory: tuple[Object, ...]

    @property
    def id(self) -> str:
        return f"{self.policy}/{self.name}"


def documents(path: Path) -> list[Any]:
    found = [item for item in yaml.load_all(path.read_text(), Loader=_LOADER) if item]
    return list(json.loads(json.dumps(found, default=str)))


def cases(root: Path) -> Iterator[Case]:
    for suite in sorted(root.glob("policies/*/suite.yaml")):
        for test in documents(suite)[0]["tests"]:
            for case in test.get("cases") or ():
                inventory = [
                    item for file in case.get("inventory") or () for item in documents(suite.parent / file)
                ]
                for item in documents(suite.parent / case["object"]):
                    request = item["request"] if item.get("kind") == "AdmissionReview" else {"object": item}
                    yield Case(
                        suite.parent.name,
                        case["name"],
                        request.get("operation", "CREATE"),
                        request.get("object") or {},
                        request.get("oldObject"),
                        tuple(inventory),
                    )


def placed(content: Object | None, namespace: str | None = None) -> Object | None:
    """Put an object into the namespace it says, or into one of the case's own."""
    if not content or not isinstance(content.get("metadata"), dict):
        return content
    found = known_kind(None, str(content.get("kind")))
    if found is not None and not found.namespaced:
        return content
    metadata = content["metadata"]
    return {
        **content,
        "metadata": {**metadata, "namespace": namespace or metadata.get("namespace") or "default"},
    }


def review(case: Case, namespace: str | None) -> Object:
    content, old = placed(case.content, namespace), placed(case.old, namespace)
    shown = content or old or {}
    group, _, version = str(shown.get("apiVersion", "")).rpartition("/")
    kind, metadata = str(shown.get("kind", "")), shown.get("metadata") or {}
    known = known_kind(group, kind)
    where = metadata.get("name") if kind == "Namespace" else metadata.get("namespace")
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": str(uuid.uuid4()),
            "kind": {"group": group, "version": version, "kind": kind},
            "resource": {
                "group": group,
                "version": version,
                "resource": known.plural if known else f"{kind.lower()}s",
            },
            "name": metadata.get("name", ""),
            "namespace": where or "",
            "operation": case.operation,
            # Nobody's: what is excepted for controllers alone is another test's.
            "userInfo": {"username": ""},
            "object": content or None,
            "oldObject": old,
        },
    }


async def ask(http: httpx2.AsyncClient, trial: Trial, case: Case, namespace: str | None = None) -> Said:
    """Return what the engine of the cluster says."""
    answer = await http.post(f"{trial.engine.server}/v1/admit", json=review(case, namespace))
    response = answer.json()["response"]
    if response["allowed"]:
        return frozenset()
    status = response["status"]
    assert status["code"] == 403, f"{case.id}: {status}"
    assert trial.wanted is not None
    names = {key.name: meaning.policy for key, meaning in trial.wanted.meanings.items()}
    found: list[tuple[str, str]] = []
    for line in status["message"].split("\n"):
        match = _LINE.match(line)
        if match and match[1] in names:
            found.append((names[match[1]], match[2]))
        else:
            policy, message = found.pop()
            found.append((policy, f"{message}\n{line}"))
    return frozenset(found)


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library(builtin_library_path())


@pytest.fixture(scope="module")
async def trial(platform: Home, library: Library) -> AsyncIterator[Trial]:
    async with trial_cluster(platform) as trial:
        decided = await trial.settle(compile_policies([library], now=datetime.now(UTC), everything=True))
        assert decided.invalid == ()
        yield trial


def plain(said: Said) -> Said:
    """Leave aside the engine's words for an expression that it cannot evaluate: that it refuses counts."""
    return frozenset(
        (policy, "cannot be evaluated" if "resulted in error" in message else message)
        for policy, message in said
    )


def differences(case: Case, cluster: Said, terminal: Said) -> list[str]:
    cluster, terminal = plain(cluster), plain(terminal)
    if case.operation == "UPDATE":
        cluster, terminal = (
            frozenset(item for item in said if item[0] not in ABOUT_CHANGES) for said in (cluster, terminal)
        )
    return [
        *(f"{case.id}: only the cluster: {item}" for item in sorted(cluster - terminal)),
        *(f"{case.id}: only the terminal: {item}" for item in sorted(terminal - cluster)),
    ]


@pytest.mark.timeout(1200)
async def test_terminal_and_cluster_say_the_same_of_every_case(
    trial: Trial, library: Library, gator: Path
) -> None:
    everything = list(cases(builtin_library_path()))
    assert {case.policy for case in everything} == set(library.policies)
    alone = [case for case in everything if not case.inventory]
    compiled = compile_policies([library], now=datetime.now(UTC), everything=True)
    reading = {policy.name for policy in library.policies.values() if policy.inventory}
    room = asyncio.Semaphore(4)
    async with trial.http() as http:

        async def one(place: int, case: Case) -> Said:
            # Each in a namespace of its own: the engine takes two objects of one name for one object.
            async with room:
                metadata = {"name": f"case-{place}"}
                await apply(trial.client, NAMESPACE, {"metadata": metadata}, field_manager="test")
                return await ask(http, trial, case, f"case-{place}")

        said = await asyncio.gather(*(one(place, case) for place, case in enumerate(alone)))
    labels = await namespaces(trial)
    subjects: dict[int, Subject] = {}
    for place, case in enumerate(alone):
        if case.operation != "DELETE":
            try:
                subjects[place] = Subject.of(placed(case.content, f"case-{place}") or {})
            except NotAnObjectError:
                continue
    places = list(subjects)
    judgement = await asyncio.to_thread(
        judge, compiled, list(subjects.values()), namespaces=labels, gator=gator, keep_going=True
    )
    assert judgement.failures == ()
    verdicts: defaultdict[int, set[tuple[str, str]]] = defaultdict(set)
    for finding in judgement.findings:
        verdicts[places[finding.subject]].add((finding.policy, finding.message))
    found = []
    for place, case in enumerate(alone):
        # On the terminal, the subjects of all cases are each other's inventory: that is for the test below.
        cluster = frozenset(item for item in said[place] if item[0] not in reading)
        terminal = frozenset(item for item in verdicts[place] if item[0] not in reading)
        found += differences(case, cluster, terminal)
    assert found == []
    assert sum(map(bool, said)) > len(alone) / 4  # they do refuse
    assert not [case.id for place, case in enumerate(alone) if case.operation == "DELETE" and said[place]]


@pytest.mark.timeout(1200)
async def test_they_say_the_same_of_what_reads_other_objects(
    trial: Trial, library: Library, gator: Path
) -> None:
    compared, found = 0, []
    async with trial.http() as http:
        for case in cases(builtin_library_path()):
            if not case.inventory or case.operation == "DELETE":
                continue
            made = [item for item in map(placed, case.inventory) if item is not None]
            try:
                if not await bring_in(trial, made):
                    continue  # the API server would never have such an object
                if case.content.get("metadata"):
                    await make_namespace(trial, placed(case.content))
                own = {case.policy: library.policies[case.policy]}
                only = Library(library.name, "", "", own, {}, library.expansions, case.policy)
                compiled = compile_policies([only], now=datetime.now(UTC), everything=True)
                judgement = await asyncio.to_thread(
                    judge,
                    compiled,
                    [Subject.of(placed(case.content) or {})],
                    namespaces=await namespaces(trial),
                    gator=gator,
                    inventory=[Subject.of(item) for item in made],
                )
                terminal = frozenset((item.policy, item.message) for item in judgement.findings)
                for _ in range(SYNC_SECONDS * 5):  # the engine hears of new objects a moment later
                    said = await ask(http, trial, case)
                    cluster = frozenset(item for item in said if item[0] == case.policy)
                    if not (different := differences(case, cluster, terminal)):
                        break
                    await asyncio.sleep(0.2)
                found += different
                compared += 1
            finally:
                await take_out(trial, made)
    assert found == []
    assert compared > 50


async def namespaces(trial: Trial) -> dict[str, Mapping[str, str]]:
    return {
        item["metadata"]["name"]: item["metadata"].get("labels") or {}
        for item in await list_objects(trial.client, NAMESPACE)
        if item["metadata"]["name"] not in EXEMPT_NAMESPACES
    }


async def make_namespace(trial: Trial, content: Object | None) -> None:
    if namespace := ((content or {}).get("metadata") or {}).get("namespace"):
        await apply(trial.client, NAMESPACE, {"metadata": {"name": namespace}}, field_manager="test")


async def bring_in(trial: Trial, objects: list[Object]) -> bool:
    """Create objects, and the namespaces that they are in; say whether the API server takes them all."""
    for item in objects:
        kind = known_kind(str(item["apiVersion"]).rpartition("/")[0], item["kind"])
        if kind is None or not item["metadata"].get("name"):
            return False
        await make_namespace(trial, item)
        try:
            await create(trial.client, kind, item, field_manager="test")
        except FAILED:
            return False
    return True


async def take_out(trial: Trial, objects: list[Object]) -> None:
    for item in objects:
        kind = known_kind(str(item["apiVersion"]).rpartition("/")[0], item["kind"])
        name = item["metadata"].get("name")
        if kind is not None and kind != NAMESPACE and name:
            await delete(trial.client, kind, name, item["metadata"].get("namespace"))
