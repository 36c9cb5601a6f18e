"""The accounting of every agent-step produced: trained, lost, withheld, or still outstanding. Pure: no files, no clock.

Fed with the ledger's lines, one after the other, by `ledger_file`; the figures come out as a `Balance`. The lines:

    {"k": "forward", "format": 1, ...}      all that came before, folded; a ledger starts with one
    {"k": "produced", "round": 3, "life": 1, "each": 4096, "of": [[learner, incarnation, seq, [robot, ...]], ...]}
    {"k": "withheld", "round": 3, "each": 4096, "robots": [robot, ...], "why": "no_credit"}
    {"k": "trained", "version": 7, "of": [[life, learner, incarnation, seq], ...]}
    {"k": "lost", "why": "learner_died", "of": [[life, learner, incarnation, seq], ...]}
    {"k": "undone", "learner": 2, "after": 5}

`each` is the agent-steps per robot. What is produced is outstanding until it is trained or lost; what is withheld had
no learner to go to and counts as produced too. Undone, a part of trained, is all that a learner had trained in versions
after the one it went back to. What can't have happened (a rollout trained twice, or never produced) is listed as a
violation.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fleet.core.balance import Balance, Figures

FORMAT = 1
_REASON = re.compile(r"[a-z][a-z0-9_]{0,39}")
_LISTED = 50  # violations spelt out; the rest is counted
_RUNS = 1024  # runs of equal trained versions remembered per learner, for a restart that goes back before them


class RolloutName(NamedTuple):
    """Names a rollout: the server's life, the learner and its incarnation, and the sequence number within these."""

    life: int
    learner: int
    incarnation: int
    seq: int


@dataclass
class _Outstanding:
    round: int
    each: int
    robots: tuple[int, ...]


@dataclass
class _Trained:
    """What versions `first` to `last` of a learner each trained: agent-steps by robot."""

    first: int
    last: int
    steps: dict[int, int]


@dataclass
class _Learner:
    """One learner's history, as far as a later line may refer to it."""

    produced: dict[tuple[int, int], list[list[int]]] = field(default_factory=dict)  # (life, incarnation): [[from, to]]
    trained: list[_Trained] = field(default_factory=list)
    forgotten: int = -1  # versions up to this one can't be undone any more
    newest: tuple[int, int] = (-1, -1)  # server life and version last trained


class Account:
    """Takes the ledger's lines in and keeps the figures, and of single rollouts only what may still be referred to."""

    def __init__(self) -> None:
        self.outstanding: dict[RolloutName, _Outstanding] = {}
        self._robots: defaultdict[int, Figures] = defaultdict(Figures)
        self._lost: defaultdict[str, int] = defaultdict(int)
        self._withheld: defaultdict[str, int] = defaultdict(int)
        self._learners: defaultdict[int, _Learner] = defaultdict(_Learner)
        self._violations: list[str] = []
        self._more_violations = 0

    def apply(self, line: Mapping[str, Any]) -> None:
        """Take one line in. If it is no ledger line, raises ValueError, LookupError, TypeError or AttributeError."""
        kind = line["k"]
        if kind == "produced":
            life, round_, each = _count(line["life"]), _count(line["round"]), _count(line["each"])
            produced = [(RolloutName(life, *map(_count, item[:3])), _counts(item[3])) for item in line["of"]]
            for name, robots in produced:
                self._produced(name, _Outstanding(round_, each, robots))
        elif kind == "withheld":
            self._count_withheld(_counts(line["robots"]), _count(line["each"]), check_reason(line["why"]))
        elif kind == "trained":
            version = _count(line["version"])
            self._count_trained(_names(line["of"]), version)
        elif kind == "lost":
            why = check_reason(line["why"])
            for name in _names(line["of"]):
                self._count_lost(name, why)
        elif kind == "undone":
            self._count_undone(_count(line["learner"]), int(line["after"]))
        elif kind == "forward":
            self._unfold(line)
        else:
            raise ValueError(f"unknown kind {kind!r}")

    def violate(self, text: str) -> None:
        """Note what can't have happened."""
        if len(self._violations) < _LISTED:
            self._violations.append(text)
        else:
            self._more_violations += 1

    def newest(self, since: int) -> dict[int, int]:
        """The newest version that each learner has trained in the server's lives from `since` on; none: not in it.

        What was undone since counts: a version once accepted is never used for anything else within one run. Before
        `since` the run went back to a snapshot, and its versions with it.
        """
        found = {learner: history.newest for learner, history in self._learners.items()}
        return {learner: version for learner, (life, version) in found.items() if life >= since}

    def last_life(self) -> int:
        """The newest life of the server that produced anything; 0: none did, or the first."""
        return max((life for history in self._learners.values() for life, _ in history.produced), default=0)

    def balance(self, *, partial_line: bool = False) -> Balance:
        """The figures now."""
        robots = {robot: Figures(**vars(figures)) for robot, figures in sorted(self._robots.items())}
        for open_ in self.outstanding.values():
            for robot in open_.robots:
                robots[robot].unresolved += open_.each
        total = Figures(*(sum(column) for column in zip(*(vars(f).values() for f in robots.values()), strict=True)))
        more = [f"and {self._more_violations} more"] if self._more_violations else []
        violations = (*self._violations, *more)
        return Balance(total, dict(self._lost), dict(self._withheld), robots, violations, partial_line)

    def _produced(self, name: RolloutName, open_: _Outstanding) -> None:
        runs = self._learners[name.learner].produced
        key = (name.life, name.incarnation)
        if runs and key < max(runs):
            self.violate(f"{_said(name)} was produced for a superseded incarnation")
        spans = runs.setdefault(key, [])
        if spans and name.seq <= spans[-1][1]:
            self.violate(f"{_said(name)} was produced twice or out of order")
            return
        if spans and name.seq == spans[-1][1] + 1:
            spans[-1][1] = name.seq
        else:
            spans.append([name.seq, name.seq])
        self.outstanding[name] = open_
        for robot in open_.robots:
            self._robots[robot].produced += open_.each

    def _count_withheld(self, robots: tuple[int, ...], each: int, why: str) -> None:
        for robot in robots:
            self._robots[robot].produced += each
            self._robots[robot].withheld += each
        self._withheld[why] += each * len(robots)

    def _count_trained(self, names: list[RolloutName], version: int) -> None:
        learners = {name.learner for name in names}
        if len(learners) != 1:
            raise ValueError(f"one policy is one learner's, got rollouts of {sorted(learners)}")
        steps: defaultdict[int, int] = defaultdict(int)
        for name in names:
            open_ = self._resolve(name, f"trained in version {version}")
            if open_:
                for robot in open_.robots:
                    self._robots[robot].trained += open_.each
                    steps[robot] += open_.each
        history = self._learners[names[0].learner]
        newest = (max(name.life for name in names), version)
        if newest[0] == history.newest[0] and version <= history.newest[1]:
            self.violate(f"learner {names[0].learner} trained version {version} after version {history.newest[1]}")
        history.newest = max(history.newest, newest)
        _remember(history, version, dict(steps))

    def _count_lost(self, name: RolloutName, why: str) -> None:
        open_ = self._resolve(name, f"lost ({why})")
        if open_:
            for robot in open_.robots:
                self._robots[robot].lost += open_.each
            self._lost[why] += open_.each * len(open_.robots)

    def _count_undone(self, learner: int, after: int) -> None:
        history = self._learners[learner]
        if after < history.forgotten:
            self.violate(f"learner {learner} went back to version {after}; only {history.forgotten} on is remembered")
        kept = []
        for run in history.trained:
            undone = run.last - max(run.first - 1, after)
            if undone > 0:
                for robot, steps in run.steps.items():
                    self._robots[robot].undone += steps * undone
                run.last -= undone
            if run.first <= run.last:
                kept.append(run)
        history.trained = kept

    def _resolve(self, name: RolloutName, how: str) -> _Outstanding | None:
        open_ = self.outstanding.pop(name, None)
        if open_ is None:
            spans = self._learners[name.learner].produced.get((name.life, name.incarnation), [])
            known = any(first <= name.seq <= last for first, last in spans)
            before = "had been trained or lost before" if known else "was never produced"
            self.violate(f"{_said(name)} was {how}, but {before}")
        return open_

    def folded(self) -> dict[str, Any]:
        """All of it as one `forward` line, from which an empty account goes on as this one would."""
        return {
            "k": "forward",
            "format": FORMAT,
            "robots": [[robot, *list(vars(figures).values())[:5]] for robot, figures in self._robots.items()],
            "lost": dict(self._lost),
            "withheld": dict(self._withheld),
            "outstanding": [[*name, o.round, o.each, o.robots] for name, o in self.outstanding.items()],
            "learners": [
                [
                    learner,
                    [[*key, spans] for key, spans in history.produced.items() if self._current(learner, key)],
                    [[run.first, run.last, list(run.steps.items())] for run in history.trained],
                    history.forgotten,
                    history.newest,
                ]
                for learner, history in self._learners.items()
            ],
            "violations": self._violations,
            "more_violations": self._more_violations,
        }

    def _current(self, learner: int, key: tuple[int, int]) -> bool:
        """Whether a rollout of that life and incarnation may still come or be resolved."""
        if key == max(self._learners[learner].produced):
            return True
        return any(name.learner == learner and (name.life, name.incarnation) == key for name in self.outstanding)

    def _unfold(self, line: Mapping[str, Any]) -> None:
        if line["format"] != FORMAT:
            raise ValueError(f"ledger format {line['format']!r}; this version reads {FORMAT}")
        fresh = Account()
        fresh._robots.update({_count(row[0]): Figures(*map(_count, row[1:])) for row in line["robots"]})
        fresh._lost.update({check_reason(why): _count(steps) for why, steps in line["lost"].items()})
        fresh._withheld.update({check_reason(why): _count(steps) for why, steps in line["withheld"].items()})
        for *name, round_, each, robots in line["outstanding"]:
            open_ = _Outstanding(_count(round_), _count(each), _counts(robots))
            fresh.outstanding[RolloutName(*_counts(name))] = open_
        for learner, produced, trained, forgotten, newest in line["learners"]:
            fresh._learners[learner] = _Learner(
                {(life, incarnation): [list(span) for span in spans] for life, incarnation, spans in produced},
                [_Trained(first, last, dict(map(tuple, steps))) for first, last, steps in trained],
                forgotten,
                (newest[0], newest[1]),
            )
        fresh._violations = [str(text) for text in line["violations"]]
        fresh._more_violations = _count(line["more_violations"])
        if self._robots or self._learners:
            fresh.violate("a brought-forward line stands after others")
        self.__dict__.update(vars(fresh))


def check_reason(why: str) -> str:
    """`why`, if it is a short lower-case word as `learner_died`; ValueError if not."""
    if not isinstance(why, str) or not _REASON.fullmatch(why):
        raise ValueError(f"reason {why!r}; allowed is {_REASON.pattern}")
    return why


def _remember(history: _Learner, version: int, steps: dict[int, int]) -> None:
    last = history.trained[-1] if history.trained else None
    if last and last.last + 1 == version and last.steps == steps:
        last.last = version
    else:
        history.trained.append(_Trained(version, version, steps))
    if len(history.trained) > _RUNS:
        history.forgotten = max(history.forgotten, history.trained.pop(0).last)


def _said(name: RolloutName) -> str:
    return f"rollout {name.seq} of learner {name.learner}/{name.incarnation}, life {name.life},"


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"got {value!r}, wanted a whole number from 0")
    return value


def _counts(values: Iterable[object]) -> tuple[int, ...]:
    return tuple(map(_count, values))


def _names(rows: Iterable[Iterable[object]]) -> list[RolloutName]:
    return [RolloutName(*_counts(row)) for row in rows]
