"""What befell a run, fault by fault: from the lines of events.jsonl and the strikes of the plan to `Case`s. Pure.

A fault on purpose has a number, and all that came of it carries that; a death nobody planned has none and is a case by
itself. events.jsonl is thinned in its older half once it is over its bound. So nothing here needs a certain line: a
recovery repeats the times of its fault, the plan knows the rounds, and what is in no line left is None.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fleet.core.faults.strike import Strike, StrikeError, strike_of

_VERSION = re.compile(r"v([0-9]{8,})\.safetensors$")
_LEARNER = re.compile(r"learner-([0-9]+)$")
_CONDEMNED = ("frozen", "stuck", "unreachable", "given_up")
_DEATHS = ("exit", "declare", *_CONDEMNED)
_ABOUT_FAULTS = (*_DEATHS, "inject", "suspect", "restart", "recover", "mended", "missed", "failed")


@dataclass(frozen=True)
class Fenced:
    """The environment server took a learner's incarnation for dead in `round`; `lost` agent-steps were with it.

    `accepted`: the last policy version accepted from it. `during`: its rollout of that very round was with it.
    """

    round: int
    accepted: int
    lost: int
    during: bool


@dataclass
class Case:
    """One fault. Times are seconds since its session began; what isn't recorded or doesn't apply is None.

    `back`: the round in which it was over. `off`, `on`: the first with its robots' bodies off, and as they should be
    again, as the environment server tells of live faults. `incarnations`: of its process, those that died of it.
    `version`: that of the checkpoint its learner came back with, -1 for none; `origin` how it came back ("" if it never
    did).
    """

    session: int
    number: int | None
    kind: str
    process: str
    robots: tuple[int, ...] = ()
    strike: Strike | None = None
    round: int | None = None
    back: int | None = None
    off: int | None = None
    on: int | None = None
    inject: float | None = None
    suspect: float | None = None
    declare: float | None = None
    recover: float | None = None
    missed: bool = False
    failed: bool = False
    incarnations: list[int] = field(default_factory=list)
    fenced: list[Fenced] = field(default_factory=list)
    origin: str = ""
    version: int | None = None

    @property
    def learner(self) -> int:
        """The number of its learner; -1 if it struck another process."""
        found = _LEARNER.fullmatch(self.process)
        return int(found[1]) if found else -1


@dataclass
class _Known:
    """One session's lines by what they say."""

    fenced: dict[tuple[int, int], Fenced] = field(default_factory=dict)
    online: dict[int, list[Mapping[str, Any]]] = field(default_factory=dict)
    restarts: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    bodies: dict[tuple[str, int], int] = field(default_factory=dict)


def sessions(lines: Iterable[Mapping[str, Any]]) -> list[list[dict[str, Any]]]:
    """The lines of each time the run was started or resumed, their `details` taken up into the line itself."""
    parts: list[list[dict[str, Any]]] = []
    for line in lines:
        if not parts or (line.get("event"), line.get("process")) == ("start", "supervisor"):
            parts.append([])
        details = line.get("details")
        parts[-1].append({**details, **line} if isinstance(details, Mapping) else dict(line))
    return parts


def cases(lines: Iterable[Mapping[str, Any]], plan: Sequence[Strike], groups: Sequence[tuple[int, ...]]) -> list[Case]:
    """All faults of a run in the order in which they came to light; `groups[k]` are the robots of learner k."""
    strikes = {strike.number: strike for strike in plan}
    return [
        case for number, part in enumerate(sessions(lines)) for case in _Session(number, strikes, groups).read(part)
    ]


class _Session:
    """Reads the lines of one session."""

    def __init__(self, session: int, plan: Mapping[int, Strike], groups: Sequence[tuple[int, ...]]) -> None:
        self._session, self._plan, self._groups = session, plan, groups
        self._cases: list[Case] = []
        self._by_number: dict[int, Case] = {}
        self._of_death: dict[tuple[str, int], Case] = {}
        self._known = _Known()

    def read(self, lines: Iterable[Mapping[str, Any]]) -> list[Case]:
        for line in lines:
            try:
                self._take(line)
            except (LookupError, TypeError):  # none of ours
                continue
        for case in self._cases:
            self._complete(case)
        return self._cases

    def _take(self, line: Mapping[str, Any]) -> None:
        name, process = str(line.get("event")), str(line.get("process"))
        if name == "fenced":
            fenced = Fenced(line["round"], line["accepted"], line["lost"], bool(line["during"]))
            # again, with nothing left to lose, when the supervisor finds dead what the server's own plan had fenced
            self._known.fenced.setdefault((line["learner"], line["incarnation"]), fenced)
        elif name == "online":
            self._known.online.setdefault(line["learner"], []).append({"at": None, "incarnation": -1, **line})
        elif name == "restart":
            self._known.restarts.setdefault(process, []).append(line)
        elif name in ("struck", "mended") and process == "env_server":
            self._known.bodies[name, line["number"]] = line["round"]
        case = self._case(name, process, line) if name in _ABOUT_FAULTS else None
        if case is not None:
            _note(case, name, line)
            if name in _DEATHS and isinstance(line.get("incarnation"), int):
                self._of_death[process, line["incarnation"]] = case
                if line["incarnation"] not in case.incarnations:
                    case.incarnations.append(line["incarnation"])

    def _case(self, name: str, process: str, line: Mapping[str, Any]) -> Case | None:
        """Whom the line is about; made if it is the first about it."""
        number, incarnation = line.get("number"), line.get("incarnation")
        if isinstance(number, int):
            return self._by_number.get(number) or self._add(self._numbered(number, process, line))
        if name in ("declare", *_CONDEMNED) and isinstance(incarnation, int):
            known = self._of_death.get((process, incarnation))
            return known or self._add(Case(self._session, None, str(line.get("cause")), process))
        if name in ("recover", "failed"):
            return self._latest(process, line.get("declare"), incarnation)
        if name == "restart" and process == "zygote":
            known = next((case for case in self._cases if case.process == process and not case.origin), None)
            return known or self._add(Case(self._session, None, "zygote_died", process, declare=line.get("at")))
        return None

    def _latest(self, process: str, declare: object, incarnation: object) -> Case | None:
        """Whom a line without a number means: who was declared dead then, else who died last before `incarnation`."""
        before = incarnation if isinstance(incarnation, int) else 1 << 31
        died = {number: case for (of, number), case in self._of_death.items() if of == process and number < before}
        same = [case for case in died.values() if declare is not None and case.declare == declare]
        return same[-1] if same else died.get(max(died, default=-1))

    def _numbered(self, number: int, process: str, line: Mapping[str, Any]) -> Case:
        strike = self._plan.get(number)
        if isinstance(line.get("strike"), Mapping):
            try:
                strike = strike_of(line["strike"])
            except StrikeError:
                strike = None
        if strike is not None and line.get("kind", strike.kind) == strike.kind:
            target = f"learner-{strike.learner}" if strike.target == "robots" else strike.target
            return Case(self._session, number, strike.kind, target, strike.robots, strike, strike.round, strike.until)
        return Case(self._session, number, str(line.get("kind", line.get("cause", "unknown"))), process)

    def _add(self, case: Case) -> Case:
        self._cases.append(case)
        if case.number is not None:
            self._by_number[case.number] = case
        return case

    def _complete(self, case: Case) -> None:
        """What stands in lines that name the learner and its incarnation, and not the fault."""
        learner = case.learner
        if case.number is not None:
            case.off = self._known.bodies.get(("struck", case.number))
            case.on = self._known.bodies.get(("mended", case.number))
        if not case.robots and 0 <= learner < len(self._groups):
            case.robots = self._groups[learner]
        keys = [(learner, incarnation) for incarnation in case.incarnations]
        case.fenced = [self._known.fenced[key] for key in keys if key in self._known.fenced]
        if case.round is None and case.fenced:
            case.round = case.fenced[0].round
        if not case.incarnations:
            return
        last = max(case.incarnations)
        back = [line for line in self._known.online.get(learner, []) if line["incarnation"] > last]
        if back:
            case.back = back[0].get("round", case.back)
            case.recover = back[0]["at"] if case.recover is None else case.recover
        again = [line for line in self._known.restarts.get(case.process, []) if line.get("incarnation", -1) > last]
        if back:  # another death may have come before it was back, and another restart
            again = [line for line in again if line["incarnation"] == back[0]["incarnation"]]
        if again:
            self._come_back(case, again[0])

    def _come_back(self, case: Case, restart: Mapping[str, Any]) -> None:
        if case.learner >= 0:
            case.origin = str(restart.get("origin", ""))
            case.version = _version(restart)
        elif isinstance(restart.get("round"), int):  # the environment server's: where it goes on
            case.back = restart["round"]
            case.round = case.back if case.round is None else case.round


def _note(case: Case, name: str, line: Mapping[str, Any]) -> None:
    """Take over what a line about this fault says; the first time something came to light counts, and the last end."""
    if name == "inject":
        case.inject = line.get("at") if case.inject is None else case.inject
    elif case.inject is None and isinstance(line.get("inject"), int | float):
        case.inject = line["inject"]
    if isinstance(line.get("robots"), list) and not case.robots:
        case.robots = tuple(line["robots"])
    if name in ("inject", "missed") and isinstance(line.get("round"), int):
        case.round = line["round"]
    own = line.get("at") if name == "suspect" else None
    case.suspect = _first(case.suspect, line.get("suspect", own))
    case.declare = _first(case.declare, line.get("declare"))
    if name == "recover":
        case.recover = line.get("recover", line.get("at"))
    if name == "mended":
        case.back = line.get("round", case.back)
        if not case.incarnations:
            case.recover = line.get("at")
    if name == "restart" and case.process == "zygote":
        case.origin = "fresh"
    case.missed |= name == "missed"
    case.failed |= name == "failed"


def _first(known: float | None, told: object) -> float | None:
    if not isinstance(told, int | float):
        return known
    return float(told) if known is None else min(known, float(told))


def _version(restart: Mapping[str, Any]) -> int | None:
    """Of the checkpoint a learner came back with: -1 if with none, None if its name doesn't tell."""
    if restart.get("origin") == "fresh":
        return -1
    found = _VERSION.search(str(restart.get("checkpoint", "")))
    return int(found[1]) if found else None
