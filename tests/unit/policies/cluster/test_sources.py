"""Bundles for clusters: kept while a registry is away, asked for again, and never without the signature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.policies.builders import library, policy_files, set_files

from moorage.policies.bundles.errors import RegistryError, SignatureError
from moorage.policies.bundles.keys import PrivateKey
from moorage.policies.bundles.reference import Reference
from moorage.policies.bundles.transfer import Trust
from moorage.policies.cluster import sources
from moorage.policies.cluster.condition import of_plan
from moorage.policies.cluster.controller import _refused
from moorage.policies.cluster.plan import Invalid, Memory, Plan
from moorage.policies.cluster.sources import BundleMissingError, BundleUnsignedError, Sources
from moorage.policies.compiling import compile_policies
from moorage.policies.model import Action, PolicyError

CHANNEL = "registry.example/policies:stable"
PINNED = f"registry.example/policies@sha256:{'0' * 64}"


@dataclass
class World:
    """A registry, and the ConfigMap with the keys that count."""

    now: datetime = datetime(2026, 11, 24, tzinfo=UTC)
    digest: str = f"sha256:{'1' * 64}"
    error: Exception | None = None
    keys: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, Trust]] = field(default_factory=list)

    async def pull(self, reference: Reference, *, trust: Trust) -> Any:
        self.asked.append((str(reference), trust))
        if self.error is not None:
            raise self.error
        pinned = reference.pinned(self.digest)
        return SimpleNamespace(reference=pinned, library=SimpleNamespace(origin=str(pinned)))

    async def get(self, *_: Any) -> Any:
        return {"data": self.keys} if self.keys else None

    def later(self, **duration: float) -> None:
        self.now += timedelta(**duration)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(sources, "pull", world.pull)
    monkeypatch.setattr(sources, "get", world.get)
    return world


@pytest.fixture
def taking(world: World) -> Callable[[str], Any]:
    found = Sources(None, lambda: world.now)  # type: ignore[arg-type]
    return lambda reference: found.take([reference])


async def test_a_channel_is_asked_for_again_and_a_digest_is_not(world: World, taking: Any) -> None:
    for reference in (CHANNEL, PINNED, CHANNEL, PINNED):
        await taking(reference)
    assert len(world.asked) == 2
    world.digest = f"sha256:{'2' * 64}"
    world.later(minutes=6)
    [taken] = await taking(CHANNEL)
    await taking(PINNED)
    assert taken.digest == world.digest
    assert [reference for reference, _ in world.asked].count(PINNED) == 1


async def test_a_registry_that_is_away_takes_no_policies_away(world: World, taking: Any) -> None:
    before = await taking(CHANNEL)
    world.error = RegistryError("nobody answers")
    world.later(hours=1)
    assert await taking(CHANNEL) == before


async def test_what_was_never_had_is_missing(world: World, taking: Any) -> None:
    world.error = RegistryError("nobody answers")
    with pytest.raises(BundleMissingError, match="nobody answers"):
        await taking(CHANNEL)


async def test_other_keys_have_everything_checked_anew(world: World, taking: Any) -> None:
    await taking(PINNED)
    key = PrivateKey.generate().public
    world.keys = {"ours.pub": key.pem.decode()}
    world.error = SignatureError("nobody has signed it")
    world.later(minutes=1)
    with pytest.raises(BundleUnsignedError, match="nobody has signed it"):
        await taking(PINNED)
    [(_, before), (_, after)] = world.asked
    assert before.keys == ()
    assert [item.fingerprint for item in after.keys] == [key.fingerprint]


async def test_a_key_that_is_none_lets_nothing_through(world: World, taking: Any) -> None:
    world.keys = {"broken.pub": "not a key"}
    with pytest.raises(BundleUnsignedError):
        await taking(PINNED)
    assert world.asked == []


def test_the_condition_says_what_does_not_judge_and_that_the_others_do() -> None:
    invalid = tuple(Invalid(f"p{number}", "its template", "it does not compile") for number in range(5))
    said = of_plan(Plan((), 0, invalid, Memory(), settled=True), 60, 200, 0)
    assert (said.ok, said.reason) == (False, "TemplateInvalid")
    assert "policy p0: its template: it does not compile" in said.message
    assert "and 2 more" in said.message
    fine = of_plan(Plan((), 0, (), Memory(), settled=True), 63, 200, 1)
    assert (fine.ok, fine.message) == (True, "63 policies judge; 1 exception counts")
    busy = of_plan(Plan((), 150, (), Memory(), settled=False), 63, 200, 0)
    assert (busy.ok, busy.reason, busy.message) == (
        False,
        "Progressing",
        "50 of 200 constraints are taken up",
    )


def test_a_floor_of_a_set_that_there_is_not_says_which_there_are() -> None:
    with pytest.raises(PolicyError) as error:
        compile_policies(
            [library(policy_files("p"), set_files("baseline", ["p"]))],
            floor={"basline": Action.WARN},
            now=datetime(2026, 11, 24, tzinfo=UTC),
        )
    said = _refused(error.value)
    assert (said.ok, said.reason) == (False, "FloorInvalid")
    assert said.message == "there is no set 'basline' (there are: baseline)"
