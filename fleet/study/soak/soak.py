"""`fleet soak`: parts of real runs, one after the other, in both pacings, resumed after their supervisor was killed.

From a seed to a `Soaked`: what struck, what was mended, what was lost, what broke. It stops at the first part in which
something broke, since what comes after would only be its consequence.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fleet.core.config.load import find_config, load_config
from fleet.core.config.write import plan_to_toml
from fleet.core.errors import BadInput
from fleet.core.files import write_atomic
from fleet.core.rundir import RunDirectory
from fleet.study.prepare import prepare
from fleet.study.soak import checks
from fleet.study.soak.draw import Ordeal, kinds_in, ordeal
from fleet.study.soak.part import Part, RunBroke, Seen
from fleet.study.soak.tally import Tally, slope, tally

PART_S = 200.0
_PACINGS = ("free", "lockstep")
_ENDLESS = "10000000"

OnLook = Callable[["Soaked", float], None]


@dataclass
class Soaked:
    """What a soak came to. `memory_slope`: of the process that grew fastest (`grew`), bytes per second.

    `stop_s`: the slowest clean stop.
    """

    seed: int
    minutes: float
    parts: int = 0
    rounds: int = 0
    resumed: int = 0
    kinds: dict[str, Tally] = field(default_factory=dict)
    refused: int = 0
    broken: list[str] = field(default_factory=list)
    memory_slope: float | None = None
    grew: str = ""
    memory_peak: int = 0
    stop_s: float | None = None

    def take(self, seen: Seen) -> None:
        """Add what one part has shown."""
        self.broken += seen.broken
        self.rounds += max(0, seen.rounds)
        self.refused += seen.refused
        self.memory_peak = max(self.memory_peak, seen.peak)
        for (name, _), samples in seen.memory.items():
            grown = slope(samples)
            if grown is not None and (self.memory_slope is None or grown > self.memory_slope):
                self.memory_slope, self.grew = grown, name
        if seen.stop_s is not None:
            self.stop_s = max(self.stop_s or 0.0, seen.stop_s)


def soak(
    *,
    minutes: float,
    seed: int,
    config: str = "soak",
    every_s: float = 15.0,
    out: Path | None = None,
    on_look: OnLook = lambda _soaked, _at: None,
) -> Soaked:
    """Run `config` under random faults, one in about `every_s`, for `minutes`, in the folder `out` (unset: removed).

    `on_look` is called every two seconds with what there is so far and the seconds of the part. Raises BadInput.
    """
    if not 0.5 <= minutes <= 10_000:
        raise BadInput(f"minutes = {minutes:g}; allowed are 0.5 to 10000")
    if not 1 <= every_s <= 3600:
        raise BadInput(f"one fault in {every_s:g} s; allowed are 1 to 3600")
    find_config(config)
    if out is not None:
        if out.exists():
            raise BadInput(f"{out} exists already; name another folder, or remove it")
        out.mkdir(parents=True)
        return _Soak(Soaked(seed, minutes), config, every_s, out, on_look).run()
    with tempfile.TemporaryDirectory(prefix="fleet-soak-") as folder:
        return _Soak(Soaked(seed, minutes), config, every_s, Path(folder), on_look).run()


class _Soak:
    def __init__(self, soaked: Soaked, config: str, every_s: float, out: Path, on_look: OnLook) -> None:
        self._soaked, self._config, self._every_s = soaked, config, every_s
        self._out, self._on_look = out, on_look
        robots = prepare(load_config(config)).world.robots
        assert robots is not None
        self._robots = robots
        self._kind = 0

    def run(self) -> Soaked:
        for number, seconds in enumerate(_lengths(self._soaked.minutes * 60.0)):
            self._soaked.parts = number + 1
            folder = self._out / f"part-{number}"
            try:
                if number % 3 == 2:
                    self._twice(number, folder, seconds)
                else:
                    self._once(number, folder, seconds, _PACINGS[number % 3])
            except RunBroke as error:
                self._soaked.broken.append(str(error))
            if (folder / "events.jsonl").exists():
                tally(checks.events_of(RunDirectory.open(folder)), self._soaked.kinds)
            if self._soaked.broken:
                self._soaked.broken = [f"part {number}: {text}" for text in self._soaked.broken]
                break
        return self._soaked

    def _once(self, number: int, folder: Path, seconds: float, pacing: str) -> None:
        """A run, its faults, and Ctrl-C."""
        with self._part(folder, self._begin(folder, pacing), 2 * number, seconds) as part:
            self._watch(part, seconds, part.interrupt)

    def _twice(self, number: int, folder: Path, seconds: float) -> None:
        """A run whose supervisor is killed half-way, and which is then resumed."""
        with self._part(folder, self._begin(folder, "free"), 2 * number, seconds / 2) as part:
            self._watch(part, seconds / 2, part.kill_supervisor)
        if self._soaked.broken:
            return
        self._soaked.resumed += 1
        with self._part(folder, ["--resume", str(folder)], 2 * number + 1, seconds / 2) as part:
            self._watch(part, seconds / 2, part.interrupt)

    def _watch(self, part: Part, seconds: float, end: Callable[[], None]) -> None:
        try:
            part.watch(seconds, lambda at_s: self._on_look(self._soaked, at_s))
            end()
        finally:
            self._soaked.take(part.seen)

    def _begin(self, folder: Path, pacing: str) -> list[str]:
        seed = str(self._soaked.seed)
        return [
            self._config,
            "--out",
            str(folder),
            "--rounds",
            _ENDLESS,
            "--seed",
            seed,
            "--set",
            f"run.pacing={pacing}",
        ]

    def _part(self, folder: Path, arguments: list[str], draw: int, seconds: float) -> Part:
        drawn = self._ordeal(draw, seconds)
        plan = folder.with_name(f"{folder.name}-faults-{draw}.toml")
        write_atomic(plan, [plan_to_toml(drawn.plan).encode()])
        return Part(folder, [*arguments, "--faults", str(plan)], drawn.live)

    def _ordeal(self, draw: int, seconds: float) -> Ordeal:
        kind, self._kind = self._kind, self._kind + kinds_in(seconds, self._every_s)
        return ordeal(
            self._soaked.seed, draw, robots=self._robots, seconds=seconds, mean_s=self._every_s, first_kind=kind
        )


def _lengths(seconds: float) -> Iterator[float]:
    """Parts of about PART_S that add up to `seconds`; three at least, so that all ways to begin and end are there."""
    count = max(3, round(seconds / PART_S))
    for _ in range(count):
        yield seconds / count
