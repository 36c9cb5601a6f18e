"""What a learner does to itself under a plan or when told, each kind on what it really changes."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fleet.core.checkpoint import SaveError
from fleet.core.codec import BadFrame
from fleet.core.faults.strike import Strike
from fleet.core.messages import Event, Message, Policy
from fleet.core.precision import Precision, rounded
from fleet.core.snapshots import LearnerStore
from fleet.core.spec import RolloutBatch
from fleet.core.weather import Weather
from fleet.core.wire import decode, encode
from learners.ippo import Ippo
from learners.sabotage import Sabotage, slowed

RUN = "0" * 32


class Mouth:
    """Keeps what is announced, as (name, number, round)."""

    def __init__(self) -> None:
        self.said: list[tuple[str, int, int]] = []
        self.flushed = False

    def send(self, message: Message) -> None:
        assert isinstance(message, Event)
        assert message.details["monotonic"] <= time.monotonic()
        self.said.append((message.name, message.details["number"], message.details["round"]))

    def flush(self) -> None:
        self.flushed = True


class Scene:
    """A sabotage with `plan`, and all that it can change."""

    def __init__(self, *plan: Strike, new: bool = True) -> None:
        self.weather, self.mouth, self.reconnected = Weather(), Mouth(), 0
        self.sabotage = Sabotage(RUN, "learner-0", plan, self.weather, self.mouth, self._reconnect, new=new)

    def _reconnect(self) -> None:
        self.reconnected += 1

    def rounds(self, *rounds: int) -> list[tuple[str, int, int]]:
        for round_ in rounds:
            self.sabotage.at_rollout(round_, float(round_))
        return self.mouth.said


def strike(kind: Any, number: int = 4, round: int | None = 3, **more: Any) -> Strike:
    return Strike(number=number, kind=kind, learner=0, robots=(0,), round=round, **more)


def told(scene: Scene, one: Strike, over: bool = False, now: float = 0.0) -> None:
    scene.sabotage.told(one.as_dict(), over, now)


def tick() -> None: ...


def test_without_a_plan_nothing_changes() -> None:
    scene = Scene()
    assert scene.rounds(*range(100)) == []
    assert scene.sabotage.ticker(tick) is tick
    assert scene.sabotage.half_saved is None
    assert scene.sabotage.next_end == float("inf")
    assert scene.weather.leaving("policy", frames := [b"x"], 0.0) is frames


@pytest.mark.parametrize(("until", "expected"), [(5, [("struck", 4, 3), ("mended", 4, 4)]), (None, [("struck", 4, 3)])])
def test_a_window_of_rounds_begins_and_ends_with_its_rounds(until: int | None, expected: list[Any]) -> None:
    scene = Scene(strike("delay", until=until, delay_s=0.5))
    assert scene.rounds(0, 1, 2) == []
    scene.rounds(3)
    assert scene.weather.delay_s == 0.5
    scene.rounds(4)
    assert scene.weather.delay_s == 0.5
    assert scene.rounds(5) == expected
    assert scene.weather.delay_s == (0.0 if until else 0.5)


def test_a_window_of_seconds_ends_by_this_process_own_clock() -> None:
    scene = Scene(strike("delay", for_s=2.0))
    scene.rounds(2, 3)
    assert scene.sabotage.next_end == 5.0
    scene.sabotage.at_time(4.9)
    assert scene.weather.delay_s > 0
    scene.sabotage.at_time(5.0)
    assert scene.weather.delay_s == 0.0
    assert scene.mouth.said == [("struck", 4, 3), ("mended", 4, 3)]


def test_a_round_that_was_withheld_does_not_save_it_from_its_strike() -> None:
    scene = Scene(strike("corrupt"))
    assert scene.rounds(2, 6, 7) == [("struck", 4, 6)]


def test_a_later_incarnation_does_not_repeat_what_struck_an_earlier_one_but_is_in_the_windows_that_last() -> None:
    """Broken by beginning whatever is due: a learner that exits in round 3 exits again as soon as it is back."""
    plan = strike("exit"), strike("corrupt", 5), strike("slow", 6, until=9), strike("delay", 7, until=4)
    assert Scene(*plan, new=False).rounds(4) == [("struck", 6, 4)]


def test_of_a_plan_only_what_a_learner_does_to_itself_in_a_round_is_its_own() -> None:
    scene = Scene(strike("kill"), strike("blind"), strike("delay", round=None, at_s=0.0))
    assert scene.rounds(3, 4) == []


def test_what_it_is_told_begins_at_once_and_ends_when_it_is_over() -> None:
    scene = Scene()
    one = strike("slow", 1000, round=None, factor=3.0)
    told(scene, one)
    told(scene, one)
    assert scene.sabotage.ticker(tick) is not tick
    told(scene, one, over=True)
    told(scene, one, over=True)
    assert scene.sabotage.ticker(tick) is tick
    assert scene.mouth.said == [("struck", 1000, -1), ("mended", 1000, -1)]


def test_what_others_do_and_what_is_no_strike_is_passed_over() -> None:
    scene = Scene()
    told(scene, strike("kill", round=None))
    scene.sabotage.told({"kind": "earthquake"}, False, 0.0)
    assert scene.mouth.said == []


def test_what_is_over_before_its_round_never_begins() -> None:
    one = strike("delay")
    scene = Scene(one)
    told(scene, one, over=True)
    assert scene.rounds(3, 4) == []


@pytest.mark.parametrize(
    ("direction", "cut_in", "cut_out"), [("in", True, False), ("out", False, True), ("both", True, True)]
)
def test_a_cut_ends_with_another_connection(direction: str, cut_in: bool, cut_out: bool) -> None:
    scene = Scene(strike("cut", for_s=1.0, direction=direction))
    scene.rounds(3)
    assert (scene.weather.cut_in, scene.weather.cut_out, scene.reconnected) == (cut_in, cut_out, 0)
    scene.sabotage.at_time(4.0)
    assert (scene.weather.cut_in, scene.weather.cut_out, scene.reconnected) == (False, False, 1)


def test_a_slow_update_takes_its_factor_times_as_long_and_ticks_on() -> None:
    ticks = []
    slow = slowed(lambda: ticks.append(time.monotonic()), 5.0)
    began = time.monotonic()
    for _ in range(4):
        time.sleep(0.02)
        slow()
    assert time.monotonic() - began >= 4 * 5 * 0.02
    assert max(after - before for before, after in zip([began, *ticks], ticks, strict=False)) < 0.4


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_weights_that_are_no_numbers_leave_past_the_senders_own_checks_and_are_refused_by_the_receivers(
    build: Callable[..., Ippo], precision: Precision
) -> None:
    """Broken by spoiling small arrays only: a large one has a frame of its own."""
    scene = Scene(strike("nan_weights"))
    small = rounded(build().weights(), precision)
    assert sum(array.nbytes for array in small.values()) % 4 == (2 if precision == "float16" else 0)
    weights = small | {"large": np.zeros(100_000, np.float32)}
    frames = encode(Policy(RUN, 0, 0, 0, 1, (0,), weights, {}))
    scene.rounds(3)
    for _ in range(2):  # it stays so
        spoiled = scene.weather.leaving("policy", frames, 0.0)
        assert spoiled is not None
        assert [len(frame) for frame in spoiled] == [len(frame) for frame in frames]
        with pytest.raises(BadFrame, match="fields"):
            decode(spoiled)
    assert scene.weather.leaving("hello", [b"h"], 0.0) == [b"h"]


def test_a_byte_of_the_next_message_is_to_be_flipped() -> None:
    scene = Scene(strike("corrupt"))
    scene.rounds(3, 4)
    assert scene.weather.corrupt == 1


def test_a_full_disk_fails_a_checkpoint_half_way_and_leaves_the_one_before(
    tmp_path: Path, build: Callable[..., Ippo]
) -> None:
    scene, store, learner = Scene(strike("no_space", until=5)), LearnerStore(tmp_path / "l"), build()
    store.save(1, *learner.save(), half=scene.sabotage.half_saved)
    scene.rounds(3)
    with pytest.raises(SaveError, match="No space left"):
        store.save(2, *learner.save(), half=scene.sabotage.half_saved)
    assert [entry.name for entry in (tmp_path / "l").iterdir()] == ["v00000001.safetensors"]
    scene.rounds(5)
    store.save(3, *learner.save(), half=scene.sabotage.half_saved)
    assert store.versions() == [1, 3]


def test_it_leaves_as_if_all_were_done() -> None:
    scene = Scene(strike("exit"))
    with pytest.raises(SystemExit) as leaves:
        scene.rounds(3)
    assert leaves.value.code == 0
    assert (scene.mouth.said, scene.mouth.flushed) == ([("struck", 4, 3)], True)


DIES_SAVING = """
import sys
from pathlib import Path
import numpy as np
from fleet.core.faults.strike import Strike
from fleet.core.snapshots import LearnerStore
from fleet.core.weather import Weather
from learners.sabotage import Sabotage

class Mouth:
    def send(self, message): print(message.name, message.details["round"], flush=True)
    def flush(self): print("flushed", flush=True)

sabotage = Sabotage("0" * 32, "learner-0", [Strike(0, "kill_in_save", learner=0, round=3)], Weather(), Mouth(),
                    lambda: None, new=True)
store = LearnerStore(Path(sys.argv[1]))
for round_ in range(9):
    sabotage.at_rollout(round_, 0.0)
    if round_ % 2 and not sabotage.must_save:
        continue
    store.save(round_, {"w": np.zeros(9999)}, {"version": round_}, half=sabotage.half_saved)
"""

HANGS = """
import sys, threading, time
from fleet.core.faults.strike import Strike
from fleet.core.weather import Weather
from learners.sabotage import Sabotage

class Mouth:
    def send(self, message): print(message.name, flush=True)
    def flush(self): pass

def beat():
    for _ in range(20):
        time.sleep(0.05)
        print("beat", flush=True)
threading.Thread(target=beat, daemon=True).start()
Sabotage("0" * 32, "learner-0", [Strike(0, "hang", learner=0, round=0)], Weather(), Mouth(), print, new=True
         ).at_rollout(0, 0.0)
print("went on", flush=True)
"""


@pytest.mark.e2e
def test_a_kill_inside_a_save_leaves_half_a_temporary_file_and_whole_checkpoints(tmp_path: Path) -> None:
    """No save is due in the round of the strike. Broken by killing before anything is written, and by waiting for the
    next save that is due, which never comes to one whose body is off from the strike on."""
    folder = tmp_path / "learner"
    died = subprocess.run([sys.executable, "-c", DIES_SAVING, folder], capture_output=True, text=True, timeout=60)
    assert (died.returncode, died.stdout.split()) == (-9, ["struck", "3", "flushed"])
    store = LearnerStore(folder)
    assert store.versions() == [0, 2]
    newest = store.newest()
    assert newest is not None
    assert newest.version == 2
    [half] = folder.glob(".*.tmp")
    assert 0 < half.stat().st_size < store.path(2).stat().st_size
    store.save(4, newest.arrays, newest.meta)
    assert not list(folder.glob(".*.tmp"))


@pytest.mark.e2e
def test_a_hang_is_busy_and_holds_no_other_thread_back() -> None:
    hung = subprocess.Popen([sys.executable, "-c", HANGS], stdout=subprocess.PIPE, text=True)
    try:
        assert hung.stdout is not None
        assert [hung.stdout.readline() for _ in range(11)] == ["struck\n", *["beat\n"] * 10]
        assert hung.poll() is None
    finally:
        hung.kill()
        hung.communicate()


def test_a_sabotaged_update_is_the_same_update(
    build: Callable[..., Ippo], make_rollout: Callable[..., RolloutBatch]
) -> None:
    """Faults of the clock and of the disk change no weight."""
    plain, slow = build(), build()
    scene = Scene(strike("slow", round=0, factor=1.5))
    scene.rounds(0)
    plain.update(make_rollout(), tick)
    slow.update(make_rollout(), scene.sabotage.ticker(tick))
    assert (plain.parameters == slow.parameters).all()
