"""A drill whose care, powers, record and links only note what they are asked to do."""

from collections.abc import Iterable
from typing import Any

from fleet.control.care.child import SERVER, Child, Phase
from fleet.control.care.restarts import Budget
from fleet.control.drill.drill import Drill
from fleet.control.drill.hands import Hands
from fleet.core.faults.kinds import KINDS
from fleet.core.faults.strike import Strike, strike_of
from fleet.core.messages import Event, Inject, Reply

RUN = "0" * 32
BUDGET = Budget(5, 300.0, 0.2)


class Noting:
    """Notes each call as (name, learner or None, further arguments), and does to a child what Care would in the end."""

    def __init__(self, calls: list[Any]) -> None:
        self.calls = calls

    def take_down(self, child, how, injury, now) -> None:
        self.calls.append((how, child.learner, injury))
        child.phase, child.pid = (Phase.AWAY, None) if injury.held else (Phase.WAITING, None)
        child.held = injury.held

    def note_injury(self, child, injury) -> None:
        self.calls.append(("note", child.learner, injury))

    def forget_injury(self, child, number) -> None:
        self.calls.append(("forget", child.learner, number))

    def hold(self, child) -> None:
        self.calls.append(("hold", child.learner))
        child.phase, child.held = Phase.AWAY, True

    def bring_back(self, child, now) -> None:
        self.calls.append(("back", child.learner))
        child.phase, child.held, child.pid = Phase.UP, False, 77
        child.incarnation += 1

    def pause(self, child) -> None:
        self.calls.append(("pause", child.learner))

    def unpause(self, child) -> None:
        self.calls.append(("unpause", child.learner))

    def dismiss(self, child, now) -> None:
        self.calls.append(("dismiss", child.learner))
        child.phase = Phase.ENDED

    def __getattr__(self, name: str) -> Any:
        return lambda *injury: self.calls.append((name, *injury))


class Lines:
    """The record: run seconds are monotonic seconds less 1,000."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def since(self, moment: float) -> float:
        return moment - 1000.0

    def event(self, name: str, process: str, **details: Any) -> None:
        self.lines.append({"event": name, "process": process, **details})


class Bench:
    """A drill and everything around it. `calls` is what was done, `server` and `learners` what they were sent."""

    def __init__(
        self, *strikes: Strike, groups: Iterable[tuple[int, ...]] = ((0,), (1,), (2,)), run: str = RUN, **options: Any
    ):
        groups = tuple(groups)
        self.calls: list[Any] = []
        self.server: list[Inject] = []
        self.sent: list[tuple[int, Inject]] = []
        self.deaf: set[int] = set()
        self.record = Lines()
        children = [Child(f"learner-{k}", k, BUDGET, pid=100 + k, phase=Phase.UP) for k in range(len(groups))]
        self.children = {child.name: child for child in [Child(SERVER, None, BUDGET, pid=9, phase=Phase.UP), *children]}
        acting = Noting(self.calls)
        hands = Hands(acting, acting, self.record, self.server.append, self._send)
        self.drill = Drill(run, strikes, self.children, groups, hands, **options)

    def learner(self, learner: int) -> Child:
        return self.children[f"learner-{learner}"]

    def due(self, round_: int, begin: Iterable[int] = (), end: Iterable[int] = (), now: float = 1010.0, **more: Any):
        details = {"round": round_, "moment": "during", "begin": list(begin), "end": list(end), **more}
        self.drill.event(Event(RUN, SERVER, "due", details), now)

    def say(self, process: str, name: str, now: float = 1010.0, **details: Any) -> None:
        self.drill.event(Event(RUN, process, name, details), now)

    def ask(self, verb: str, now: float = 1010.0, **arguments: Any) -> Reply:
        return self.drill.command(verb, arguments, now)

    def names(self) -> list[tuple[Any, ...]]:
        """What was done, without the injuries."""
        return [call[:2] if len(call) > 2 else call for call in self.calls]

    def told_server(self) -> list[tuple[str, int, bool]]:
        return [(strike_of(inject.fault).kind, strike_of(inject.fault).number, inject.over) for inject in self.server]

    def told_learners(self) -> list[tuple[int, str, bool]]:
        return [(learner, strike_of(inject.fault).kind, inject.over) for learner, inject in self.sent]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.record.lines if line["event"] == name]

    def _send(self, child: Child, inject: Inject) -> bool:
        if child.learner in self.deaf:
            return False
        assert child.learner is not None
        self.sent.append((child.learner, inject))
        return True


def strike(kind: str, number: int = 0, learner: int = 1, **more: Any) -> Strike:
    """A strike at one robot's learner (its number is the robot's), or at the process that `target` names."""
    if more.get("target", "robots") != "robots":
        return Strike(number, kind, **more)
    assert kind in KINDS
    return Strike(number, kind, learner=learner, robots=(learner,), entry=3, **more)
