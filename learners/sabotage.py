"""What a learner does to itself on purpose, under the run's fault plan or told so by the supervisor.

The learner process says which round it is at and what time it is; strikes begin and end here, by changing the weather
of its data link, the tick of its updates and what happens inside a save. Each is announced before it acts.
"""

import errno
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Any, NamedTuple, NoReturn, Protocol

from fleet.core.faults.strike import Strike, StrikeError, strike_of
from fleet.core.messages import Event
from fleet.core.weather import Weather
from learners.protocol import Tick

log = logging.getLogger(__name__)


class Mouth(Protocol):
    """How events are announced: the process's pulse."""

    def send(self, message: Event) -> None:
        """Have it sent."""

    def flush(self) -> None:
        """Wait until it has left."""


class Active(NamedTuple):
    """A strike that has begun. `ends`: when, by this process's clock; `inf`: a round ends it, or a message."""

    strike: Strike
    ends: float


class Sabotage:
    """One learner process's. With nothing planned and nothing told it does nothing.

        sabotage = Sabotage(run, name, plan, weather, pulse, reconnect, new=True)
        sabotage.at_rollout(rollout.round, monotonic())
        learner.update(rollout.batch, sabotage.ticker(pulse.tick))
        store.save(..., half=sabotage.half_saved)
        sabotage.at_time(monotonic())               # now and then, `next_end` at the latest
        sabotage.told(inject.fault, inject.over, monotonic())

    `plan`: the strikes that concern this learner. `new`: whether no incarnation has been here before; a later one does
    not repeat what struck an earlier one, but finds itself in what goes on.
    """

    def __init__(
        self,
        run: str,
        process: str,
        plan: Iterable[Strike],
        weather: Weather,
        mouth: Mouth,
        reconnect: Callable[[], None],
        *,
        new: bool,
    ) -> None:
        self._run, self._process = run, process
        self._ahead = [strike for strike in plan if strike.round is not None and strike.about.doer == "learner"]
        self._weather, self._mouth, self._reconnect = weather, mouth, reconnect
        self._active: dict[int, Active] = {}
        self._round: int | None = -1 if new else None
        self._killer: Strike | None = None

    @property
    def next_end(self) -> float:
        """When the next strike with a duration in seconds ends; `inf`: there is none."""
        return min((active.ends for active in self._active.values()), default=inf)

    @property
    def must_save(self) -> bool:
        """Whether a checkpoint is to be written now, due or not: it is to be cut short, and in this round."""
        return self._killer is not None

    @property
    def half_saved(self) -> Callable[[], None] | None:
        """What is to be called when half of a checkpoint is written."""
        if self._killer is not None:
            return self._die_saving
        return _no_space if self._any("no_space") else None

    def at_rollout(self, round_: int, now: float) -> None:
        """A rollout of round `round_` is about to be learned: end what is over, begin what is due."""
        for active in list(self._active.values()):
            if active.strike.until is not None and round_ >= active.strike.until:
                self._end(active.strike)
        before = round_ - 1 if self._round is None else self._round
        self._round = round_
        due = [strike for strike in self._ahead if strike.round is not None and strike.round <= round_]
        for strike in due:
            self._ahead.remove(strike)
            if _is_due(strike, round_, before):
                self._begin(strike, now)

    def at_time(self, now: float) -> None:
        """End what has lasted its seconds."""
        for active in list(self._active.values()):
            if now >= active.ends:
                self._end(active.strike)

    def told(self, fault: Mapping[str, Any], over: bool, now: float) -> None:
        """The supervisor says that a strike begins, or is over."""
        try:
            strike = strike_of(fault)
        except StrikeError as error:
            log.warning("told of something unknown: %s", error)
            return
        if over:
            self._ahead = [ahead for ahead in self._ahead if ahead.number != strike.number]
            self._killer = None if self._killer and self._killer.number == strike.number else self._killer
            if strike.number in self._active:
                self._end(strike)
        elif strike.about.doer == "learner" and strike.number not in self._active:
            self._begin(strike, now)

    def ticker(self, tick: Tick) -> Tick:
        """What an update that begins now is to call after each gradient step: `tick`, late if it is to be slow."""
        factor = max((active.strike.factor for active in self._of("slow")), default=1.0)
        return tick if factor == 1.0 else slowed(tick, factor)

    def _begin(self, strike: Strike, now: float) -> None:
        log.warning("planned: %s", strike.kind)
        if strike.kind == "kill_in_save":
            self._killer = strike
            return
        self._announce("struck", strike)
        if strike.kind == "exit":
            self._mouth.flush()
            sys.exit(0)
        if strike.kind == "hang":
            self._mouth.flush()
            hang()
        if strike.kind == "corrupt":
            self._weather.corrupt += 1
            return
        self._active[strike.number] = Active(strike, inf if strike.for_s is None else now + strike.for_s)
        self._change_weather()

    def _end(self, strike: Strike) -> None:
        begun = self._active.pop(strike.number).strike
        self._change_weather()
        if begun.kind == "cut":
            self._reconnect()
        self._announce("mended", begun)

    def _change_weather(self) -> None:
        cuts = {active.strike.direction for active in self._of("cut")}
        self._weather.cut_in = bool(cuts & {"in", "both"})
        self._weather.cut_out = bool(cuts & {"out", "both"})
        self._weather.delay_s = max((active.strike.delay_s for active in self._of("delay")), default=0.0)
        self._weather.spoil = spoil_weights if self._any("nan_weights") else None

    def _die_saving(self) -> NoReturn:
        assert self._killer is not None
        self._announce("struck", self._killer)
        self._mouth.flush()
        os.kill(os.getpid(), signal.SIGKILL)
        hang()  # until it arrives

    def _announce(self, name: str, strike: Strike) -> None:
        round_ = -1 if self._round is None else self._round
        details = {"number": strike.number, "round": round_, "kind": strike.kind, "monotonic": time.monotonic()}
        self._mouth.send(Event(self._run, self._process, name, details))

    def _of(self, kind: str) -> list[Active]:
        return [active for active in self._active.values() if active.strike.kind == kind]

    def _any(self, kind: str) -> bool:
        return bool(self._active) and bool(self._of(kind))


def slowed(tick: Tick, factor: float) -> Tick:
    """`tick`, each time only after `factor` times the time that the work since the last one took."""
    since = time.monotonic()

    def slow() -> None:
        nonlocal since
        time.sleep((factor - 1.0) * (time.monotonic() - since))
        tick()
        since = time.monotonic()

    return slow


def spoil_weights(kind: str, frames: list[bytes]) -> None:
    """Make a policy's weights NaN in its frames, which the receiving side has to notice: no Policy can be made so."""
    if kind == "policy":
        frames[1:] = [b"\xff" * len(frame) for frame in frames[1:]]  # NaN in f32 and in f16


def hang() -> NoReturn:
    """Be busy for ever, in this thread alone."""
    while True:
        pass


def _is_due(strike: Strike, round_: int, before: int) -> bool:
    """Whether a strike whose round has come begins here. `before`: the last round that this learner was seen in."""
    assert strike.round is not None
    if strike.until is not None and not strike.about.fatal:
        return round_ < strike.until
    return strike.round > before


def _no_space() -> NoReturn:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
