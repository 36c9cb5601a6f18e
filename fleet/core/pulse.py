"""The control link of a working process: a thread that says how far it is, and hands on what it hears.

A thread of its own, because the work between two messages may take seconds. The `progress` counter it sends is advanced
by the work itself, so that a process whose interpreter still answers but whose work hangs can be told apart.
"""

import math
import os
import queue
import threading
import time
from contextlib import suppress

import psutil
import zmq

from fleet.core.control_channel import ControlClient
from fleet.core.messages import Heartbeat, Message

_LEAVING_S = 0.05  # ZeroMQ's own thread writes to the socket, and nothing says when it has


class Pulse:
    """Heartbeats every `interval_s`; `wakeup_fd` becomes readable when the supervisor has sent something.

    `measure_s`: how old the memory may be that a heartbeat tells of.
    """

    def __init__(
        self, endpoint: str, run: str, process: str, incarnation: int, interval_s: float, measure_s: float = 5.0
    ) -> None:
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.wakeup_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.progress = 0
        self.working = True
        """Whether there is work in hand, so that progress is to be expected. Every heartbeat says it."""
        self._outbox: queue.SimpleQueue[Message | threading.Event] = queue.SimpleQueue()
        self._where = (endpoint, run, process, incarnation)
        self._interval, self._measure_s = interval_s, measure_s
        self._nudge = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)
        self._thread.start()

    def tick(self) -> None:
        """One piece of work done."""
        self.progress += 1

    def send(self, message: Message) -> None:
        """Have the thread send `message` now."""
        self._outbox.put(message)
        os.eventfd_write(self._nudge, 1)

    def flush(self, timeout_s: float = 1.0) -> None:
        """Wait until all that was to be sent has left, as far as can be known: for who is about to die."""
        left = threading.Event()
        self._outbox.put(left)
        os.eventfd_write(self._nudge, 1)
        if left.wait(timeout_s):
            time.sleep(_LEAVING_S)

    def heard(self) -> list[Message]:
        """All that has come in since the last call."""
        try:
            os.eventfd_read(self.wakeup_fd)
        except BlockingIOError:
            return []
        messages = []
        while not self._inbox.empty():
            messages.append(self._inbox.get())
        return messages

    def close(self) -> None:
        """Send what is still to be sent and end the thread."""
        self._closing.set()
        os.eventfd_write(self._nudge, 1)
        self._thread.join(timeout=0.5)

    def _beat(self) -> None:
        endpoint, run, process, incarnation = self._where
        client = ControlClient(endpoint, run, process, incarnation)
        poller = zmq.Poller()
        poller.register(client.socket, zmq.POLLIN)
        poller.register(self._nudge, zmq.POLLIN)
        me = psutil.Process()
        due = time.monotonic()
        memory, measured = 0, -math.inf
        try:
            while not self._closing.is_set():
                now = time.monotonic()
                if now >= due:
                    if now - measured > self._measure_s:  # reading smaps costs milliseconds, so not with every beat
                        memory, measured = me.memory_full_info().uss, now
                    busy = time.process_time()
                    client.send(
                        Heartbeat(run, process, incarnation, os.getpid(), self.progress, memory, busy, self.working)
                    )
                    due = now + self._interval
                self._drain(client)
                poller.poll(math.ceil(max(0.0, due - time.monotonic()) * 1000))
                with suppress(BlockingIOError):
                    os.eventfd_read(self._nudge)
                for message in client.receive(0.0):
                    self._inbox.put(message)
                    os.eventfd_write(self.wakeup_fd, 1)
            self._drain(client)
        finally:
            client.close()

    def _drain(self, client: ControlClient) -> None:
        while not self._outbox.empty():
            message = self._outbox.get()
            if isinstance(message, threading.Event):
                message.set()
            else:
                client.send(message)
