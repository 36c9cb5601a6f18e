"""What each process of a run is started with."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fleet.control.care.child import Child
from fleet.control.care.comeback import choose
from fleet.core.checkpoint import CheckpointError, load_arrays
from fleet.core.ledger_file import end_life
from fleet.core.rundir import RunDirectory
from fleet.core.snapshots import MANIFEST, LearnerStore, Snapshot, SnapshotStore
from fleet.core.start import LearnerStart, Origin, ServerStart, write_start


@dataclass(frozen=True)
class Standing:
    """What a new life of the server has to know of the learners, by number as text where it is a table.

    `struck`: see `ServerStart`.
    """

    fences: dict[str, int] = field(default_factory=dict)
    accepted: dict[str, int] = field(default_factory=dict)
    gone: list[int] = field(default_factory=list)
    struck: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Starts:
    """One run's. `origins` says how each learner comes to life first; fresh if it isn't named.

    `snapshot` is the folder that the environment server's first life goes on from. `gated`: learners wait for each
    other at a gate. `foreign`: the world can't give its state, so no life goes on where the one before was.
    """

    directory: RunDirectory
    snapshot: str | None
    origins: Mapping[int, tuple[Origin, str | None]]
    keep: int
    gated: bool = False
    foreign: bool = False

    def begins_at(self) -> int:
        """The round, counted from 0, that the first life begins with."""
        if self.snapshot is None:
            return 0
        return int(json.loads((Path(self.snapshot) / MANIFEST).read_bytes())["round"])

    def server(self, life: int) -> str:
        """The environment server's first start, as JSON."""
        return write_start(ServerStart(*self._run(), life, *self._endpoints(), self.snapshot))

    def server_again(self, life: int, round_: int, agent_steps: int, standing: Standing) -> tuple[str, str]:
        """The start of a later life, as JSON: where the one before was in `round_`. Then a note, if all isn't well.

        It goes on from the newest snapshot that is whole, even if the rounds since are not in its world; a foreign
        world begins anew, with episodes of its own.
        """
        snapshot, note = self._newest_snapshot()
        folder = self.snapshot if snapshot is None else str(snapshot.folder)
        if snapshot is not None:  # it may say more than the last figures that got through did
            round_ = max(round_, snapshot.round)
            agent_steps = max(agent_steps, int(snapshot.manifest["agent_steps"]))
        if self.foreign:
            folder, note = None, "its world can't give its state, and begins with fresh episodes"
        start = ServerStart(
            *self._run(),
            life,
            *self._endpoints(),
            folder,
            goes_on_at=round_,
            agent_steps=agent_steps,
            fences=standing.fences,
            accepted=standing.accepted,
            gone=standing.gone,
            struck=standing.struck,
        )
        return write_start(start), note

    def next_life(self, last: int) -> int:
        """Count one more life of the server, after `last`, in the run's manifest; its number.

        Raises OSError or BadInput where that can't be done.
        """
        return self.directory.next_life(last)

    def end_life(self, why: str, since: int) -> dict[int, int]:
        """Settle the ledger of a life that is over; see `ledger_file.end_life`."""
        return end_life(self.directory.ledger, why, since)

    def learner(self, child: Child) -> str:
        """That incarnation's start, as JSON."""
        assert child.learner is not None
        incarnation = (child.learner, child.incarnation)
        doomed = child.injury is not None and child.injury.doomed > 0
        gate = str(self.directory.private_dir() / "gate") if self.gated else None
        start = LearnerStart(
            *self._run(), *incarnation, *self._endpoints(), child.origin, child.checkpoint, doomed, gate
        )
        return write_start(start)

    def first(self, learner: int) -> tuple[Origin, str | None]:
        """How it comes to life in its first incarnation."""
        return self.origins.get(learner, ("fresh", None))

    def again(self, child: Child) -> tuple[Origin, str | None, str]:
        """How it comes back: with a checkpoint, or as at first if it has none. Then a note, if all isn't well.

        It is dead when this is called, so its folder is ours to sweep.
        """
        assert child.learner is not None
        try:
            found = choose(LearnerStore(self.directory.learner(child.learner), self.keep), child)
        except OSError as error:
            return *self.first(child.learner), f"no checkpoint can be used: {error}"
        if found.path is None:
            return *self.first(child.learner), found.note
        return "restart", str(found.path), found.note

    def _newest_snapshot(self) -> tuple[Snapshot | None, str]:
        """The newest whose world loads; the learners' files in it are no matter, they live on."""
        passed_over = []
        for snapshot in reversed(SnapshotStore(self.directory.snapshots).snapshots()):
            try:
                for name in snapshot.manifest["files"]:
                    if name.endswith(".safetensors") and not name.startswith("learner-"):
                        load_arrays(snapshot.folder / name)
            except CheckpointError as error:
                passed_over.append(str(error))
                continue
            return snapshot, "; ".join(passed_over)
        return None, "; ".join(passed_over)

    def _run(self) -> tuple[str, str]:
        return self.directory.run, str(self.directory.path)

    def _endpoints(self) -> tuple[str, str]:
        return self.directory.endpoint("data"), self.directory.endpoint("control")
