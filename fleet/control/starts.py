"""What each process of a run is started with, and what a learner comes back with."""

from collections.abc import Mapping
from dataclasses import dataclass

from fleet.control.fleet_state import Child
from fleet.core.checkpoint import CheckpointError
from fleet.core.rundir import RunDirectory
from fleet.core.snapshots import LearnerStore
from fleet.core.start import LearnerStart, Origin, ServerStart, write_start


@dataclass(frozen=True)
class Starts:
    """One run's. `origins` says how each learner comes to life first; fresh if it isn't named."""

    directory: RunDirectory
    life: int
    snapshot: str | None
    origins: Mapping[int, tuple[Origin, str | None]]
    keep: int

    def server(self) -> str:
        """The environment server's start, as JSON."""
        return write_start(ServerStart(*self._run(), self.life, *self._endpoints(), self.snapshot))

    def learner(self, child: Child) -> str:
        """That incarnation's start, as JSON."""
        assert child.learner is not None
        incarnation = (child.learner, child.incarnation)
        return write_start(LearnerStart(*self._run(), *incarnation, *self._endpoints(), child.origin, child.checkpoint))

    def first(self, learner: int) -> tuple[Origin, str | None]:
        """How it comes to life in its first incarnation."""
        return self.origins.get(learner, ("fresh", None))

    def again(self, learner: int) -> tuple[Origin, str | None, str]:
        """How it comes back: with its newest checkpoint, or as at first if it has none. Then a note, if all isn't well.

        It is dead when this is called, so its folder is ours to sweep.
        """
        try:
            newest = LearnerStore(self.directory.learner(learner), self.keep).newest()
        except (CheckpointError, OSError) as error:
            return *self.first(learner), f"no checkpoint can be used: {error}"
        if newest is None:
            return *self.first(learner), ""
        return "restart", str(newest.path), newest.note

    def _run(self) -> tuple[str, str]:
        return self.directory.run, str(self.directory.path)

    def _endpoints(self) -> tuple[str, str]:
        return self.directory.endpoint("data"), self.directory.endpoint("control")
