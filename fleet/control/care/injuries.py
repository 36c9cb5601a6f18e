"""What is done to learners on purpose, by a fault plan or a person: hurt, held, brought back, dismissed.

`Care` sees to what follows. Times given as `now` are monotonic seconds.
"""

import signal
from collections.abc import Callable

from fleet.control.care.child import Child, Fault, How, Injury, Phase
from fleet.control.care.learners import DIED, STUCK, Care
from fleet.control.care.restarts import brought_back
from fleet.control.care.watch import Watch
from fleet.control.process.processes import Processes
from fleet.core.faults.kinds import KINDS
from fleet.core.messages import Gone, Stop

Tell = Callable[[Child, Stop], bool]


class Injuries:
    """Acts on the learners that `care` cares for. `tell` sends to one; False if it can't be reached."""

    def __init__(self, run: str, care: Care, processes: Processes, watch: Watch, leave_s: float, tell: Tell) -> None:
        self._run, self._care, self._processes, self._watch = run, care, processes, watch
        self._leave_s, self._tell = leave_s, tell

    def take_down(self, child: Child, how: How, injury: Injury, now: float) -> None:
        """Injure a learner on purpose, at once; what follows is as for any death, but for what `injury` says.

        One that has no process is not hurt again: what `injury` says of its coming back holds then, and a kill is made
        as soon as it has one, if it had been ordered. One that won't come back is left alone.
        """
        if not child.wanted:
            return
        self._note(child, injury)
        child.kills = injury.kills if how == "kill" else 0
        if child.pid is None or child.declared:
            self._hurt_again(child, injury, now)
        elif how == "kill":
            child.kills -= 1
            self._care.kill(child, "injected")
        else:
            child.zombie = how == "zombie"
            self._processes.signal(child.name, signal.SIGSTOP)

    def note_injury(self, child: Child, injury: Injury) -> None:
        """It does something to itself: what comes of it is recorded as the injury's, and it is held if that says so.

        The news of it may come after that.
        """
        self._note(child, injury)
        fault = child.fault
        if fault is None or fault.incarnation != injury.hit or _shown(fault, injury) or not KINDS[injury.kind].fatal:
            return
        if fault.number is not None:  # it was put down to something else
            child.earlier.setdefault(fault.number, fault)
        child.fault = fault.of(injury)
        if fault.declare is not None:
            self._watch.declared(child)
        elif injury.kind == "exit":
            child.due = injury.injected  # nobody need wait for the run to turn out to be ending

    def forget_injury(self, child: Child, number: int) -> None:
        """That injury is over and has come to nothing: a later death is none of its."""
        if child.injury is not None and child.injury.number == number:
            child.injury = None

    def hold(self, child: Child) -> None:
        """From now on it isn't started: one that waits to be is away at once, one that lives once it dies."""
        child.held = True
        if child.phase is Phase.WAITING:
            child.phase = Phase.AWAY

    def bring_back(self, child: Child, now: float) -> None:
        """Nobody holds it any more: it is started at once, with no budget used and no pause left over.

        One that is to be held and isn't dead yet (it is stopped, or hangs) is put down first. Whoever calls this sees
        to it that no other fault and no person still wants it away.
        """
        if not child.held or not child.wanted:
            return
        child.held, child.due = False, now
        child.budget = brought_back(child.budget, now)
        if child.phase is Phase.AWAY:
            child.phase = Phase.WAITING
        elif child.phase is Phase.LEFT or child.declared:
            child.free = True
        elif child.injury is not None and child.injury.held:
            child.free = True
            if child.pid is not None:
                self._care.condemn(child, STUCK if child.injury.kind == "hang" else DIED, now)

    def pause(self, child: Child) -> None:
        """SIGSTOP it. Its silence counts, so it has to be short."""
        self._processes.signal(child.name, signal.SIGSTOP)

    def unpause(self, child: Child) -> None:
        """SIGCONT it."""
        self._processes.signal(child.name, signal.SIGCONT)

    def dismiss(self, child: Child, now: float) -> None:
        """It leaves for good: told to stop, ended if it doesn't, and the server is told that it is gone ("left")."""
        if not child.wanted:
            return
        child.wanted, child.held, child.leave_by = False, False, now + self._leave_s
        assert child.learner is not None
        self._care.notices.append(Gone(self._run, child.learner, "left"))
        if child.pid is not None and not self._tell(child, Stop(self._run, "it leaves the fleet")):
            self._care.kill(child, "it leaves the fleet")
        elif child.pid is None and child.phase is not Phase.STARTING:
            child.phase = Phase.ENDED

    def _note(self, child: Child, injury: Injury) -> None:
        injury.hit = child.dead if child.phase in (Phase.WAITING, Phase.AWAY) else child.incarnation
        before = child.injury
        if before is not None and before.number != injury.number and _unnoticed(child, before, injury.hit):
            child.unnoticed.append(before)
        child.injury, child.held = injury, child.held or injury.held
        if injury.accepted is not None and child.learner is not None:
            self._care.fenced(child.learner, injury.hit, injury.accepted)

    def _hurt_again(self, child: Child, injury: Injury, now: float) -> None:
        """It has no process, or is dead already: this injury is one more reason for that, and goes with it."""
        if child.phase is Phase.STARTING and child.pid is None:
            child.kills = max(1, child.kills)
            return
        child.kills = max(0, child.kills - 1)
        before = child.fault
        if before is not None:
            fault = child.open_fault(before.cause, now)
            fault.incarnation = before.incarnation
            fault.declare = None if before.declare is None else max(before.declare, now)
        if child.phase is Phase.WAITING:
            if child.fault is not None:
                child.fault.declare = now
                self._watch.declared(child)
            if child.held:
                child.phase = Phase.AWAY


def _unnoticed(child: Child, injury: Injury, incarnation: int) -> bool:
    """Whether that incarnation has it, would die of it, and hasn't been found dead of it yet."""
    return injury.hit == incarnation and KINDS[injury.kind].fatal and not _shown(child.fault, injury)


def _shown(fault: Fault | None, injury: Injury) -> bool:
    """Whether what came of that injury has come to light already."""
    return fault is not None and fault.number == injury.number
