"""What a person asks of a running fleet: `fleet kill`, `revive`, `hang` and `slow`, as they come over the control link.

All of a command's robots are checked before anything is done; a refusal names the value and what is allowed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fleet.control.care.child import Child, Phase
from fleet.control.drill.active import Active
from fleet.control.drill.striker import FIRST_LIVE, Striker
from fleet.core.errors import BadInput
from fleet.core.faults.strike import Strike
from fleet.core.messages import Reply

VERBS = ("kill", "revive", "hang", "slow")

_ARGUMENTS = {
    "kill": {"robots", "body"},
    "revive": {"robots"},
    "hang": {"robots"},
    "slow": {"robots", "factor", "for_s"},
}
_BODIES = ("drives-on", "stalled", "towed")
_LARGEST_FACTOR = 1000
_LONGEST_S = 31_536_000.0


class Live:
    """Carries commands out. `groups` are each learner's robots; what it does is numbered from `first` up."""

    def __init__(self, run: str, groups: Sequence[tuple[int, ...]], striker: Striker, first: int = FIRST_LIVE) -> None:
        self._run, self._groups, self._striker = run, groups, striker
        self._next = max(first, FIRST_LIVE)
        self._learner_of = {robot: learner for learner, group in enumerate(groups) for robot in group}

    def obey(self, verb: str, arguments: Mapping[str, Any], now: float) -> Reply:
        """Do it. The reply's data: `learners` (learner, incarnation, robots, number), or `bad_input` if refused."""
        verbs: dict[str, Callable[[Mapping[str, Any], float], Reply]]
        verbs = {"kill": self._kill, "revive": self._revive, "hang": self._hang, "slow": self._slow}
        try:
            extra = sorted(set(arguments) - _ARGUMENTS[verb])
            if extra:
                raise BadInput(f"{verb}: {extra[0]} has no meaning here; allowed are {_list(_ARGUMENTS[verb])}")
            return verbs[verb](arguments, now)
        except BadInput as error:
            return Reply(self._run, False, str(error), {"bad_input": True})

    def _kill(self, arguments: Mapping[str, Any], now: float) -> Reply:
        body = arguments.get("body", "drives-on")
        if body not in _BODIES:
            raise BadInput(f"body = {body!r}; allowed are {', '.join(_BODIES)}")
        learners = self._learners(arguments, self._may_be_killed)
        done = []
        for learner in learners:
            strike = self._strike(learner, kind="kill", body=body, held=True)
            done.append(self._row(strike))
            if self._striker.active.holders(learner):
                self._striker.keep(strike, now)
            else:
                self._striker.begin(strike, now)
        return self._reply("killed; away until `fleet revive`", done)

    def _revive(self, arguments: Mapping[str, Any], now: float) -> Reply:
        done, left = [], []
        for learner in self._learners(arguments, self._may_be_revived):
            held = self._striker.active.held(learner)
            assert held is not None
            self._striker.end(held.strike.number, now)
            done.append(self._row(held.strike))
            left += self._striker.active.holders(learner)
        words = "comes back"
        if left:
            words += f"; but fault {_list(item.strike.number for item in left)} of the plan still keeps it away"
        return self._reply(words, done)

    def _hang(self, arguments: Mapping[str, Any], now: float) -> Reply:
        return self._pass_on(
            "hangs, until that is found out and it is restarted",
            [self._strike(learner, kind="hang") for learner in self._learners(arguments, self._may_hang)],
            now,
        )

    def _slow(self, arguments: Mapping[str, Any], now: float) -> Reply:
        factor, for_s = _factor(arguments.get("factor")), _seconds(arguments.get("for_s"))
        strikes = [
            self._strike(learner, kind="slow", factor=factor, for_s=for_s)
            for learner in self._learners(arguments, self._is_up)
        ]
        for strike in strikes:
            for earlier in self._striker.active.of(strike.learner, "slow"):
                if earlier.strike.round is None:
                    self._striker.stop(earlier.strike.number, now)
        until = "until it is restarted" if for_s is None else f"for {for_s:g} s"
        return self._pass_on(f"takes {factor:g} times as long, {until}", strikes, now)

    def _pass_on(self, words: str, strikes: Sequence[Strike], now: float) -> Reply:
        done = [self._row(strike) for strike in strikes if self._striker.pass_on(strike, now)]
        if len(done) == len(strikes):
            return self._reply(words, done)
        reached = {row["learner"] for row in done}
        unreached = _list(f"learner-{strike.learner}" for strike in strikes if strike.learner not in reached)
        return Reply(self._run, False, f"{unreached} can't be reached", {"learners": done})

    def _learners(self, arguments: Mapping[str, Any], check: Callable[[int, Child], str]) -> list[int]:
        """The learners of the robots named, each once. Raises BadInput for what `check` objects to, robot by robot."""
        robots = arguments.get("robots")
        if not isinstance(robots, list) or not robots:
            raise BadInput(f"robots = {robots!r}; allowed are lists of 1 or more of 0 to {len(self._learner_of) - 1}")
        for robot in robots:
            if type(robot) is not int or robot not in self._learner_of:
                raise BadInput(f"robot {robot!r}; allowed are 0 to {len(self._learner_of) - 1}")
            learner = self._learner_of[robot]
            wrong = check(learner, self._striker.child(learner))
            if wrong:
                raise BadInput(f"robot {robot}: {wrong}")
        return list(dict.fromkeys(self._learner_of[robot] for robot in robots))

    def _may_be_killed(self, learner: int, child: Child) -> str:
        if child.phase is Phase.FAILED:
            return f"{child.name} has failed and stays out already"
        if child.phase is Phase.ENDED:
            return f"{child.name} has left for good"
        if self._striker.active.held(learner) is not None:
            return "is held already; allowed are robots that aren't"
        return ""

    def _may_be_revived(self, learner: int, child: Child) -> str:
        if self._striker.active.held(learner) is not None:
            return ""
        allowed = "; allowed are robots that `fleet kill` took out"
        holders = self._striker.active.holders(learner)
        if holders:
            return f"{child.name} is away by {_by(holders[0])}{allowed}"
        return f"{child.name} is not held ({child.phase.value}){allowed}"

    def _may_hang(self, learner: int, child: Child) -> str:
        if self._striker.active.of(learner, "hang"):
            return f"{child.name} hangs already"
        return self._is_up(learner, child)

    def _is_up(self, learner: int, child: Child) -> str:
        if child.phase is Phase.UP and not child.held:
            return ""
        return f"{child.name} is {'away' if child.held else child.phase.value}; allowed are robots whose learner is up"

    def _strike(self, learner: int, **what: Any) -> Strike:
        number, self._next = self._next, self._next + 1
        return Strike(number, learner=learner, robots=tuple(self._groups[learner]), **what)

    def _row(self, strike: Strike) -> dict[str, Any]:
        incarnation = self._striker.child(strike.learner).incarnation
        robots = list(strike.robots)
        return {"learner": strike.learner, "incarnation": incarnation, "robots": robots, "number": strike.number}

    def _reply(self, words: str, done: Sequence[Mapping[str, Any]]) -> Reply:
        text = "\n".join(f"{_whom(row)}, incarnation {row['incarnation']}: {words}" for row in done)
        return Reply(self._run, True, text, {"learners": [dict(row) for row in done]})


def _factor(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 < value <= _LARGEST_FACTOR:
        raise BadInput(f"factor = {value!r}; allowed are more than 1 and at most {_LARGEST_FACTOR}")
    return float(value)


def _seconds(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LONGEST_S:
        raise BadInput(f"for_s = {value!r}; allowed are more than 0 and at most {_LONGEST_S:.0f} seconds")
    return float(value)


def _by(active: Active) -> str:
    strike = active.strike
    until = strike.round if active.joins else strike.until
    end = f", until round {until}" if until is not None else ""
    return f"fault {strike.number} of the plan ({strike.kind}{end})"


def _whom(row: Mapping[str, Any]) -> str:
    robots = row["robots"]
    shared = f"robots {_list(robots)}, for all of which it learns"
    return f"learner-{row['learner']} ({f'robot {robots[0]}' if len(robots) == 1 else shared})"


def _list(values: Any) -> str:
    return ", ".join(str(value) for value in sorted(values))
