"""The gate among threads (locks and pipes don't know the difference) and among real processes that are killed in it."""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fleet.core.gate import Gate


@pytest.fixture
def make_gate(tmp_path: Path) -> Iterator[Callable[..., Gate]]:
    made: list[Gate] = []

    def make(slots: int = 2, **settings: object) -> Gate:
        made.append(Gate(tmp_path / "gate", slots, **settings))
        return made[-1]

    yield make
    for gate in made:
        gate.close()


def test_as_many_as_there_are_slots_and_the_next_when_one_leaves(make_gate: Callable[..., Gate]) -> None:
    first, second, third = (make_gate() for _ in range(3))

    assert [gate.enter() for gate in (first, second, third)] == [True, True, False]
    second.leave()
    assert third.enter()
    assert not second.enter()


def test_leaving_twice_gives_back_one_slot(make_gate: Callable[..., Gate]) -> None:
    first, second, third = (make_gate(slots=1) for _ in range(3))
    assert first.enter()
    first.leave()
    first.leave()

    assert second.enter()
    assert not third.enter()


def test_who_waits_is_woken_in_the_order_of_coming(make_gate: Callable[..., Gate], monkeypatch) -> None:
    monkeypatch.setattr("fleet.core.gate.LOOK_S", 30.0)  # nobody gets in by looking again
    holder = make_gate(slots=1)
    assert holder.enter()
    waiting = [make_gate(slots=1) for _ in range(6)]
    order: list[int] = []

    def come(number: int) -> None:
        gate = waiting[number]
        while not gate.enter():
            gate.wait([], 30.0)
        order.append(number)
        gate.leave()

    threads = []
    for number in range(6):
        threads.append(threading.Thread(target=come, args=(number,)))
        threads[-1].start()
        deadline = time.monotonic() + 10
        while waiting[number]._queue is None:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        time.sleep(0.01)  # registered, and soon asleep
    holder.leave()
    for thread in threads:
        thread.join(10)

    assert order == list(range(6))


def test_no_slot_is_lost_or_held_twice_in_a_crowd(make_gate: Callable[..., Gate]) -> None:
    inside, most, done, guard = 0, 0, [], threading.Lock()

    def work(number: int) -> None:
        nonlocal inside, most
        gate = make_gate(slots=3)
        for _ in range(30):
            while not gate.enter():
                gate.wait([], 5.0)
            with guard:
                inside += 1
                most = max(most, inside)
            time.sleep(0.0005)
            with guard:
                inside -= 1
            gate.leave()
        done.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(done) == list(range(12))
    assert most == 3


def test_other_descriptors_end_the_wait(make_gate: Callable[..., Gate], monkeypatch) -> None:
    monkeypatch.setattr("fleet.core.gate.LOOK_S", 30.0)
    holder, waiter = make_gate(slots=1), make_gate(slots=1)
    assert holder.enter()
    other = os.eventfd(1, os.EFD_NONBLOCK)

    waiter.wait([other], 30.0)  # would outlast the test's patience

    assert select.select([other], [], [], 0)[0]
    os.close(other)


def test_a_slot_held_for_too_long_is_replaced_once(make_gate: Callable[..., Gate]) -> None:
    now = 100.0
    frozen, second, third = (make_gate(slots=1, overdue_s=1.0, clock=lambda: now) for _ in range(3))
    assert frozen.enter()
    now += 0.9
    assert not second.enter()
    now += 0.2
    assert second.enter()
    assert not third.enter(), "the replacement isn't overdue"
    frozen.leave()
    assert third.enter()


def test_who_takes_long_itself_is_patient_with_others(make_gate: Callable[..., Gate]) -> None:
    now = 100.0
    slow, second = (make_gate(slots=1, overdue_s=1.0, clock=lambda: now) for _ in range(2))
    assert second.enter()
    now += 5.0
    second.leave()
    assert slow.enter()
    now += 19.0
    assert not second.enter()
    now += 2.0
    assert second.enter()


HOLD = """
import sys, time
from pathlib import Path
from fleet.core.gate import Gate
gate = Gate(Path(sys.argv[1]), 1)
assert gate.enter()
print("in", flush=True)
time.sleep(60)
"""


@pytest.mark.e2e
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_the_slot_of_a_killed_process_is_free(make_gate: Callable[..., Gate], tmp_path: Path, end: int) -> None:
    waiter = make_gate(slots=1, overdue_s=1e9)
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", HOLD, str(tmp_path / "gate")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "in\n"
        assert not waiter.enter()
        holder.send_signal(end)
        holder.wait(10)

        assert waiter.enter()


def test_a_full_pipe_stops_nobody(make_gate: Callable[..., Gate]) -> None:
    first, second = make_gate(slots=1), make_gate(slots=1)
    for _ in range(70_000):
        first._wake(1)
    assert first.enter()
    first.leave()

    assert second.enter()
    assert not first.enter()
