"""What a lease's times must be for one leader at a time to be sure."""

from __future__ import annotations

import pytest

from moorage.kube.lease import LeaseTimes


def test_the_times_are_those_of_client_go() -> None:
    assert LeaseTimes() == LeaseTimes(15.0, 10.0, 2.0)


@pytest.mark.parametrize("times", [(10.0, 10.0, 2.0), (15.0, 2.0, 2.0), (15.0, 10.0, 0.0)])
def test_times_that_would_let_two_lead_or_none_are_refused(times: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="must outlast"):
        LeaseTimes(*times)
