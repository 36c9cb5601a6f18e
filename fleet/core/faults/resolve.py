"""What a plan comes to: its robots drawn, its times worked out, one strike per learner or robot. Pure.

From a Config whose floor is known; every process of a run resolves its own config and comes to the same strikes, so
that no plan has to travel.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from fleet.core.config import Config
from fleet.core.config.faults import FaultConfig
from fleet.core.faults.draw import choose
from fleet.core.faults.errors import entry_error
from fleet.core.faults.overlap import check_overlaps, check_presence, fits_between
from fleet.core.faults.rates import failures
from fleet.core.faults.strike import Strike

_LIKE_THE_FAULT = (
    "body", "times", "factor", "probability", "mode", "direction", "delay_s", "damage", "checkpoint", "before",
)  # fmt: skip

Groups = tuple[tuple[int, ...], ...]


def resolve(config: Config) -> tuple[Strike, ...]:
    """The strikes of `config.faults` in order of time, numbered from 0. `config.world.robots` must be known.

    What is done to a process gives one strike per learner, with all its robots; what is done to bodies and sensors one
    per robot. A failure of the plan's rates that falls where one of its faults already has the robot does not happen.
    Raises PlanError (a BadInput) for a plan that this fleet can't carry out.
    """
    plan, robots = config.faults, config.world.robots
    if not plan.fault and plan.rates is None:
        return ()
    assert robots is not None
    groups = config.groups(robots)
    strikes = [strike for entry, fault in enumerate(plan.fault) for strike in _entry(config, groups, entry, fault)]
    check_overlaps(strikes)
    check_presence(strikes, len(groups))
    if plan.rates is not None:
        random = failures(plan.rates, groups, config.run.rounds, config.run.seed)
        strikes += fits_between(random, strikes)
    strikes.sort(key=_order)
    return tuple(replace(strike, number=number) for number, strike in enumerate(strikes))


def is_clockless(strikes: Sequence[Strike]) -> bool:
    """Whether rounds alone decide what these strikes change, so that a run in lockstep repeats bit for bit."""
    return not any(
        strike.at_s is not None
        or (strike.for_s is not None and (strike.about.fatal or strike.about.doer == "env_server"))
        for strike in strikes
    )


def _order(strike: Strike) -> tuple[float, bool, int, int, tuple[int, ...]]:
    time = strike.at_s if strike.round is None else strike.round
    assert time is not None
    return time, strike.entry < 0, strike.entry, strike.learner, strike.robots


def _entry(config: Config, groups: Groups, entry: int, fault: FaultConfig) -> Iterator[Strike]:
    """The strikes of one of the plan's faults, the n-th `n * spread` later than the first."""
    _check(config, entry, fault)
    for place, (learner, robots) in enumerate(_victims(config, groups, entry, fault)):
        late = place * fault.spread
        strike = Strike(
            number=-1,
            kind=fault.kind,
            target=fault.target,
            learner=learner,
            robots=robots,
            entry=entry,
            round=None if fault.round is None else fault.round + late,
            at_s=None if fault.at_s is None else fault.at_s + late,
            until=None if fault.round is None or fault.rounds is None else fault.round + late + fault.rounds,
            for_s=fault.for_s,
            **{name: getattr(fault, name) for name in _LIKE_THE_FAULT},
        )
        _check_round(config, fault, strike)
        yield strike


def _victims(config: Config, groups: Groups, entry: int, fault: FaultConfig) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Learner and robots of each strike, in the order in which they are struck."""
    if fault.robots is None:
        yield -1, ()
        return
    learner_of = {robot: learner for learner, group in enumerate(groups) for robot in group}
    at = ("faults", "fault", str(entry), "robots")
    chosen = choose(fault.robots, len(learner_of), (config.run.seed, entry), f"fault {entry + 1} ({fault.kind})", at)
    if fault.of_body:
        yield from ((learner_of[robot], (robot,)) for robot in chosen)
    else:
        yield from ((learner, groups[learner]) for learner in dict.fromkeys(learner_of[robot] for robot in chosen))


def _check(config: Config, entry: int, fault: FaultConfig) -> None:
    """What a fault alone, without its robots, can have wrong in this run."""
    dead = config.control.dead_after_s
    if fault.kind == "pause" and fault.for_s is not None and fault.for_s >= dead:
        sentence = f"for_s = {fault.for_s:g} would count as frozen; allowed are less than {dead:g} (dead_after_s)"
        raise entry_error(entry, fault.kind, sentence, "for_s")
    if fault.checkpoint is not None and fault.round is not None and fault.checkpoint > fault.round:
        sentence = (
            f"checkpoint = {fault.checkpoint} is not there by round {fault.round}; allowed are 0 to {fault.round}"
        )
        raise entry_error(entry, fault.kind, sentence, "checkpoint")


def _check_round(config: Config, fault: FaultConfig, strike: Strike) -> None:
    if strike.round is None:
        return
    first = 1 if fault.kind == "join" else 0  # whoever joins in round 0 was never away
    if first <= strike.round < config.run.rounds:
        return
    whom = f" for robot {strike.robots[0]}" if strike.robots and fault.spread else ""
    sentence = f"round = {strike.round}{whom}; allowed are {first} to {config.run.rounds - 1}"
    key = "spread" if fault.round is not None and first <= fault.round < config.run.rounds else "round"
    raise entry_error(strike.entry, fault.kind, sentence, key)
