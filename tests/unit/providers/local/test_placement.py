"""Where machines are."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from moorage.providers.local.machine.placement import Place, Placements, choose

ZONES = ("a", "b", "c")

uids = st.lists(st.uuids().map(str), unique=True, min_size=1, max_size=40)


@given(uids)
def test_machines_that_are_made_at_once_are_spread_evenly_and_have_addresses_of_their_own(found):
    placements = Placements()
    places = [placements.place("web-1", uid, ZONES, None, {}) for uid in found]
    counts = Counter(place.zone for place in places)
    assert max(counts.values()) - min(counts[zone] for zone in ZONES) <= 1
    assert len({place.address for place in places}) == len(found)


@given(uids, st.data())
def test_a_place_once_given_is_given_again_whatever_has_become_known(found, data):
    placements, known = Placements(), {}
    for uid in found:
        given_place = placements.place("web-1", uid, ZONES, None, known)
        assert placements.place("web-1", uid, ZONES, None, known) == given_place
        if data.draw(st.booleans()):
            known[uid] = given_place
    assert len({place.address for place in known.values()}) == len(known)


def test_a_zone_that_is_decided_on_is_kept_to():
    others = [Place("b", f"10.64.0.{number}") for number in range(1, 9)]
    assert choose("uid", ZONES, "b", others).zone == "b"


def test_the_emptiest_zone_comes_next():
    others = [Place("a", "10.64.0.1"), Place("c", "10.64.0.2"), Place("c", "10.64.0.3")]
    assert choose("uid", ZONES, None, others).zone == "b"


def test_clusters_do_not_get_in_each_others_way():
    placements = Placements()
    assert placements.place("web-1", "uid", ZONES, None, {}) == placements.place(
        "two-2", "uid", ZONES, None, {}
    )


def test_the_place_of_a_machine_that_is_gone_is_free_again():
    placements = Placements()
    first = placements.place("web-1", "uid", ["a"], None, {})
    placements.forget("web-1", "uid")
    placements.forget("web-1", "never-there")
    assert choose("uid", ["a"], None, []) == first
    assert placements.place("web-1", "uid", ["a"], None, {}) == first
