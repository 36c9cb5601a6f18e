"""An environment server in a thread, with learners and a supervisor played by the test's own thread.

The learners answer at once, with weights that tell what they were sent, so that what happens in one run and not in
another shows in its record. The supervisor kills and restarts as the server's events ask it to.
"""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np

from env_server.server import EnvironmentServer
from env_server.worlds import make_world
from fleet.core.answering import Answer
from fleet.core.config import Config
from fleet.core.control_channel import ControlServer
from fleet.core.counters import Counters
from fleet.core.data_channel import DataClient
from fleet.core.faults.resolve import resolve
from fleet.core.messages import Event, Heartbeat, Inject, Lost, Policy, Progress, Rollout, Stop, Welcome
from fleet.core.rundir import RunDirectory
from fleet.core.start import ServerStart

RUN = "5" * 32
WORLD = {"shelf_columns": 3, "shelf_rows": 1, "column_height": 2, "robots": 3, "worlds": 2, "max_steps": 20}
TABLES: dict[str, Any] = {
    "run": {"rounds": 8, "pacing": "lockstep"},
    "world": WORLD | {"dispatch": "nearest"},
    "network": {"hidden": (4,)},
    "learner": {"rollout_steps": 6},
    "checkpoint": {"every": 100},
    "control": {"heartbeat_s": 0.05},
}


def a_config(*faults: Mapping[str, Any], **run: Any) -> Config:
    tables = TABLES | {"run": TABLES["run"] | run, "faults": {"fault": faults}}
    return Config.model_validate(tables)


class Learning:
    """One incarnation: answers each rollout with a policy that is a function of it. `bad` policies it spoils first."""

    def __init__(self, endpoint: str, learner: int, incarnation: int, version: int, size: int) -> None:
        self.client = DataClient(endpoint, RUN, learner, incarnation, Counters(), version=version)
        self.learner, self.incarnation, self.version = learner, incarnation, version
        self.size, self.seen = size, 0.0
        self.mute = False
        self.change: Callable[[Policy], Policy] = lambda policy: policy
        self.rounds: list[int] = []
        self.stopped = False

    def attend(self) -> None:
        self.client.greet_if_due()
        for message in self.client.receive(0.0):
            answering, now = self.client.answering, monotonic()
            if isinstance(message, Welcome):
                answer = answering.answer(message, now)
                if answer is Answer.ENTER:
                    self.version = answering.enter(message, self.version)
                    self.publish(answering.policy(self.version, (), self.weights(), {}, now))
                elif answer is Answer.REPEAT:
                    self.publish(answering.again(self.weights(), now))
            elif isinstance(message, Rollout):
                self.version += 1
                self.rounds.append(message.round)
                self.seen = float(message.batch.obs.astype(np.int64).sum() % 1009)
                self.publish(answering.policy(self.version, (message.seq,), self.weights(), {}, now))
            elif isinstance(message, Stop):
                self.stopped = True

    def publish(self, policy: Policy) -> None:
        if not self.mute:
            self.client.send(self.change(policy))

    def weights(self) -> dict[str, np.ndarray]:
        rng = np.random.default_rng([self.learner, self.version, round(self.seen)])
        shapes = {
            "actor.0.weight": (self.size, 4),
            "actor.0.bias": (4,),
            "actor.1.weight": (4, 5),
            "actor.1.bias": (5,),
        }
        drawn = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
        return drawn | {"obs.mean": np.zeros(self.size, np.float32), "obs.scale": np.ones(self.size, np.float32)}


class Supervised:
    """A run under `config` in `folder`, one server life at a time."""

    def __init__(self, folder: Path, config: Config, text: str) -> None:
        self.config = config
        self.directory = RunDirectory.create(folder, text, [])
        # by name in the working directory's own short form: a socket's path has 107 bytes
        self.data = f"ipc://{self.directory.private_dir()}/data"
        self.control_at = f"ipc://{self.directory.private_dir()}/control"
        self.control = ControlServer(self.control_at, RUN)
        self.size = make_world(config.world).spec.observation_size
        self.strikes = {strike.number: strike for strike in resolve(config)}
        self.learners: dict[int, Learning] = {}
        self.events: list[Event] = []
        self.progress: list[Progress] = []
        self.beats: list[Heartbeat] = []
        self.restart_at_once = True
        self.life = 0

    def serve(self, **start: Any) -> threading.Thread:
        """Start a life of the server in a thread of its own."""
        given = ServerStart(RUN, str(self.directory.path), self.life, self.data, self.control_at, **start)
        self.failure: list[BaseException] = []

        def run() -> None:
            try:
                EnvironmentServer(given, self.config).run()
            except BaseException as error:
                self.failure.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def start(self, learner: int, incarnation: int = 0, version: int = -1) -> Learning:
        made = Learning(self.data, learner, incarnation, version, self.size)
        self.learners[learner] = made
        return made

    def kill(self, learner: int, reason: str = "learner_died") -> tuple[int, int]:
        """Its incarnation, and the version it had."""
        dead = self.learners.pop(learner)
        dead.client.close()
        self.tell(Lost(RUN, learner, dead.incarnation, reason))
        return dead.incarnation, dead.version

    def tell(self, message: Lost | Inject | Stop) -> None:
        self.control.send("env_server", self.life, message)

    def attend(self) -> None:
        """Let everyone do what there is to do."""
        for learner in list(self.learners.values()):
            learner.attend()
        for _, message in self.control.receive(0.0):
            if isinstance(message, Event):
                self.events.append(message)
                if message.name == "due":
                    self.due(message.details)
            elif isinstance(message, Progress):
                self.progress.append(message)
            elif isinstance(message, Heartbeat):
                self.beats.append(message)

    def due(self, details: Mapping[str, Any]) -> None:
        for strike in (self.strikes[number] for number in details["begin"]):
            accepted = details["accepted"].get(str(strike.learner), -1)
            if strike.kind == "join":
                self.start(strike.learner)
            elif strike.kind == "leave":
                self.learners.pop(strike.learner).client.close()
            elif strike.target == "robots":
                incarnation, _ = self.kill(strike.learner)
                if not strike.stays_out:
                    self.start(strike.learner, incarnation + 1, accepted)
                else:
                    self.out = incarnation, accepted
        for strike in (self.strikes[number] for number in details["end"]):
            self.start(strike.learner, self.out[0] + 1, self.out[1])

    def until(self, done: Callable[[], object], timeout_s: float = 30.0) -> None:
        deadline = monotonic() + timeout_s
        while not done():
            assert monotonic() < deadline, [(event.name, event.details) for event in self.events]
            assert not self.failure, self.failure
            self.attend()
            sleep(0.001)

    def finish(self, thread: threading.Thread) -> None:
        """Let the server come to its end, and hear what it says last."""
        self.until(lambda: not thread.is_alive())
        self.attend()
        assert not self.failure, self.failure

    def named(self, name: str) -> list[dict[str, Any]]:
        return [event.details for event in self.events if event.name == name]

    def close(self) -> None:
        for learner in self.learners.values():
            learner.client.close()
        self.control.close()
        self.directory.close()
