"""`moorage advise resources`: what is wrong with a command line is said before any server is asked."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from moorage.cli.advise_resources import _matchers, _prices
from moorage.cli.main import run
from moorage.errors import MoorageError


@pytest.mark.parametrize(
    ("told", "matchers"),
    [
        ("", ""),
        ("{}", ""),
        ('cluster="one"', 'cluster="one"'),
        ('{cluster="one"}', 'cluster="one"'),
        ('a="}"', 'a="}"'),
        ("a='x', b=~`y`,", "a='x', b=~`y`"),
        (r'a!~"\""', r'a!~"\""'),
    ],
)
def test_a_selector_is_put_into_queries_as_it_is(told, matchers):
    assert _matchers(told) == matchers


@pytest.mark.parametrize(
    "told", ["banana", "cluster=one", ",", 'a="x" b="y"', 'a="x"} or up{a="y"', 'a="\\"', 'a=="x"']
)
def test_what_is_no_selector_is_not_put_into_a_query(told):
    with pytest.raises(MoorageError, match=r"--selector .* does not choose series"):
        _matchers(told)


MACHINE = "kind: MachineType\nmetadata: {{name: m1}}\nspec: {}\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hello", "has no MachineType"),
        ("items: 3", "has no MachineType"),
        ("[1, 2]", "has no MachineType"),
        ("a: [", "is not YAML"),
        (MACHINE.format("{cpu: 4, memory: 8Gi}"), "there is no MachineType with a price"),
        (MACHINE.format("banana"), "MachineType m1: its spec is not that of a MachineType"),
        (MACHINE.format("{pricePerHour: {amount: '1', currency: EUR}}"), "MachineType m1: it has no cpu"),
        (
            MACHINE.format("{cpu: x, memory: 8Gi, pricePerHour: {amount: '1', currency: EUR}}"),
            'MachineType m1: "x" is not a quantity',
        ),
        (
            MACHINE.format("{cpu: 4, memory: 8Gi, pricePerHour: {amount: dear, currency: EUR}}"),
            "MachineType m1: its price is no number",
        ),
    ],
)
def test_a_file_that_has_no_prices_is_told_by_its_name_and_what_is_wrong_with_it(
    text, says, tmp_path, capsys
):
    file = tmp_path / "types.yaml"
    file.write_text(text)
    assert run(["advise", "resources", "--prometheus", "http://localhost:1", "--prices", str(file)]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {file}")
    assert says in told
    assert "a bug of moorage" not in told


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--window", "soon"], "--window soon is no length of time"),
        (["--step", "30s"], "--step 30s is too short"),
        (["--step", "2d", "--window", "3d"], "--step 2d does not go with --window 3d"),
        (["--selector", "banana"], "--selector banana does not choose series"),
    ],
)
def test_misuse_is_told(more, says, capsys):
    assert run(["advise", "resources", "--prometheus", "http://localhost:1", *more]) == 2
    assert says in capsys.readouterr().err


def test_prices_are_not_taken_from_two_places(capsys, tmp_path):
    assert run(["advise", "resources", "--prometheus", "http://x", "--prices", "f", "--machine-types"]) == 2
    assert "name one of them" in capsys.readouterr().err


def test_prices_are_taken_from_the_platform(monkeypatch):
    @asynccontextmanager
    async def management():
        yield None

    async def offered(_client):
        price = {"amount": "0.46", "currency": "EUR"}
        sizes = ({"cpu": "4", "memory": "16Gi", "pricePerHour": price}, {"cpu": "2", "memory": "4Gi"})
        return [{"metadata": {"name": spec["cpu"]}, "spec": spec} for spec in sizes]

    monkeypatch.setattr("moorage.cli._run.management", management)
    monkeypatch.setattr("moorage.cli._edit.machine_types_by_size", offered)
    prices = _prices(None, platform=True)
    assert prices is not None
    assert (prices.currency, round(4 * prices.core + 16 * prices.gib, 6)) == ("EUR", 0.46)
    assert _prices(None, platform=False) is None
