"""A run again, with what befell it as a plan of rounds: what `fleet replay` does.

From a run's folder (config, plan, events, ledger) to the config of a new run. In lockstep a fault from outside has no
effect but through the round in which the server took the learner for dead, the round from which it was back, and the
checkpoint it came back with. All three are recorded, so that a kill planned with them gives the same weights, bit for
bit.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleet.core.config import Config
from fleet.core.config.faults import FaultConfig, FaultPlan
from fleet.core.config.load import load_config
from fleet.core.errors import BadInput
from fleet.core.faults.resolve import is_clockless, resolve
from fleet.core.faults.strike import Strike
from fleet.core.jsonl import read_jsonl
from fleet.core.rundir import RunDirectory
from fleet.study.cost.cost import planned
from fleet.study.cost.events import Case, cases, sessions
from fleet.study.cost.fault import SERVER, place
from fleet.study.cost.ledger import Book, read_book
from fleet.study.replay.fault import as_planned, happened

MOST_FAULTS = 500


@dataclass(frozen=True)
class Replay:
    """What is to be run: the config with its plan, where its policies start from (None: afresh), and what to say."""

    config: Config
    init_from: Path | None
    notes: tuple[str, ...]


def prepare_replay(directory: str | Path) -> Replay:
    """Make the replay of the run in `directory`. Raises BadInput if it is none, or what happened makes no plan."""
    run = RunDirectory.open(Path(directory))
    config = load_config(run.config)
    assert config.world.robots is not None
    events = read_jsonl(run.events) if run.events.exists() else []
    plan = planned(run, config)
    book = read_book(run.ledger)
    found = _kept(cases(events, plan, config.groups(config.world.robots)), events, book)
    config, cut = _as_far(run, config)
    faults, notes = plan_of(config, plan, found, book)
    notes += cut
    if config.run.pacing != "lockstep":
        notes.append('run.pacing = "free": the faults are the same, the run is not')
    if len(sessions(events)) > 1:
        notes.append("it had been resumed: what was undone by that is left out, and the replay runs through")
    replayed = config.model_copy(update={"faults": faults})
    try:
        resolve(replayed)
    except BadInput as error:
        raise BadInput(f"{directory}: what happened in it can't be carried out as one plan: {error}") from error
    return Replay(replayed, _init_from(run), tuple(notes))


def plan_of(config: Config, plan: Sequence[Strike], found: Sequence[Case], book: Book) -> tuple[FaultPlan, list[str]]:
    """The plan that repeats `found`, what befell a run of `config` whose own `plan` it was; and what to say of it.

    Faults of rounds that took place as planned stay as they are. Raises BadInput if it comes to too many.
    """
    notes: list[str] = []
    missed = {case.number for case in found if case.missed}
    of = {case.number: case for case in found if case.number is not None}
    entries = [[strike for strike in plan if strike.entry == entry] for entry in range(len(config.faults.fault))]
    whole = [
        is_clockless(strikes) and not any(strike.number in missed or not _reached(strike, config) for strike in strikes)
        for strikes in entries
    ]
    faults: list[FaultConfig] = []
    for fault, strikes, as_it_is in zip(config.faults.fault, entries, whole, strict=True):
        if as_it_is:
            faults.append(_named(fault, strikes))
        else:
            faults += [one for strike in strikes for one in _one(strike, of.get(strike.number), config, book, notes)]
    known = {strike.number for strike in plan}
    new = [case for case in found if case.number not in known and not _is_relapse(case, found)]
    extra = [fault for case in new for fault in happened(case, config.run.rounds, book, notes)]
    rates = config.faults.rates
    if rates is not None and (extra or missed or not all(whole)):  # else they would be drawn around other faults
        drawn = [strike for strike in plan if strike.entry < 0 and strike.number not in missed]
        drawn = [strike for strike in drawn if _reached(strike, config)]
        extra = [as_planned(strike) for strike in drawn] + extra
        rates = None
    if len(faults) + len(extra) > MOST_FAULTS:
        raise BadInput(f"{len(faults) + len(extra)} faults befell it; a plan has at most {MOST_FAULTS}")
    return FaultPlan(fault=(*faults, *extra), rates=rates), notes


def _is_relapse(case: Case, found: Sequence[Case]) -> bool:
    """Whether its learner died again before it was back from an earlier death: that one's fault covers this one."""
    return bool(case.incarnations) and any(
        other.process == case.process
        and (other.session, other.back) == (case.session, case.back)
        and bool(other.incarnations)
        and max(other.incarnations) < min(case.incarnations)
        for other in found
    )


def _named(fault: FaultConfig, strikes: Sequence[Strike]) -> FaultConfig:
    """The same with its robots by number: a draw depends on the fault's place in the plan."""
    robots = tuple(strike.robots[0] for strike in strikes if strike.robots)
    return fault.model_copy(update={"robots": robots}) if isinstance(fault.robots, str) else fault


def _one(strike: Strike, case: Case | None, config: Config, book: Book, notes: list[str]) -> list[FaultConfig]:
    """What became of one strike of a fault that did not take place as planned."""
    if case is not None and (case.missed or not is_clockless([strike])):
        return happened(case, config.run.rounds, book, notes)
    return [as_planned(strike)] if strike.round is not None and _reached(strike, config) else []


def _reached(strike: Strike, config: Config) -> bool:
    """Whether a run of `config` comes to its round; of one at a time of the clock that isn't known."""
    return strike.round is None or strike.round < config.run.rounds


def _as_far(run: RunDirectory, config: Config) -> tuple[Config, list[str]]:
    """The config with as many rounds as the run had when somebody stopped it, and what to say of that.

    A step size that falls to the run's end still falls to the end that the run would have had.
    """
    stopped = (run.path / "summary.json").exists() and run.read_json("summary.json").get("outcome") == "interrupted"
    rounds = [line.get("round") for line in read_jsonl(run.metrics)] if stopped and run.metrics.exists() else []
    done, wanted = max((number for number in rounds if isinstance(number, int)), default=0), config.run.rounds
    if not 0 < done < wanted:
        return config, []
    told = f"it was stopped after {done:,} of {wanted:,} rounds, and the replay ends there"
    learner = config.learner
    if learner.lr_schedule == "linear" and learner.lr_horizon is None:
        learner = learner.model_copy(update={"lr_horizon": wanted})
    return config.model_copy(update={"run": config.run.model_copy(update={"rounds": done}), "learner": learner}), [told]


def _kept(found: Iterable[Case], events: Iterable[Mapping[str, Any]], book: Book) -> list[Case]:
    """The cases less those of rounds that a later session of the run went back before."""
    kept = []
    lives = [part[0].get("life") for part in sessions(events)]
    for case in found:
        if case.process == SERVER:
            place(case, book)
        again = [book.lives[life] for life in lives[case.session + 1 :] if life in book.lives]
        if case.round is None or case.round < min(again, default=case.round + 1):
            kept.append(case)
    return kept


def _init_from(run: RunDirectory) -> Path | None:
    """The run whose policies the robots started from, as the command in the manifest says. Raises BadInput if gone."""
    command = [str(word) for word in run.read_json("manifest.json").get("command", [])]
    for word, following in zip(command, [*command[1:], ""], strict=True):
        name, given, value = word.partition("=")
        if name == "--init-from":
            source = Path(value if given else following)
            if not source.is_dir():
                raise BadInput(f"{run.path} began from the policies of {source}; there is no such folder")
            return source
    return None
