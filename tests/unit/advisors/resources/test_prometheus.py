"""Reading a server's answers, and refusing what cannot be asked."""

from __future__ import annotations

import httpx2
import msgspec
import numpy as np
import pytest

from moorage.advisors.resources.ends import ends_of
from moorage.advisors.resources.prometheus import (
    Endpoint,
    Prometheus,
    PrometheusError,
    _Answer,
    _Grid,
    _pieces,
    _values,
)
from moorage.advisors.resources.queries import Queries, is_namespace

from .helpers import pod


def values(text: str) -> tuple[int, list[float]]:
    first, found = _values(msgspec.Raw(text.encode()), 10.0)
    return first, found.tolist()


def test_pairs_are_put_on_the_grid_and_gaps_stay_gaps():
    first, found = values('[[100,"1.5"],[110,"2"],[130,"1e-3"]]')
    assert first == 10
    assert found[:2] == [1.5, 2]
    assert np.isnan(found[2])
    assert found[3] == pytest.approx(0.001)


def test_what_is_no_number_is_missing():
    _, found = values('[[100,"NaN"],[110,"+Inf"],[120,"3"]]')
    assert np.isnan(found[:2]).all()
    assert found[2] == 3


@pytest.mark.parametrize("text", ['[[100,"x"]]', '[[100,"1"],[110]]', '[{"a":1}]'])
def test_an_answer_that_is_something_else_is_refused(text: str):
    with pytest.raises(ValueError, match=r"number|convert"):
        values(text)


def test_nothing_is_nothing():
    assert values("[]") == (0, [])


def test_pieces_cover_a_range_once():
    pieces = list(_pieces(5, 1000, series=100_000))
    assert all(last - first < 10 for first, last in pieces)
    covered = [index for first, last in pieces for index in range(first, last + 1)]
    assert covered == list(range(5, 1001))


def test_pieces_in_any_order_come_to_the_same_series():
    parts = [(0, np.arange(3.0)), (3, np.arange(3.0, 5.0)), (2, np.array([2.0]))]
    for order in (parts, parts[::-1]):
        grid = _Grid(10.0)
        for index, part in order:
            grid.add(("a",), index, part)
        assert grid.samples()["a",].values.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("url", ["prometheus:9090", "ftp://host", "http://", ""])
def test_what_is_no_url_is_refused(url: str):
    with pytest.raises(PrometheusError, match="is not the URL"):
        Prometheus(Endpoint(url))


@pytest.mark.parametrize(
    ("said", "hint"),
    [("1:5: parse error", None), ("", "the URL is that below which /api/v1/query is")],
    ids=["the server says what is wrong with the query", "it does not speak the API"],
)
def test_the_url_is_blamed_only_where_nobody_says_what_is_wrong(said: str, hint: str | None):
    with Prometheus(Endpoint("http://localhost:1")) as server, pytest.raises(PrometheusError) as refused:
        server._refused(httpx2.Response(400), _Answer(status="error", error=said))
    assert said in refused.value.message
    assert (refused.value.hint or "").startswith(hint or "")
    assert bool(refused.value.hint) is bool(hint)


def test_headers_are_not_shown():
    assert "secret" not in repr(Endpoint("http://h", {"Authorization": "secret"}))


@pytest.mark.parametrize(
    ("name", "good"), [("shop", True), ("a-1", True), ('x"} or up{', False), ("A", False)]
)
def test_only_names_of_namespaces_get_into_queries(name: str, good: bool):
    assert is_namespace(name) is good


def test_a_selector_is_in_every_query():
    asked = Queries(("a", "b"), 'cluster="one"')
    for query in (
        asked.cpu(300),
        asked.killed(),
        asked.setting("limits"),
        asked.pod_owners(60),
        asked.nodes(),
    ):
        assert 'cluster="one"' in query
    assert 'namespace=~"a|b"' in asked.cpu(300)


def test_a_restart_counts_as_a_kill_only_when_its_end_was_one():
    killed, started = pod(kills=[2.0]).ooms, pod(kills=[2.0, 5.0]).restarts
    assert ends_of(killed, started).present.sum() == 1
