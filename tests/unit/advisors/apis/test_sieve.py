"""The sieve never changes what is found: whatever reading a text would find, the sieve lets through."""

from __future__ import annotations

import base64
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from moorage.advisors.apis.files import Sieve
from moorage.advisors.apis.objects import named, own, registrations
from moorage.advisors.apis.table import table
from moorage.manifests.documents import BrokenManifestError, documents

_GOING = sorted({api.name for api in table() if api.goes})


_STYLES = {
    "plain": "{text}",
    "single": "'{text}'",
    "double": '"{letters}"',
    "binary": "!!binary {base64}",
    "verbatim": "!<tag:yaml.org,2002:binary> {base64}",
    "tagged": "!!str {text}",
    "block": "|-\n    {text}",
}
_SHAPES = {
    "object": "apiVersion: {version}\nkind: {kind}\n",
    "turned": "kind: {kind}\nmetadata: {{name: a}}\napiVersion: {version}\n",
    "list": "kind: List\napiVersion: v1\nitems:\n- apiVersion: {version}\n  kind: {kind}\n",
    "nested": "kind: A\napiVersion: e.com/v1\nspec:\n  ref:\n    apiVersion: {version}\n    kind: {kind}\n",
    "anchor": "x: &v {version}\napiVersion: *v\nkind: {kind}\n",
    "merge": "x: &v\n  apiVersion: {version}\n<<: *v\nkind: {kind}\n",
    "second": "apiVersion: v1\nkind: Pod\n---\napiVersion: {version}\nkind: {kind}\n",
}


@st.composite
def scalars(draw: st.DrawFn, text: str) -> str:
    """A text as YAML may write it."""
    return draw(st.sampled_from(sorted(_STYLES.values()))).format(
        text=text,
        letters="".join(draw(letters(letter)) for letter in text),
        base64=base64.b64encode(text.encode()).decode(),
    )


def letters(letter: str) -> st.SearchStrategy[str]:
    code = ord(letter)
    return st.sampled_from(
        [letter, letter, letter, f"\\x{code:02x}", f"\\u{code:04X}", f"\\U{code:08x}", f"{letter}\\\n   "]
    )


@st.composite
def manifests(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(_GOING))
    shape = draw(st.sampled_from(sorted(_SHAPES.values())))
    return shape.format(version=draw(scalars(name.api_version)), kind=draw(scalars(name.kind)))


def goes(value: Any) -> bool:
    if isinstance(value, dict) and all(isinstance(value.get(key), str) for key in ("apiVersion", "kind")):
        items = value.get("items")
        if isinstance(items, list) and any(goes(item) for item in items):
            return True
        return bool(own(value, table()) or list(named(value, table())) or list(registrations(value, table())))
    return False


@settings(max_examples=400, deadline=None)
@given(manifests())
@example('apiVersion: "batch\\/v1beta1"\nkind: CronJob\n')
@example("%TAG !e! tag:yaml.org,2002:\n---\napiVersion: !e!binary YmF0Y2gvdjFiZXRhMQ==\nkind: CronJob\n")
@example("apiVersion: !!%62inary YmF0Y2gvdjFiZXRhMQ==\nkind: CronJob\n")
@example('{"apiVersion": "batch\\/v1beta1", "kind": "CronJob"}')
def test_what_reading_finds_the_sieve_lets_through(text: str) -> None:
    found = [each for each in documents(text) if not isinstance(each, BrokenManifestError)]
    if any(goes(document.value) for document in found):
        assert Sieve(table())(text)


def test_most_of_what_is_generated_is_found() -> None:
    """So that the property above is about something."""
    seen: list[bool] = []

    @settings(max_examples=100, deadline=None, database=None)
    @given(manifests())
    def look(text: str) -> None:
        seen.append(
            any(goes(each.value) for each in documents(text) if not isinstance(each, BrokenManifestError))
        )

    look()
    assert sum(seen) > len(seen) / 2
