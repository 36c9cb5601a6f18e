"""Which strikes can't go together: two at once on one process, or any on a robot that isn't there. Pure.

Rounds and seconds are two clocks that nobody can compare beforehand: strikes are only held against others by the same.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from fleet.core.faults.errors import PlanError, entry_error
from fleet.core.faults.strike import Strike

# How long a learner counts as away that is brought back by the supervision, or after seconds: its round and the next.
_RESTART_ROUNDS = 2


def check_overlaps(strikes: Iterable[Strike]) -> None:
    """Raise PlanError if two of the plan's strikes can't go together."""
    for group in _by_victim(strikes).values():
        group.sort(key=lambda strike: (window(strike)[0], strike.entry))
        active: list[Strike] = []
        for later in group:
            active = [earlier for earlier in active if _meets(earlier, later)]
            for earlier in active:
                if _clash(earlier, later):
                    raise _clash_error(earlier, later)
            active.append(later)


def fits_between(random: Sequence[Strike], planned: Iterable[Strike]) -> list[Strike]:
    """Those of the strikes `random` that go together with the planned ones."""
    groups = _by_victim(planned)
    return [
        strike for strike in random if not any(_collide(strike, other) for other in groups.get(_victim(strike), ()))
    ]


def check_presence(strikes: Iterable[Strike], learners: int) -> None:
    """Raise PlanError if by joins and leaves there comes a round in which no robot is there."""
    joins = {strike.learner: strike for strike in strikes if strike.kind == "join"}
    leaves = {strike.learner: strike for strike in strikes if strike.kind == "leave"}
    if len(joins) == learners:
        late = min(joins.values(), key=lambda strike: window(strike)[1])
        raise entry_error(late.entry, "join", "no robot is there in round 0; at least one must be", "robots")
    if len(leaves) == learners:
        last = max(leaves.values(), key=lambda strike: (window(strike)[0], strike.entry))
        raise entry_error(last.entry, "leave", "no robot stays; at least one must", "robots")
    for last in leaves.values():
        now = window(last)[0]
        there = (
            learner
            for learner in range(learners)
            if not (learner in joins and window(joins[learner])[1] > now)
            and not (learner in leaves and window(leaves[learner])[0] <= now)
        )
        if last.round is not None and next(there, None) is None:
            raise entry_error(last.entry, "leave", f"no robot is there in round {now:g}; at least one must be", "round")


def window(strike: Strike) -> tuple[float, float]:
    """From when to when (exclusive) a strike has its robots, in rounds, or in seconds if it strikes by the clock."""
    if strike.kind == "join":
        return -1, _start(strike)
    start, about = _start(strike), strike.about
    if strike.until is not None:
        return start, strike.until
    if strike.at_s is not None and strike.for_s is not None:
        return start, start + strike.for_s
    if strike.kind == "leave" or (about.lasts and not about.fatal and strike.for_s is None):
        return start, math.inf
    if strike.at_s is not None:
        return start, start
    return start, start + (_RESTART_ROUNDS if about.fatal or strike.for_s is not None else 1)


def _start(strike: Strike) -> float:
    start = strike.at_s if strike.round is None else strike.round
    assert start is not None
    return start


def _by_victim(strikes: Iterable[Strike]) -> dict[tuple[object, ...], list[Strike]]:
    groups: dict[tuple[object, ...], list[Strike]] = defaultdict(list)
    for strike in strikes:
        groups[_victim(strike)].append(strike)
    return groups


def _victim(strike: Strike) -> tuple[object, ...]:
    return strike.target, strike.learner, strike.round is None


def _meets(earlier: Strike, later: Strike) -> bool:
    (first, end), (start, _) = window(earlier), window(later)
    return start < end or start == first


def _collide(one: Strike, other: Strike) -> bool:
    earlier, later = (one, other) if window(one)[0] <= window(other)[0] else (other, one)
    return _meets(earlier, later) and _clash(earlier, later)


def _clash(earlier: Strike, later: Strike) -> bool:
    """Whether two strikes whose windows meet can't go together."""
    if earlier.target != "robots":
        return _start(earlier) == _start(later)
    of_body = [strike.about.doer == "env_server" for strike in (earlier, later)]
    if all(of_body):
        return earlier.kind == later.kind and earlier.robots == later.robots
    if not any(of_body):
        return True
    # Who is away is out of reach; and a death says itself where the body is, which an offline one can't go on saying.
    body, process = (earlier, later) if of_body[0] else (later, earlier)
    away = process.about.fatal or process.kind in ("join", "leave")
    return away and (body.kind == "offline" or window(process)[0] <= window(body)[0])


def _clash_error(earlier: Strike, later: Strike) -> PlanError:
    unit, key = ("", "round") if later.round is not None else (" s", "at_s")
    whom = f"robot {later.robots[0]}" if later.robots else f"the {later.target}"
    verb = {"join": f"has {whom} join", "leave": f"has {whom} leave"}.get(later.kind, f"strikes {whom}")
    here = f"{key} = {_start(later):g}{unit} {verb}"
    by = f"fault {earlier.entry + 1} ({earlier.kind})"
    until = window(earlier)[1]
    if earlier.kind == later.kind == "join":
        said = f"{here}, which joins in round {until:g} by {by}; allowed is once"
    elif earlier.kind == "join":
        said = f"{here}, which joins in round {until:g} only, by {by}; allowed is from there on"
    elif earlier.kind == "leave":
        said = f"{here}, which has left by {by}; allowed is before {key} {_start(earlier):g}"
    elif later.target != "robots" or until <= _start(later):
        said = f"{here}, which {by} strikes at the same time; allowed is another {key}"
    elif math.isinf(until):
        said = f"{here}, which {by} has to the end of the run; end that one earlier"
    else:
        said = f"{here}, which {by} has until {key} {until:g}{unit}; allowed is from there on"
    return entry_error(later.entry, later.kind, said, key)
