"""A short soak, from its command: three runs under faults of many kinds, one of them resumed, and nothing broken."""

import json

import pytest

from tests.e2e.running import fleet

pytestmark = pytest.mark.e2e


def test_a_short_soak_ends_with_nothing_broken():
    done = fleet("soak", "--minutes", "1", "--every", "4", "--seed", "11", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    soaked = json.loads(done.stdout)
    assert soaked["broken"] == []
    assert sum(kind["struck"] for kind in soaked["kinds"].values()) >= 5
