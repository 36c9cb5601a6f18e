"""The environment server's lives: one that dies, freezes or gets stuck is replaced, and the learners go on untouched.

Settles the ledger of a life that is over, counts the lives in the manifest, and hands the next one what it has to know
(`Starts.server_again`). `now` is monotonic seconds, `attention` an `Attention`'s time.
"""

import signal
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import replace
from functools import partial

from fleet.control.care.aside import Aside, at_once
from fleet.control.care.child import SERVER, Child, Injury, Phase
from fleet.control.care.learners import Care
from fleet.control.care.record import Record
from fleet.control.care.restarts import Failed, decide
from fleet.control.care.starts import Starts
from fleet.control.care.watch import Watch
from fleet.control.ending import describe_exit, with_log
from fleet.control.process.processes import Ended, Processes
from fleet.core.errors import FleetError
from fleet.core.messages import Heartbeat, Progress

_LOOK_S = 0.02  # at whether a ledger has been settled


class ServerCare:
    """Starts servers. `child` is the server's row, its incarnation the life. Told of the run's `care`, and tells it.

    Ledgers are settled by `aside`; meanwhile neither the next life nor a learner is started. `struck_since` gives the
    plan's strikes, of a round and later, that have been carried out (`Drill.struck_since`).
    """

    def __init__(
        self,
        child: Child,
        care: Care,
        processes: Processes,
        record: Record,
        watch: Watch,
        starts: Starts,
        stuck_s: float,
        struck_since: Callable[[int], list[int]] = lambda _: [],
        aside: Aside = at_once,
    ) -> None:
        self.child = child
        self._care, self._processes, self._record = care, processes, record
        self._watch, self._starts, self._stuck_s = watch, starts, stuck_s
        self._struck_since, self._aside = struck_since, aside
        self._settling: Future[dict[int, int]] | None = None
        self._first = child.incarnation
        self._round, self._agent_steps = 0, 0
        self._was_up = False

    @property
    def life(self) -> int:
        """Which life it is in; what comes from earlier ones is void."""
        return self.child.incarnation

    def start(self, attention: float) -> None:
        """The first life of this run."""
        self._begin(self._starts.server(self.life), attention)

    def next_due(self, now: float) -> float | None:
        """When `act` has something to do next."""
        if self._settling is not None:
            return now + _LOOK_S
        return self.child.due if self.child.phase is Phase.WAITING else None

    def settle(self) -> str | None:
        """See whether the ledger of a life that is over has been settled; why the run can't go on, if it can't."""
        if self._settling is None or not self._settling.done():
            return None
        settled, self._settling = self._settling, None
        self._care.settling = False
        try:
            self._care.server_lost(settled.result())
        except FleetError as error:
            return f"the environment server died, and its ledger can't be settled: {error}"
        return None

    def wait_settled(self) -> None:
        """Until nobody is at the ledger any more."""
        if self._settling is not None:
            wait([self._settling])
            self._settling = None

    def act(self, attention: float, now: float) -> None:
        """Start the next life if its time has come."""
        if self._settling is not None:
            return
        if self.child.phase is not Phase.WAITING or not self.child.wanted or now < self.child.due:
            return
        self.child.incarnation = self._next_life()
        self.child.restarts += 1
        standing = replace(self._care.standing(), struck=self._struck_since(self._round))
        start, note = self._starts.server_again(self.life, self._round, self._agent_steps, standing)
        about = {"incarnation": self.life, "restarts": self.child.restarts, "round": self._round, "note": note or None}
        self._record.event("restart", SERVER, **about, **self._record.injured(self.child))
        self._begin(start, attention)

    def heard(self, beat: Heartbeat, attention: float, now: float) -> bool:
        """A heartbeat; whether it is the first of its life."""
        before = self.child.phase
        if not self._watch.heard(self.child, beat, attention, now):
            return False
        self._was_up = True
        return before is Phase.STARTING

    def progress(self, message: Progress, now: float) -> None:
        """A round is done, and with a life's first one the fault that ended the life before."""
        round_, steps = message.figures.get("round"), message.figures.get("agent_steps")
        self._round = round_ if isinstance(round_, int) else self._round
        self._agent_steps = steps if isinstance(steps, int) else self._agent_steps
        self._watch.recovered(self.child, now)

    def judge(self, attention: float, now: float) -> None:
        """Kill one that is frozen or stuck; it is then replaced like one that died."""
        child = self.child
        ailment = self._watch.judge(child, attention, now)
        if ailment is None:
            return
        still_s = self._watch.still_s(child, ailment, attention)
        self._watch.condemn(child, ailment, f"server_{ailment}", now, silent_s=still_s)
        self._processes.signal(SERVER, signal.SIGKILL)

    def exited(self, happening: Ended) -> None:
        """Its process is gone."""
        child = self.child
        child.gone()
        child.phase = Phase.ENDED
        about = {"pid": happening.pid, "incarnation": self.life, "status": happening.status}
        self._record.event("exit", SERVER, **about)

    def follow(self, happening: Ended, now: float) -> str | None:
        """What comes after a death that is no end of the run: another life; or why the run can't go on.

        One that never was up won't be the next time either.
        """
        child = self.child
        fault = child.fault if child.declared else child.open_fault("server_died", happening.noticed)
        assert fault is not None
        frozen = "" if fault.declare is None else " after it had been silent or stuck for too long"
        text = f"the environment server {describe_exit(happening.status)}{frozen}"
        fault.declare = now if fault.declare is None else fault.declare
        self._watch.declared(child)
        child.budget, decision = decide(child.budget, now)
        if isinstance(decision, Failed) or not self._was_up:
            reason = f" ({decision.reason})" if isinstance(decision, Failed) and child.restarts else ""
            return with_log(f"{text}{reason}", self._processes.log(SERVER))
        self._settling = self._aside(partial(self._starts.end_life, fault.cause, self._first))
        self._care.settling = True
        child.phase, child.due = Phase.WAITING, now + decision.after_s
        return self.settle()

    def injure(self, number: signal.Signals, injury: Injury) -> None:
        """Kill it (SIGKILL) or freeze it (SIGSTOP) on purpose."""
        injury.hit = self.life
        self.child.injury = injury
        self._processes.signal(SERVER, number)

    def _next_life(self) -> int:
        """A number no life has had; where the manifest can't be told, `fleet run --resume` learns it of the ledger."""
        try:
            return self._starts.next_life(self.life)
        except (OSError, FleetError) as error:
            self._record.missed("manifest.json", error)
            return self.life + 1

    def _begin(self, start: str, attention: float) -> None:
        self.child.phase = Phase.STARTING
        self._watch.begin(self.child, self._processes.start_server(start), attention, self._stuck_s)
