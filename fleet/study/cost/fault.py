"""What one fault cost: its times, what was lost with it, and whether those it did not hit had to wait. Pure.

From a fault's `Case`, the rounds' figures and the ledger, to a `FaultCost`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fleet.study.cost.events import Case
from fleet.study.cost.ledger import Book

BEFORE = 10
SERVER = "env_server"


@dataclass(frozen=True)
class Survivors:
    """The learners that a fault did not hit, over `rounds` rounds.

    `agent_steps_per_s`: what was dealt to them, over the seconds that those rounds took. `waiting_s`: how long the
    world stood still for policies, before a round and (in lockstep) at its end, the mean over those rounds. That tells
    whether one's fault slows others: on few cores a death frees processor time, and they may even get faster.
    """

    rounds: int
    agent_steps_per_s: float | None
    waiting_s: float | None


@dataclass(frozen=True)
class FaultCost:
    """One fault. Unplanned ones have no `number`, and their `kind` is the cause that the supervisor gave.

    `inject`, `suspect`, `declare`, `recover`: seconds since the run (or its last resume) began. `round`: in which it
    struck; `back`: in which it was over. `lost`: agent-steps that were with what died, from the server's "fenced"
    events or, of the server's own deaths and of messages that were spoiled, from the ledger. `updates_lost`: the last
    version accepted before the death minus that of the checkpoint it came back with. `withheld`: agent-steps of its
    robots that went to nobody from `round` to before `back`, from the ledger. `during`: those rounds and `back`, which
    begins with the wait for it; `before`: at most ten earlier ones that no fault touched, less the run's first and each
    server life's first, in which processes start. `idle_s`: of a fault that hit every robot, how much longer than
    before it took from the last round before it to the end of the first trained again. None: not recorded, or it does
    not apply.
    """

    number: int | None
    kind: str
    process: str
    robots: tuple[int, ...]
    round: int | None
    back: int | None
    inject: float | None
    suspect: float | None
    declare: float | None
    recover: float | None
    failed: bool
    lost: int | None
    updates_lost: int | None
    withheld: int | None
    before: Survivors | None
    during: Survivors | None
    idle_s: float | None


@dataclass(frozen=True)
class History:
    """A run's rounds: the figures of those that metrics.jsonl still has, the ledger, and how many there were."""

    groups: tuple[tuple[int, ...], ...]
    metrics: Mapping[int, Mapping[str, Any]]
    book: Book
    rounds: int

    @property
    def robots(self) -> int:
        """How many there are."""
        return sum(map(len, self.groups))


def fault_cost(case: Case, run: History, touched: Collection[int]) -> FaultCost:
    """The cost of `case`; `touched` are the rounds in which any fault was on."""
    span = span_of(case, run.rounds)
    quiet = [number for number in run.metrics if case.round is not None and number < case.round]
    begun = {0, *run.book.lives.values()}
    quiet = sorted(number for number in quiet if number not in touched and number not in begun)[-BEFORE:]
    survivors = sorted(set(range(run.robots)) - set(case.robots))
    accepted = max((fenced.accepted for fenced in case.fenced), default=None)
    back_with = case.version
    return FaultCost(
        number=case.number,
        kind=case.kind,
        process=case.process,
        robots=case.robots,
        round=case.round,
        back=case.back,
        inject=case.inject,
        suspect=case.suspect,
        declare=case.declare,
        recover=case.recover,
        failed=case.failed,
        lost=_lost(case, run),
        updates_lost=None if accepted is None or back_with is None else max(0, accepted - max(0, back_with)),
        withheld=_withheld(case, span, run.book),
        before=_survivors(quiet, survivors, run),
        during=_survivors([*span, *([span.stop] if span and case.back == span.stop else [])], survivors, run),
        idle_s=None if survivors else _idle(case, quiet, run),
    )


def span_of(case: Case, rounds: int) -> range:
    """The rounds, of `rounds`, in which it was on; at least the one in which it struck. Empty if that isn't known."""
    if case.round is None:
        return range(0)
    return range(case.round, min(rounds, max(_end(case, case.round, rounds), case.round + 1)))


def _end(case: Case, struck: int, rounds: int) -> int:
    """The first round without it. What is over at a time that tells no round is taken to be over within its round."""
    if case.back is not None:
        return case.back
    about = None if case.strike is None else case.strike.about
    momentary = about is not None and not (about.lasts or about.fatal) and case.kind != "leave"
    if momentary or case.recover is not None or case.process == "zygote":
        return struck + 1
    return rounds


def _survivors(rounds: Iterable[int], robots: Sequence[int], run: History) -> Survivors | None:
    lines = [(number, run.metrics[number]) for number in rounds if number in run.metrics]
    lines = [(number, line) for number, line in lines if isinstance(line.get("wall_s"), int | float)]
    if not lines or not robots:
        return None
    waiting = [
        line["waiting_s"] + (line.get("learning_s") or 0.0)
        for _, line in lines
        if isinstance(line.get("waiting_s"), int | float)
    ]
    speed = None
    if all(run.book.knows(number) for number, _ in lines):
        steps = sum(run.book.dealt[number].get(robot, 0) for number, _ in lines for robot in robots)
        speed = steps / max(1e-9, sum(line["wall_s"] for _, line in lines))
    return Survivors(len(lines), speed, sum(waiting) / len(waiting) if waiting else None)


def _idle(case: Case, quiet: Sequence[int], run: History) -> float | None:
    """For how long training stood still, where there are no survivors to tell it by.

    Seconds from the last round before `case` to the end of the first trained once it is over, less those that as many
    trained rounds took among the `quiet` ones. What is over by the clock was over somewhere in a round: the one that
    had to wait for it may be the next.
    """
    if case.round is None or not quiet:
        return None
    over = case.round if case.back is None else case.back
    if case.strike is not None and case.strike.for_s is not None:
        over = min(over + 1, run.rounds - 1)
    again = next((number for number in range(over, run.rounds) if _trained(run.metrics.get(number))), None)
    if again is None:
        return None
    lines = [run.metrics.get(number) for number in range(case.round, again + 1)]
    known = [line for line in lines if line is not None and isinstance(line.get("wall_s"), int | float)]
    usual = [float(run.metrics[number]["wall_s"]) for number in quiet if "wall_s" in run.metrics[number]]
    if len(known) < len(lines) or not usual:
        return None
    expected = sum(map(_trained, known)) * sum(usual) / len(usual)
    return max(0.0, sum(float(line["wall_s"]) for line in known) - expected)


def _trained(line: Mapping[str, Any] | None) -> bool:
    return line is not None and float(line.get("trained_per_s", 0.0)) > 0.0


def _lost(case: Case, run: History) -> int | None:
    if case.fenced:
        return sum(fenced.lost for fenced in case.fenced)
    if case.process == SERVER:
        died = [item for item in run.book.lost if item.why.startswith("server_") and item.life in case.incarnations]
        return sum(item.steps for item in died)
    if case.learner < 0 or (case.strike is not None and case.strike.about.doer == "env_server"):
        return 0
    if case.round is None or not run.book.knows(case.round):
        return None
    span = span_of(case, run.rounds)
    return sum(item.steps for item in run.book.lost if item.learner == case.learner and item.round in span)


def _withheld(case: Case, span: range, book: Book) -> int | None:
    if case.learner < 0 or not span:
        return 0 if case.learner < 0 else None
    if not book.knows(span.start):
        return None
    return sum(book.withheld[number].get(robot, 0) for number in span for robot in case.robots)


def place(case: Case, book: Book) -> None:
    """The round in which a server's death took effect is known from where its next life went on."""
    if case.process != SERVER or not case.incarnations:
        return
    following = book.lives.get(max(case.incarnations) + 1)
    if following is not None and case.back is None:
        case.round = following if case.round is None else case.round
        case.back = following


def off_floor(case: Case, rounds: int) -> range:
    """The rounds in which its robots' bodies were stalled, towed or not there. Bodies change between two rounds."""
    strike = case.strike
    if strike is None or case.round is None or not case.robots:
        return range(0)
    if strike.kind == "join":
        return range(case.round)
    if strike.kind == "leave":
        return range(case.round, rounds)
    if strike.body == "drives-on":
        return range(0)
    span = span_of(case, rounds)
    moves = strike.before or strike.about.doer == "env_server"  # else it struck when the round had been collected
    first = case.off if case.off is not None else span.start + (not moves)
    return range(first, span.stop if case.on is None else case.on)
