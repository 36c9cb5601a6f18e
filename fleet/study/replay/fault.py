"""One fault that happened, as one of a plan that strikes in rounds. Pure: from a `Case` to `FaultConfig`s."""

from typing import Any

from fleet.core.config.faults import FaultConfig
from fleet.core.faults.strike import Strike
from fleet.study.cost.events import Case
from fleet.study.cost.fault import SERVER
from fleet.study.cost.ledger import Book

_HARMLESS = ("slow", "delay", "cut", "pause")
_ONCE = ("corrupt", "nan_weights", "no_space")


def as_planned(strike: Strike) -> FaultConfig:
    """The fault of a plan that comes to this strike of rounds alone."""
    settings: dict[str, Any] = {"kind": strike.kind, "round": strike.round}
    if strike.target != "robots":
        return FaultConfig(target=strike.target, **settings)
    assert strike.round is not None
    settings["robots"] = strike.robots
    if strike.until is not None:
        settings["rounds"] = strike.until - strike.round
    if strike.for_s is not None:
        settings["for_s"] = strike.for_s
    return FaultConfig(**settings, **_taken(strike))


def happened(case: Case, rounds: int, book: Book, notes: list[str]) -> list[FaultConfig]:
    """What repeats `case` in a run of `rounds` rounds; none if nothing does or need do, and then `notes` says why."""
    if case.missed:
        return []
    if case.process == SERVER:
        return _server(case, rounds, notes)
    whom = f"{case.kind} of {case.process}"
    if case.learner < 0:
        notes.append(f"{whom}: left out, it changes nothing that is learned")
        return []
    if case.incarnations:
        return _death(case, rounds, book, whom, notes)
    strike = case.strike
    if strike is None or case.kind in _HARMLESS or strike.about.fatal:
        notes.append(f"{whom}: left out, nothing was lost by it")
        return []
    if case.round is None:
        notes.append(f"{whom}: left out, its round is not recorded")
        return []
    if case.round >= rounds:
        notes.append(f"{whom}: left out, the run ended in its round")
        return []
    settings: dict[str, Any] = {"kind": case.kind, "robots": strike.robots, "round": case.round, **_taken(strike)}
    if case.back is not None and strike.about.lasts and case.kind not in _ONCE:
        if case.back <= case.round:
            return []
        settings["rounds"] = case.back - case.round
    return [FaultConfig(**settings)]


def _death(case: Case, rounds: int, book: Book, whom: str, notes: list[str]) -> list[FaultConfig]:
    """As a kill: fenced in that round, back from that one on, with that checkpoint."""
    round_, before = _struck(case, book)
    if round_ is None or round_ >= rounds:
        notes.append(f"{whom}: left out, it has no round: the run was ending or had not begun")
        return []
    back = rounds if case.back is None else min(case.back, rounds)
    settings: dict[str, Any] = {"kind": "kill", "robots": case.robots, "round": round_}
    if before:
        settings["before"] = True
    if back > round_:
        settings["rounds"] = back - round_
    if case.version is not None and 0 <= case.version <= round_:
        settings["checkpoint"] = case.version
    if case.strike is not None and case.strike.body != "drives-on":
        settings["body"] = case.strike.body
        first = round_ if before else round_ + 1
        if case.off is None and before:
            notes.append(f"{whom}: its body is off from round {first} on; if it was not, the replay is not exact")
        elif case.off is not None and (case.off, case.on or back) != (first, back):
            was = f"from round {case.off} to before {case.on or back}"
            notes.append(f"{whom}: its body was off {was}, now from {first} to before {back}, so not exact")
    return [FaultConfig(**settings)]


def _struck(case: Case, book: Book) -> tuple[int | None, bool]:
    """The round of the kill that comes to the same, and whether it strikes before that round is dealt."""
    if not case.fenced:
        return case.round, False
    fenced, incarnation = case.fenced[0], case.incarnations[0]
    # Its socket may be gone before anybody has said that it is dead: what was dealt then is lost, as if in its hands.
    unreachable = {
        rollout.round
        for rollout in book.lost
        if (rollout.learner, rollout.incarnation, rollout.why) == (case.learner, incarnation, "unreachable")
    }
    last = fenced.round if fenced.round in unreachable else fenced.round - 1
    first = last + 1
    while first - 1 in unreachable:
        first -= 1
    if first <= last:
        return first, False
    if fenced.during:
        return fenced.round, False
    published = book.dealt_to.get(fenced.round, {}).get(case.robots[0]) == incarnation
    return (fenced.round + 1 if published else fenced.round), True


def _server(case: Case, rounds: int, notes: list[str]) -> list[FaultConfig]:
    whom = f"{case.kind} of the environment server"
    if not case.incarnations:
        notes.append(f"{whom}: left out, nothing was lost by it")
        return []
    if not case.back or case.back > rounds:
        notes.append(f"{whom}: left out, it has no round before it: the run had not begun or did not go on")
        return []
    notes.append(f"{whom}: killed after round {case.back - 1}; exact only if nothing was being learned when it died")
    return [FaultConfig(kind="kill", target="env_server", round=case.back - 1)]


def _taken(strike: Strike) -> dict[str, Any]:
    """The settings that its kind takes, where they differ from what an unset one means."""
    plain = Strike(strike.number, strike.kind)
    names = (*strike.about.takes, *strike.about.needs)
    known = {name: getattr(strike, name) for name in names if name not in ("for_s", "rounds")}
    return {
        name: value
        for name, value in known.items()
        if value is not None and (value != getattr(plain, name) or name in strike.about.needs)
    }
