"""A learner for the supervisor's tests: beats, and does what the file `learner-K` in the run's folder says.

"stuck" and "idle" take effect once it has been up: no progress with work in hand, or without. One that is doomed fails.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

from fleet.core.messages import Stop
from fleet.core.pulse import Pulse
from fleet.core.start import read_learner_start


def warm() -> None:
    """Nothing to warm."""


def warm_slowly_the_second_time() -> None:
    log = Path(os.readlink("/proc/self/fd/1"))
    again = log.stat().st_size > 0
    print("warm", flush=True)
    time.sleep(60.0 if again else 0.0)


def fail_to_warm() -> None:
    raise RuntimeError("no warmth to be had")


def main(text: str) -> int:
    start = read_learner_start(text)
    told = Path(start.directory) / start.name
    behaviour = told.read_text() if told.exists() else "run"
    if behaviour == "crash" or start.doomed:
        raise RuntimeError("this learner crashes")
    if behaviour == "leave":
        return 0
    pulse = Pulse(start.control_endpoint, start.run, start.name, start.incarnation, 0.05)
    print(f"origin {start.origin} checkpoint {start.checkpoint}")
    (Path(start.directory) / f"hello-{start.learner}-{start.incarnation}").touch()
    while behaviour == "deaf" or not any(isinstance(message, Stop) for message in pulse.heard()):
        behaviour = told.read_text() if told.exists() else "run"
        pulse.working = behaviour != "idle"
        if behaviour not in ("stuck", "idle"):
            pulse.tick()
        time.sleep(0.01)
    pulse.close()
    return 0


def describe(text: str) -> int:
    """Says what a fork finds itself in."""
    handled = signal.getsignal(signal.SIGINT) is signal.SIG_IGN, signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    print(text, os.getpid() == os.getsid(0), *handled, os.environ["OMP_NUM_THREADS"], flush=True)
    return 5


def leave(text: str) -> None:
    sys.exit(int(text))


def sleep(text: str) -> None:
    time.sleep(float(text))


def start_a_thread() -> None:
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
