"""What a fleet may have open: raised where that is allowed, refused in plain words where it isn't."""

import resource
from collections.abc import Callable

import pytest

from fleet.core.errors import BadInput
from fleet.core.platform import require_descriptors

Limits = Callable[[int, int], list[tuple[int, int]]]


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Limits:
    """From its call on those are this process's limits; what is set instead comes to stand in the list."""

    def stand(soft: int, hard: int) -> list[tuple[int, int]]:
        given: list[tuple[int, int]] = []
        monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
        monkeypatch.setattr(resource, "setrlimit", lambda _, pair: given.append(pair))
        return given

    return stand


def test_the_soft_limit_is_raised_as_far_as_needed(limits: Limits) -> None:
    given = limits(1024, 20_000)
    require_descriptors(200)
    assert given == []
    require_descriptors(1000)
    assert given == [(3256, 20_000)]


def test_a_hard_limit_below_that_is_named_with_what_is_needed(limits: Limits) -> None:
    given = limits(1024, 2048)
    with pytest.raises(BadInput, match=r"1000 learners need 3256 open files, and the hard limit .* is 2048"):
        require_descriptors(1000)
    assert given == []


def test_no_limit_is_enough(limits: Limits) -> None:
    limits(resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    require_descriptors(1000)
