"""An environment server for the supervisor's tests: reports rounds until told to stop, and writes down what it hears.

Files in the run's folder steer it: `finish` ends it with 0, `crash` with 7 (only once if that is written in it); `deaf`
lets it ignore a stop; `broken` ends it before it is up; `silent` lets it say nothing of what it fences. The event in
`say` is sent. A policy of learner 0 is trained in the version that `train` names. Each start stands in `starts`.
"""

import json
import sys
import time
from pathlib import Path

from fleet.core import orphan
from fleet.core.ledger import RolloutName
from fleet.core.ledger_file import Ledger
from fleet.core.messages import Event, Gone, Inject, Lost, Message, Progress, Stop
from fleet.core.pulse import Pulse
from fleet.core.start import ServerStart, read_server_start, write_start


class FakeServer:
    def __init__(self, start: ServerStart) -> None:
        self.start, self.folder = start, Path(start.directory)
        self.ledger = Ledger(self.folder / "ledger.jsonl")
        self.pulse = Pulse(start.control_endpoint, start.run, "env_server", start.life, 0.05)
        self.heard = (self.folder / "heard").open("a", buffering=1)
        self.round = start.goes_on_at or 0
        self.online: set[str] = set()

    def run(self) -> int:
        trained = self.produce(0)
        while True:
            time.sleep(0.01)
            self.round += 1
            self.pulse.tick()
            figures = {"round": min(self.round, 40), "online": 1, "agent_steps": self.round * 10}
            self.pulse.send(Progress(self.start.run, self.start.life, figures))
            for message in self.pulse.heard():
                if isinstance(message, Stop) and not (self.folder / "deaf").exists():
                    return self.finish("stopped")
                self.take(message)
            self.greet()
            self.say()
            if not trained and (version := read(self.folder / "train")):
                trained = self.train(int(version))
            crash = read(self.folder / "crash")
            if crash is not None:
                print("the server's last words", flush=True)
                if crash:
                    (self.folder / "crash").unlink()
                return 7
            if (self.folder / "finish").exists():
                self.event("draining")
                return self.finish("done")

    def take(self, message: Message) -> None:
        if isinstance(message, Lost):
            print("lost", message.learner, message.incarnation, message.reason, file=self.heard)
            accepted = read(self.folder / f"accepted-{message.learner}")
            if not (self.folder / "silent").exists():
                about = {
                    "learner": message.learner,
                    "incarnation": message.incarnation,
                    "accepted": int(accepted or 99),
                }
                self.event("fenced", **about)
        elif isinstance(message, Gone):
            print("gone", message.learner, message.reason, file=self.heard)
        elif isinstance(message, Inject):
            print("inject", message.fault["kind"], message.over, file=self.heard)

    def greet(self) -> None:
        """A learner says by a file that it is there: its first policy is in use."""
        for path in self.folder.glob("hello-*"):
            if path.name not in self.online:
                self.online.add(path.name)
                _, learner, incarnation = path.name.split("-")
                self.event("online", learner=int(learner), incarnation=int(incarnation), version=0)

    def say(self) -> None:
        text = read(self.folder / "say")
        if text:
            (self.folder / "say").unlink()
            told = json.loads(text)
            self.event(told.pop("name"), **told)

    def event(self, name: str, **details: int) -> None:
        self.pulse.send(Event(self.start.run, "env_server", name, dict(details)))

    def produce(self, seq: int) -> bool:
        self.ledger.produced(self.round, 10, [(RolloutName(self.start.life, 0, 0, seq), (0,))])
        return False

    def train(self, version: int) -> bool:
        self.ledger.trained([RolloutName(self.start.life, 0, 0, 0)], version)
        self.produce(1)
        return True

    def finish(self, why: str) -> int:
        self.ledger.lost(self.ledger.outstanding(), why)
        self.ledger.close()
        self.pulse.close()
        return 0


def read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def main() -> int:
    orphan.die_with_parent()
    orphan.watch()
    start = read_server_start(sys.stdin.read())
    folder = Path(start.directory)
    with (folder / "starts").open("a") as starts:
        print(write_start(start), file=starts)
    if (folder / "broken").exists():
        print("no way to start", flush=True)
        return 3
    return FakeServer(start).run()


if __name__ == "__main__":
    sys.exit(main())
