"""Where messages point is remembered, and is the same as if it had been looked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.cache import Cache
from moorage.manifests.model import Item, Manifest, Where
from moorage.policies.inputs import spots as module
from moorage.policies.inputs.spots import Question, spots

TEXT = """\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: app
    image: app:latest
"""
CONTENT = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {"containers": [{"name": "app", "image": "app:latest"}]},
}
MESSAGE = 'container "app": image is "app:latest"; must have another tag'


def question(
    before: str = "", *, message: str = MESSAGE, shown: str = "pod.yaml", text: str = TEXT
) -> Question:
    manifest = Manifest(shown, before + text)
    return Question(Item(CONTENT, manifest, len(before), len(before) + len(text)), message, made=False)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was looked for, and not remembered."""
    seen: list[str] = []
    real = module.field_where

    def look(item: Item, message: str, *, made: bool) -> Where | None:
        seen.append(message)
        return real(item, message, made=made)

    monkeypatch.setattr(module, "field_where", look)
    return seen


def test_a_place_is_looked_for_once(tmp_path: Path, looks: list[str]):
    for _ in range(2):
        with Cache(tmp_path) as cache:
            assert spots([question(), question()], cache) == [Where("pod.yaml", 7, 5)] * 2
    assert looks == [MESSAGE]


def test_a_place_moves_with_its_document(tmp_path: Path, looks: list[str]):
    with Cache(tmp_path) as cache:
        spots([question()], cache)
        [moved] = spots([question("a: b\n---\n", shown="other.yaml")], cache)
    assert (moved, looks) == (Where("other.yaml", 9, 5), [MESSAGE])


def test_that_there_is_no_telling_is_remembered_too(tmp_path: Path, looks: list[str]):
    with Cache(tmp_path) as cache:
        for _ in range(2):
            assert spots([question(message="it is so")], cache) == [None]
    assert looks == ["it is so"]


@pytest.mark.parametrize(
    "other",
    [
        question(message=MESSAGE.replace("image", "name")),
        question(text=TEXT.replace("app:", "x: 1\n    image: app:")),
    ],
)
def test_another_message_or_text_is_looked_for(tmp_path: Path, looks: list[str], other: Question):
    with Cache(tmp_path) as cache:
        spots([question()], cache)
        spots([other], cache)
    assert len(looks) == 2


def test_without_a_cache_it_is_the_same():
    assert spots([question()], Cache(None)) == [Where("pod.yaml", 7, 5)]


@given(text=st.text("ab\n", max_size=60), places=st.lists(st.integers(0, 60), max_size=20))
def test_a_line_is_the_same_in_whatever_order_it_is_asked_for(text: str, places: list[int]):
    manifest = Manifest("pod.yaml", text)
    assert [manifest.line_at(place) for place in places] == [text.count("\n", 0, place) for place in places]
