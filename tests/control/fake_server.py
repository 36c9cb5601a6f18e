"""An environment server for the supervisor's tests: reports rounds until told to stop, and writes down what it hears.

Files in the run's folder steer it: `finish` ends it with 0, `crash` with 7; `deaf` lets it ignore a stop.
"""

import sys
import time
from pathlib import Path

from fleet.core import orphan
from fleet.core.ledger import RolloutName
from fleet.core.ledger_file import Ledger
from fleet.core.messages import Event, Gone, Lost, Progress, Stop
from fleet.core.pulse import Pulse
from fleet.core.start import read_server_start


def main() -> int:
    orphan.die_with_parent()
    orphan.watch()
    start = read_server_start(sys.stdin.read())
    folder = Path(start.directory)
    ledger = Ledger(folder / "ledger.jsonl")
    ledger.produced(0, 10, [(RolloutName(start.life, 0, 0, 0), (0,))])
    pulse = Pulse(start.control_endpoint, start.run, "env_server", start.life, 0.05)
    heard = (folder / "heard").open("a", buffering=1)
    round_ = 0
    while True:
        time.sleep(0.01)
        round_ += 1
        pulse.send(Progress(start.run, start.life, {"round": min(round_, 40), "online": 1}))
        for message in pulse.heard():
            if isinstance(message, Lost):
                print("lost", message.learner, message.incarnation, message.reason, file=heard)
                details = {"learner": message.learner, "incarnation": message.incarnation + 1}
                pulse.send(Event(start.run, "env_server", "online", details))
            elif isinstance(message, Gone):
                print("gone", message.learner, message.reason, file=heard)
            elif isinstance(message, Stop) and not (folder / "deaf").exists():
                return finish(ledger, pulse, "stopped")
        if (folder / "crash").exists():
            print("the server's last words", flush=True)
            return 7
        if (folder / "finish").exists():
            pulse.send(Event(start.run, "env_server", "draining", {}))
            return finish(ledger, pulse, "done")


def finish(ledger: Ledger, pulse: Pulse, why: str) -> int:
    ledger.lost(ledger.outstanding(), why)
    ledger.close()
    pulse.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
