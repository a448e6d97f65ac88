"""How a field is traced to a value: probes, layers and literals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from moorage.advisors.sources.closure import closure_of, neighbours_of
from moorage.advisors.sources.model import Place
from moorage.advisors.sources.probing import Hit, could_lead_to, leaf_for
from moorage.advisors.sources.shape import translated
from moorage.advisors.sources.templates import literals
from moorage.manifests.editing.operations import ABSENT, Insert, Operation, Remove, Set

HERE = Place(Path("f"))
WHOLE = {"c": [{"name": "a", "r": {"x": 1}}, {"name": "b", "r": {"x": 2}}], "l": ["p", "q"]}


@pytest.mark.parametrize(
    ("before", "after", "leaf", "wanted", "new"),
    [
        ("", "", 2, 3, 3),
        ("", "", "2", "3", "3"),
        ("", "", "2", 3, "3"),
        ("", "", 2, "3", 3),
        ("", "", 1, "250m", "250m"),
        ("shop:", "", "1", "shop:2", "2"),
        ("shop:", "", 1, "shop:2", 2),
        ("shop:", "", 1, "shop:v2", "v2"),
        ("--memory=", "Mi", 64, "--memory=128Mi", 128),
        ("shop:", "", "1", "store:2", ABSENT),
        ("shop:", "", "1", "shop:", ABSENT),
        ("", "", "x", {"a": 1}, {"a": 1}),
        ("x", "", "x", {"a": 1}, ABSENT),
    ],
)
def test_what_a_value_must_be_for_its_field(
    before: str, after: str, leaf: Any, wanted: Any, new: Any
) -> None:
    assert leaf_for(Hit(HERE, (), before, after), leaf, wanted) == new


def test_a_value_may_lead_to_a_field_that_it_is_a_part_of() -> None:
    assert could_lead_to("1", "shop:1")
    assert not could_lead_to(True, "True")
    assert not could_lead_to("", "shop")


@pytest.mark.parametrize(
    ("operation", "part", "exact", "found"),
    [
        (Set(("c", 1, "r", "x"), 3), {"c": [{"name": "b", "r": {"x": 2}}]}, True, Set(("c", 0, "r", "x"), 3)),
        (Set(("c", 1, "r", "y"), 3), {"c": [{"name": "b", "r": {"x": 2}}]}, True, Set(("c", 0, "r", "y"), 3)),
        (Set(("c", 1, "r", "y"), 3), {"c": [{"name": "b"}]}, True, None),
        (Set(("c", 1, "r", "y"), 3), {"c": [{"name": "b"}]}, False, Set(("c", 0, "r"), {"y": 3})),
        (Set(("c", 1, "r", "y"), 3), {"c": [{"name": "a"}]}, False, None),
        (
            Remove(("c", 0, "r")),
            {"c": [{"name": "b", "r": 1}, {"name": "a", "r": 1}]},
            True,
            Remove(("c", 1, "r")),
        ),
        (Remove(("c", 0, "r")), {"c": [{"name": "a"}]}, True, None),
        (Insert(("l", 1), "n"), {"l": ["p", "q"]}, True, Insert(("l", 1), "n")),
        (Insert(("l", 1), "n"), {"l": ["q"]}, True, Insert(("l", 1), "n")),
        (Insert(("l", 1), "n"), {}, False, None),
    ],
)
def test_a_document_that_says_a_part_is_edited_at_the_same_names(
    operation: Operation, part: Any, *, exact: bool, found: Operation | None
) -> None:
    assert translated(operation, WHOLE, part, exact=exact) == found


def test_literals_are_lines_that_compute_nothing() -> None:
    text = 'a:\n  cpu: 1 # c\n  cpu: "1"\n  cpu: {{ .x }}\n  cpu: 1 {{ .x }}\n  - cpu: 1\r\n# cpu: 1\n'
    found = list(literals(text, "cpu", 1, "250m"))
    assert [each.line for each in found] == [2, 6]
    assert found[0].text == text.replace("cpu: 1 # c", "cpu: 250m # c")
    assert [each.line for each in literals(text, "cpu", "1", "2")] == [3]


def test_a_kustomization_is_made_of_what_it_names_wherever_it_does(tmp_path: Path) -> None:
    def put(name: str, text: str) -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file.resolve()

    (tmp_path / ".git").mkdir()
    base = put(
        "base/kustomization.yaml", "resources: [a.yaml]\nconfigMapGenerator:\n- files: [k=conf/x.txt]\n"
    )
    named = {base, put("base/a.yaml", "a: 1\n"), put("base/conf/x.txt", "x")}
    put("base/other.yaml", "a: 1\n")
    top = put("prod/kustomization.yml", "resources: [../base, https://example.org/x.yaml]\n")
    dev = put("dev/Kustomization", "resources: [../base]\npatches: [{path: p.yaml}]\n")
    patch = put("dev/p.yaml", "a: 1\n")
    put("apart/kustomization.yaml", "resources: []\n")
    assert closure_of(top.parent) == named | {top}
    assert neighbours_of(closure_of(top.parent)) == {dev.parent: named | {dev, patch}}
