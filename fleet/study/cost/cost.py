"""What faults cost a run: fault by fault and over the run, from what its folder holds. Nothing is started or changed.

Goes into summary.json under "cost", and from there to the table at the end of `fleet run`. events.jsonl and
metrics.jsonl are thinned in their older halves once they are over their bounds, and the ledger is folded: a time whose
line is gone is None, means are taken over the rounds that are left, and sums over rounds that are only known in total
are None.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fleet.control.care.record import RecordError
from fleet.core.balance import Balance
from fleet.core.config import Config
from fleet.core.config.compare import differences
from fleet.core.config.load import load_config
from fleet.core.errors import BadInput, FleetError
from fleet.core.faults.resolve import resolve
from fleet.core.faults.strike import Strike, StrikeError, strike_of
from fleet.core.jsonl import read_jsonl
from fleet.core.ledger_file import audit
from fleet.core.rundir import RunDirectory
from fleet.study.cost.curve import Against, compare, rates
from fleet.study.cost.events import Case, cases
from fleet.study.cost.fault import SERVER, FaultCost, History, fault_cost, off_floor, place, span_of
from fleet.study.cost.ledger import read_book


@dataclass(frozen=True)
class Cost:
    """Of a whole run. `missed`: strikes whose target wasn't there; `unrecorded`: due ones of which no event is left.

    `lost`, `withheld` (by reason), `undone`: agent-steps, from the ledger, less those of frozen robots, which cost
    nothing. `restarts`: of learners and of the server, from summary.json and the events. `recorded` of `rounds` rounds
    are left in metrics.jsonl. `against`: None without a baseline.
    """

    faults: tuple[FaultCost, ...]
    missed: int
    unrecorded: int
    lost: Mapping[str, int]
    withheld: Mapping[str, int]
    undone: int
    restarts: int
    rounds: int
    recorded: int
    against: Against | None


def measure(directory: str | Path, baseline: str | Path | None = None) -> Cost | None:
    """The cost of the faults of the run in `directory`, against the run in `baseline`; None if there were none.

    Raises BadInput if a folder is none of a run's or a file in it can't be read.
    """
    run = RunDirectory.open(Path(directory))
    config = load_config(run.config)
    assert config.world.robots is not None
    groups = config.groups(config.world.robots)
    plan = planned(run, config)
    events = read_jsonl(run.events) if run.events.exists() else []
    found = cases(events, plan, groups)
    if not found:
        return None
    lines = _read(run)
    metrics = {line["round"] - 1: line for line in lines if isinstance(line.get("round"), int)}
    read = History(groups, metrics, read_book(run.ledger), max(metrics, default=-1) + 1)
    for case in found:
        place(case, read.book)
    balance = audit(run.ledger) if run.ledger.exists() else None
    return _cost(config, read, plan, found, balance, _restarts(run, events), baseline)


def write_cost(directory: RunDirectory, baseline: str | Path | None) -> None:
    """Put what the faults of a run that is over cost into its summary.json; nothing if there were none.

    What can't be read is said there in its place: a run that is over does not fail of it. Raises RecordError if the
    summary can't be written.
    """
    summary = directory.read_json("summary.json")
    try:
        cost = measure(directory.path, baseline)
        said = None if cost is None else asdict(cost)
    except FleetError as error:
        said = {"error": str(error)}
    if said is None:
        return
    try:
        directory.write_json("summary.json", {**summary, "cost": said})
    except OSError as error:
        raise RecordError(f"{directory.path / 'summary.json'}: can't be written: {error.strerror}") from error


def planned(run: RunDirectory, config: Config) -> tuple[Strike, ...]:
    """The strikes of the run's plan, as its faults.json says, or as they are resolved where there is none.

    Raises BadInput if the file is no such list.
    """
    if not (run.path / "faults.json").exists():
        return resolve(config)
    try:
        return tuple(strike_of(item) for item in run.read_json("faults.json")["strikes"])
    except (StrikeError, LookupError, TypeError, AttributeError) as error:
        raise BadInput(f"{run.path / 'faults.json'}: no list of strikes: {error}") from error


def _cost(
    config: Config,
    run: History,
    plan: Sequence[Strike],
    found: Sequence[Case],
    balance: Balance | None,
    restarts: int,
    baseline: str | Path | None,
) -> Cost:
    took_place = [case for case in found if not case.missed]
    numbers = {case.number for case in found}
    due = [strike for strike in plan if strike.round is not None and strike.round < run.rounds]
    touched = {number for case in took_place for number in span_of(case, run.rounds)}
    return Cost(
        faults=tuple(fault_cost(case, run, touched) for case in took_place),
        missed=len(found) - len(took_place),
        unrecorded=sum(strike.number not in numbers for strike in due),
        lost=dict(balance.lost) if balance else {},
        withheld=balance.missed if balance else {},
        undone=balance.total.undone if balance else 0,
        restarts=restarts,
        rounds=run.rounds,
        recorded=len(run.metrics),
        against=None if baseline is None else _against(config, run, took_place, Path(baseline)),
    )


def check_baseline(config: Config, baseline: str | Path) -> None:
    """Raise BadInput unless the run in `baseline` is of `config` without its faults, and has recorded rounds."""
    check_delivers(config)
    directory = RunDirectory.open(Path(baseline))
    theirs = load_config(directory.config)
    if theirs.faults.fault or theirs.faults.rates is not None:
        raise BadInput(f"--baseline {baseline}: that run has a fault plan of its own; allowed are runs without")
    heads = ("run.seed", "run.pacing", "world.", "network.", "learner.", "learners.", "mapping")
    wrong = [item for item in differences(theirs, config) if item.key.startswith(heads)]
    if wrong:
        said = "; ".join(f"{item.key} is {item.saved} there, {item.wanted} here" for item in wrong)
        raise BadInput(f"--baseline {baseline}: {said}; allowed is only the same")
    if not rates(_read(directory)):
        raise BadInput(f"--baseline {baseline}: it has recorded no round")


def check_delivers(config: Config) -> None:
    """Raise BadInput where there is nothing to compare with a baseline's."""
    if config.world.is_foreign:
        raise BadInput("--baseline compares deliveries, and nothing is delivered in this world; leave it out")


def _against(config: Config, run: History, found: Sequence[Case], baseline: Path) -> Against | None:
    theirs = rates(_read(RunDirectory.open(baseline)))
    off: dict[int, set[int]] = {}
    for case in found:
        for number in off_floor(case, run.rounds):
            off.setdefault(number, set()).update(case.robots)
    steps = config.learner.rollout_steps * config.world.worlds
    recovered = max((case.back for case in found if case.back is not None), default=None)

    def share_online(number: int) -> float:
        return 1.0 - len(off.get(number, ())) / run.robots

    return compare(str(baseline), rates(run.metrics.values()), theirs, share_online, steps, recovered)


def _restarts(run: RunDirectory, events: Iterable[Mapping[str, Any]]) -> int:
    server = sum((line.get("event"), line.get("process")) == ("restart", SERVER) for line in events)
    if not (run.path / "summary.json").exists():
        return server
    learners: dict[str, int] = run.read_json("summary.json").get("restarts", {})
    return sum(count for name, count in learners.items() if name != SERVER) + server


def _read(run: RunDirectory) -> list[dict[str, Any]]:
    return read_jsonl(run.metrics) if run.metrics.exists() else []
