"""The lives of a run's learners: started, listened to, found dead, frozen or stuck, restarted, held or given up.

What is done to them on purpose is in injuries.py. Hears of happenings from `Processes` and of heartbeats and reports
from the control link; what the environment server has to be told goes into `notices`. Times given as `now` are
monotonic seconds; `attention` is an `Attention`'s time.
"""

import signal
from collections import deque
from collections.abc import Mapping
from typing import Any

from fleet.control.care.child import Child, Phase
from fleet.control.care.record import Record
from fleet.control.care.restarts import Failed, decide
from fleet.control.care.starts import Standing, Starts
from fleet.control.care.watch import Ailment, Watch
from fleet.control.care.zombies import Zombies
from fleet.control.process.processes import Ended, Processes, Started
from fleet.control.process.zygote_client import Refused
from fleet.control.timing import Timing
from fleet.core.messages import Gone, Heartbeat, Inject, Lost, Stop

DIED = "learner_died"
FROZEN = "learner_frozen"
STUCK = "learner_stuck"
UNREACHABLE = "learner_unreachable"
REFUSED = "policy_refused"
_CAUSES: dict[Ailment, str] = {"frozen": FROZEN, "stuck": STUCK}
_WORDS = {FROZEN: "frozen", STUCK: "stuck", UNREACHABLE: "unreachable"}
_AT_ONCE = 32  # learners that are starting: more only stand in each other's and everybody's way
_IDLE_BEATS = 3  # heartbeats without work between two complaints of no answer that make the second a death


class Care:
    """Holds the desired state of every learner and acts on it. `starts` says what with."""

    def __init__(
        self,
        run: str,
        learners: Mapping[str, Child],
        processes: Processes,
        record: Record,
        watch: Watch,
        starts: Starts,
        timing: Timing,
    ) -> None:
        self.learners = learners
        self.notices: deque[Lost | Gone | Inject | Stop] = deque()
        self.draining = False
        self.settling = False  # what a dead server had accepted is being read: nobody comes back before it is known
        self._run, self._processes, self._record, self._watch = run, processes, record, watch
        self._starts, self._timing = starts, timing
        self.zombies = Zombies(processes, record, timing.zombie)

    def release(self) -> None:
        """The run ends: from now on nobody is started, and whoever leaves is not missed."""
        for child in self.learners.values():
            child.wanted = False
            if child.phase in (Phase.WAITING, Phase.LEFT, Phase.AWAY):
                child.phase = Phase.ENDED

    def all_gone(self) -> bool:
        """Whether no learner is left that could learn: all but the frozen have failed or been dismissed."""
        return not any(child.wanted and not child.frozen for child in self.learners.values())

    def next_due(self) -> float | None:
        """When `act` has something to do next, unless something happens before."""
        full = self._room() <= 0
        may_act = (child for child in self.learners.values() if not (full and child.phase is Phase.WAITING))
        dues = [due for child in may_act if (due := child.due_next) is not None]
        return min([*dues, *self.zombies.dues()], default=None)

    def speaks_for(self, process: str, incarnation: int) -> bool:
        """Whether what that incarnation says of itself is news: it lives, or its death is being mended. No zombie's."""
        child = self.learners.get(process)
        dead = None if child is None or child.fault is None else child.fault.incarnation
        return child is None or incarnation in (child.incarnation, dead)

    def act(self, now: float) -> None:
        """Start the learners whose time has come, give up those that left too soon, and end what outstayed its time."""
        room = self._room()
        for child in self.learners.values():
            due = child.due_next
            if due is None or now < due:
                continue
            if child.leave_by is not None:
                child.leave_by = None
                self.kill(child, "it was told to leave")
            elif child.phase is Phase.LEFT and self.draining:
                child.phase = Phase.ENDED
            elif child.phase is Phase.LEFT:
                self._declare(child, now)
            elif room > 0:
                room -= 1
                self._start(child)
        self.zombies.act(now)

    def started(self, happening: Started, attention: float) -> None:
        """The zygote has forked a learner."""
        child = self.learners[happening.name]
        self._watch.begin(child, happening.pid, attention, self._timing.stuck)
        if not child.wanted or child.held:
            child.free = True  # should it be brought back before it has ended
            self.kill(child, "not wanted any more")
        elif child.kills > 0:
            child.kills -= 1
            self.kill(child, "injected")

    def heard(self, child: Child, beat: Heartbeat, attention: float, now: float) -> None:
        """A heartbeat of a learner."""
        before = child.progress
        if not self._watch.heard(child, beat, attention, now) or child.unanswered is None:
            return
        wait, beats = child.unanswered
        child.unanswered = None if beat.working or beat.progress > before else (wait, beats + 1)

    def unanswered(self, learner: int, incarnation: int, wait: int, now: float) -> None:
        """The server asks it in vain, and once more now; see `reports.UNANSWERED`.

        It is dead if it has been asked that before and hasn't been at work since: one that has answered may well idle.
        """
        child = self._alive(learner, incarnation)
        if child is None:
            return
        if child.unanswered is None or child.unanswered[0] != wait:
            child.unanswered = wait, 0
            self._watch.suspect(child, "no_answer", now)
        elif child.unanswered[1] >= _IDLE_BEATS:
            self.condemn(child, UNREACHABLE, now)

    def refuse(self, learner: int, incarnation: int, now: float) -> None:
        """The server has given it up, because nothing that it sends can be used."""
        child = self._alive(learner, incarnation)
        if child is not None:
            self.condemn(child, REFUSED, now)

    def fenced(self, learner: int, incarnation: int, accepted: int) -> None:
        """The server takes nothing more from that incarnation, and `accepted` is the last version it took."""
        child = self._learner(learner)
        if child is not None and incarnation >= child.fenced[0]:
            child.fenced = incarnation, accepted
            child.accepted = max(child.accepted, accepted)

    def online(self, learner: int, incarnation: int, version: int, now: float) -> None:
        """The environment server has the first policy of that incarnation in use: a fault ends here."""
        child = self._learner(learner)
        if child is None or incarnation != child.incarnation:
            return
        child.online, child.accepted, child.unanswered = incarnation, max(child.accepted, version), None
        self.zombies.wake(child, now)
        self._watch.recovered(child, now)

    def judge(self, attention: float, now: float) -> None:
        """Look for silence and for work that stands still, and kill what is frozen or stuck."""
        for child in self.learners.values():
            ailment = self._watch.judge(child, attention, now)
            if ailment is not None:
                still_s = self._watch.still_s(child, ailment, attention)
                self.condemn(child, _CAUSES[ailment], now, silent_s=still_s)

    def ended(self, happening: Ended, now: float) -> None:
        """A learner's process is gone."""
        if self.zombies.ended(happening):
            return
        child = self.learners[happening.name]
        child.gone()
        child.unanswered = None
        noticed = self._record.since(happening.noticed)
        details = {"pid": happening.pid, "incarnation": child.incarnation, "status": happening.status}
        self._record.event("exit", child.name, **details, suspect=noticed)
        left = happening.status == 0 or (happening.status is None and self.draining)
        if not child.wanted or (self.draining and left):
            child.phase = Phase.ENDED
            if not left:
                self.lose(child, DIED, now)
        elif child.declared:
            self._follow(child, now)
        else:
            child.open_fault(DIED, happening.noticed)
            if left and (child.injury is None or child.injury.kind != "exit"):
                child.phase, child.due = Phase.LEFT, now + self._timing.left
            else:
                self._declare(child, now)

    def refused(self, happening: Refused, now: float) -> None:
        """The zygote could not fork it: as a death."""
        child = self.learners[happening.name]
        self._record.event("refused", child.name, incarnation=child.incarnation, text=happening.text)
        if child.wanted:
            child.open_fault(DIED, now)
            self._declare(child, now)
        else:
            child.phase = Phase.ENDED

    def server_lost(self, trained: Mapping[int, int]) -> None:
        """The server is dead, and `trained` is the newest version of each learner in its ledger.

        Nobody is blamed for not answering it.
        """
        for child in self.learners.values():
            assert child.learner is not None
            child.unanswered = None
            child.accepted = max(child.accepted, trained.get(child.learner, -1))

    def standing(self) -> Standing:
        """What the server's next life, which is about to start, has to know; with that it has all of `notices`.

        A learner that is online may publish the policy again that it has, and nothing older; one that isn't yet has to
        number on from the last accepted.
        """
        self.notices.clear()
        for child in self.learners.values():
            if child.dead > child.fenced[0]:
                child.fenced = child.dead, child.accepted
        rows = [(str(child.learner), child) for child in self.learners.values()]
        accepted = {key: max(-1, child.accepted - (child.online > child.dead)) for key, child in rows}
        gone = [child.learner for child in self.learners.values() if not child.wanted and child.learner is not None]
        return Standing({key: child.dead for key, child in rows}, accepted, gone)

    def kill(self, child: Child, why: str) -> None:
        """SIGKILL its process."""
        if self._processes.signal(child.name, signal.SIGKILL):
            self._record.event("kill", child.name, pid=child.pid, incarnation=child.incarnation, reason=why)

    def condemn(self, child: Child, cause: str, now: float, **details: Any) -> None:
        """Its process is there and counts as dead from now on: the server is told, and it is killed."""
        word = _WORDS.get(cause, "given_up")
        self._watch.condemn(child, word, cause, now, incarnation=child.incarnation, **details)
        self.lose(child, cause, now)
        if child.zombie and child.wanted and self._processes.signal(child.name, signal.SIGSTOP):
            self.zombies.set_aside(child)
            child.gone()
            self._follow(child, now)
        else:
            self.kill(child, cause)

    def lose(self, child: Child, reason: str, now: float) -> None:
        """Tell the server of a death; what it had accepted by then is waited for before a restart."""
        assert child.learner is not None
        child.fence_by = now + self._timing.fence
        self.notices.append(Lost(self._run, child.learner, child.incarnation, reason))

    def _room(self) -> int:
        """How many more may start now."""
        return 0 if self.settling else _AT_ONCE - sum(c.phase is Phase.STARTING for c in self.learners.values())

    def _start(self, child: Child) -> None:
        assert child.learner is not None
        child.phase = Phase.STARTING
        if child.incarnation == 0:
            child.origin, child.checkpoint = self._starts.first(child.learner)
        else:
            child.restarts += 1
            child.origin, child.checkpoint, note = self._starts.again(child)
            known = {"incarnation": child.incarnation, "restarts": child.restarts}
            back = {"origin": child.origin, "checkpoint": child.checkpoint, "note": note or None}
            self._record.event("restart", child.name, **known, **back, **self._record.injured(child))
        self._processes.order_learner(child.name, self._starts.learner(child))
        if child.injury is not None and child.injury.doomed > 0:
            child.injury.doomed -= 1

    def _declare(self, child: Child, now: float) -> None:
        assert child.fault is not None
        child.fault.declare = now
        self.lose(child, child.fault.cause, now)
        self._follow(child, now)

    def _follow(self, child: Child, now: float) -> None:
        """What comes after a declared death: another incarnation now or when it is brought back, or none."""
        self._watch.declared(child)
        child.zombie = False
        if child.held or child.free:
            child.phase, child.due = Phase.AWAY if child.held else Phase.WAITING, now
        else:
            child.budget, decision = decide(child.budget, now)
            if isinstance(decision, Failed):
                self._give_up(child, decision.reason)
                return
            child.phase, child.due = Phase.WAITING, now + decision.after_s
        child.free = False
        child.incarnation += 1

    def _give_up(self, child: Child, reason: str) -> None:
        assert child.learner is not None
        child.wanted, child.phase = False, Phase.FAILED
        self._record.event("failed", child.name, reason=reason, restarts=child.restarts)
        self.notices.append(Gone(self._run, child.learner, "restarts_used_up"))

    def _learner(self, learner: int) -> Child | None:
        return self.learners.get(f"learner-{learner}")

    def _alive(self, learner: int, incarnation: int) -> Child | None:
        """That incarnation, if it has a process and hasn't been declared dead."""
        child = self._learner(learner)
        if child is None or child.pid is None or child.declared or child.incarnation != incarnation:
            return None
        return child
