"""The control link of a working process, with the test as the supervisor."""

import select
import time
from collections.abc import Iterator

import pytest

from fleet.core.control_channel import ControlServer
from fleet.core.messages import Event, Heartbeat, Message, Stop
from fleet.core.pulse import Pulse
from tests.core.channels import RUN

NEVER_S = 60.0


@pytest.fixture
def supervisor(endpoint: str) -> Iterator[ControlServer]:
    server = ControlServer(endpoint, RUN)
    yield server
    server.close()


@pytest.fixture
def pulse(endpoint: str, supervisor: ControlServer) -> Iterator[Pulse]:
    pulse = Pulse(endpoint, RUN, "env_server", 0, NEVER_S)
    first = heard(supervisor, 1)[0]
    assert isinstance(first, Heartbeat)
    yield pulse
    pulse.close()


def heard(supervisor: ControlServer, count: int) -> list[Message]:
    messages: list[Message] = []
    deadline = time.monotonic() + 10
    while len(messages) < count and time.monotonic() < deadline:
        messages += [message for _, message in supervisor.receive(0.1)]
    return messages


def event(number: int) -> Event:
    return Event(RUN, "env_server", "online", {"learner": number})


def test_a_message_does_not_wait_for_the_next_heartbeat(supervisor: ControlServer, pulse: Pulse) -> None:
    pulse.send(event(1))
    assert heard(supervisor, 1) == [event(1)]


def test_what_is_said_last_arrives_though_it_is_followed_by_the_end(supervisor: ControlServer, pulse: Pulse) -> None:
    for number in range(5):
        pulse.send(event(number))
    pulse.close()
    assert heard(supervisor, 5) == [event(number) for number in range(5)]


def test_what_is_flushed_has_left_before_the_process_can_die(supervisor: ControlServer, pulse: Pulse) -> None:
    """Broken by a flush that doesn't wait for the thread."""
    pulse.send(event(1))
    began = time.monotonic()
    pulse.flush()
    assert time.monotonic() - began < 0.9
    assert [message for _, message in supervisor.receive(0.0)] == [event(1)]


def test_heartbeats_say_whether_there_is_work(endpoint: str, supervisor: ControlServer) -> None:
    pulse = Pulse(endpoint, RUN, "learner-0", 0, 0.02)
    working = [message.working for message in heard(supervisor, 2) if isinstance(message, Heartbeat)]
    pulse.working = False
    idle = [message.working for message in heard(supervisor, 4) if isinstance(message, Heartbeat)]
    assert working[0]
    assert not idle[-1]
    pulse.close()


def test_the_end_does_not_wait_for_the_next_heartbeat(pulse: Pulse) -> None:
    began = time.monotonic()
    pulse.close()
    assert time.monotonic() - began < 0.4


def test_what_the_supervisor_says_wakes_the_process(supervisor: ControlServer, pulse: Pulse) -> None:
    assert pulse.heard() == []
    assert supervisor.send("env_server", 0, Stop(RUN, "enough"))
    assert select.select([pulse.wakeup_fd], [], [], 10)[0]
    assert pulse.heard() == [Stop(RUN, "enough")]
    assert pulse.heard() == []
