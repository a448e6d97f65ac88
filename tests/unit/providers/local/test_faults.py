"""Faults and their names."""

from __future__ import annotations

import pytest

from moorage.providers.local.faults import SYMPTOMS, Fault


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_has_a_symptom_and_a_reason_in_one_word(fault):
    assert SYMPTOMS[fault].summary
    assert fault.reason.isalpha()
    assert fault.reason[0].isupper()
