"""The fault drill as the supervisor has it, with the processor time that it takes, and the whole run beside it."""

import resource
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from fleet.control.drill.drill import Drill
from fleet.core.messages import Event, Reply

T = TypeVar("T")


class MeasuredDrill(Drill):
    """A drill that adds up its own processor time: `cpu_s`, of the thread that calls it."""

    cpu_s = 0.0

    def event(self, message: Event, now: float) -> None:
        """Hear what a process says."""
        self._measured(lambda: super(MeasuredDrill, self).event(message, now))

    def command(self, verb: str, arguments: Mapping[str, object], now: float) -> Reply:
        """Do what a person asks."""
        return self._measured(lambda: super(MeasuredDrill, self).command(verb, arguments, now))

    def tick(self, now: float) -> None:
        """Do what the clock says."""
        self._measured(lambda: super(MeasuredDrill, self).tick(now))

    def next_due(self) -> float | None:
        """When `tick` has something to do next."""
        return self._measured(lambda: super(MeasuredDrill, self).next_due())

    def _measured(self, call: Callable[[], T]) -> T:
        began = time.thread_time()
        try:
            return call()
        finally:
            self.cpu_s += time.thread_time() - began


class Usage:
    """Processor seconds from now on: the supervisor's own, and the run's, once all its processes have been reaped."""

    def __init__(self) -> None:
        self._own, self._children = time.process_time(), _reaped_s()

    def figures(self, drill_cpu_s: float) -> dict[str, float]:
        """For summary.json. `run_cpu_s` is everyone's, the supervisor included."""
        own = time.process_time() - self._own
        everyone = own + _reaped_s() - self._children
        figures = {"supervisor_cpu_s": own, "drill_cpu_s": drill_cpu_s, "run_cpu_s": everyone}
        return {name: round(seconds, 4) for name, seconds in figures.items()}


def _reaped_s() -> float:
    """What our descendants that have been reaped, by us or below us, have used."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
