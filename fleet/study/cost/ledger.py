"""Where the agent-steps of each round went, robot by robot: the ledger, read for what faults cost.

The ledger is folded into one line once it is over its bound; of the rounds before that only the sums are left, so what
is asked about them is None (`Book.knows`).
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from fleet.core.balance import FROZEN
from fleet.core.errors import BadInput

Name = tuple[int, int, int, int]


class Rollout(NamedTuple):
    """One that was produced: in which round, by which life of the server, for which incarnation, how long per robot."""

    round: int
    life: int
    learner: int
    incarnation: int
    each: int
    robots: tuple[int, ...]
    why: str = ""

    @property
    def steps(self) -> int:
        """Agent-steps in it."""
        return self.each * len(self.robots)


@dataclass
class Book:
    """By round (counted from 0) and robot, the agent-steps dealt out and withheld; and every rollout that was lost.

    What nobody was to learn from, frozen robots' steps, is not in it.
    `dealt_to`: the same for the incarnation of its learner that a robot's steps went to.
    A round that was played again, after a restart of the server or a resume, counts as the last time. `lives`: the
    first round of each life of the server. `known_from`: of earlier rounds only sums are left.
    """

    dealt: defaultdict[int, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    dealt_to: defaultdict[int, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    withheld: defaultdict[int, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    lost: list[Rollout] = field(default_factory=list)
    lives: dict[int, int] = field(default_factory=dict)
    known_from: int = 0

    def knows(self, round_: int) -> bool:
        """Whether that round is in it robot by robot."""
        return round_ >= self.known_from


def read_book(path: Path) -> Book:
    """The ledger at `path`; an empty one if there is none. What makes no sense is passed over: `fleet audit` tells.

    Raises BadInput if it can't be read.
    """
    if not path.exists():
        return Book()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: can't be read: {error.strerror}") from error
    return book_of(_lines(content[: content.rfind(b"\n") + 1]))


def book_of(lines: Iterable[Mapping[str, Any]]) -> Book:
    """The book of these ledger lines."""
    reader = _Reader()
    for line in lines:
        try:
            reader.take(line)
        except (LookupError, TypeError, ValueError):
            continue
    return reader.book


class _Reader:
    def __init__(self) -> None:
        self.book = Book()
        self._open: dict[Name, Rollout] = {}
        self._latest = -1  # the last round seen
        self._folded = False

    def take(self, line: Mapping[str, Any]) -> None:
        kind = line["k"]
        if kind == "produced":
            self._produced(line["round"], line["life"], line["each"], line["of"])
        elif kind == "withheld":
            self._at(line["round"])
            if line["why"] != FROZEN:
                self.book.withheld[line["round"]].update(dict.fromkeys(line["robots"], line["each"]))
        elif kind == "trained":
            for name in line["of"]:
                self._open.pop(tuple(name), None)
        elif kind == "lost":
            known = [self._open.pop(tuple(name), None) for name in line["of"]]
            self.book.lost += [rollout._replace(why=line["why"]) for rollout in known if rollout is not None]
        elif kind == "forward":
            self._folded = bool(line["robots"])
            self.book.known_from = sys.maxsize if self._folded else 0
            for life, learner, incarnation, seq, round_, each, robots in line["outstanding"]:
                rollout = Rollout(round_, life, learner, incarnation, each, tuple(robots))
                self._open[life, learner, incarnation, seq] = rollout

    def _produced(self, round_: int, life: int, each: int, of: Iterable[tuple[int, int, int, list[int]]]) -> None:
        if self.book.lives and life > max(self.book.lives):
            self._latest = max(self._latest, round_ + 1)  # the round it begins with is played again
        self._at(round_)
        self.book.lives.setdefault(life, round_)
        for learner, incarnation, seq, robots in of:
            self._open[life, learner, incarnation, seq] = Rollout(
                round_, life, learner, incarnation, each, tuple(robots)
            )
            self.book.dealt[round_].update(dict.fromkeys(robots, each))
            self.book.dealt_to[round_].update(dict.fromkeys(robots, incarnation))

    def _at(self, round_: int) -> None:
        """Forget rounds from this one on if it comes after later ones: they are played again."""
        if self._folded and self._latest < 0:
            self.book.known_from = round_ + 1  # it may have been folded half-way
        if round_ < self._latest:
            for table in (self.book.dealt, self.book.dealt_to, self.book.withheld):
                for later in [number for number in table if number >= round_]:
                    del table[later]
            self._latest = round_
        self._latest = max(self._latest, round_)


def _lines(content: bytes) -> Iterable[Mapping[str, Any]]:
    for text in content.splitlines():
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict):
            yield line
