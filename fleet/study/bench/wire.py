"""`fleet bench wire`: rollouts through the real data link to another process, against a plain copy of the same bytes.

Both go to a process of their own (wire_peer.py), in turn, a block of rollouts each. The data link's answers each
rollout with a policy; the copy's gives the same number of bytes back.
"""

import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import psutil

from env_server.worlds import make_world
from fleet.control.process import spawn
from fleet.core.config import Config
from fleet.core.config.load import load_config
from fleet.core.config.write import to_toml
from fleet.core.counters import Counters
from fleet.core.data_channel import DataServer
from fleet.core.errors import FleetError
from fleet.core.messages import Hello, Message, Policy, Rollout, Stop, Welcome
from fleet.core.rundir import RunDirectory
from fleet.core.seeds import generator
from fleet.core.spec import RolloutBatch, WorldSpec
from fleet.study.bench.bench import Measured, Row
from fleet.study.bench.trained import train
from fleet.study.bench.wire_peer import read_all
from fleet.study.prepare import prepare
from learners.build import build_learner

TARGET_RATIO, TARGET_SHARE = 0.5, 0.05
_PATIENCE_S = 30.0


def measure(
    *,
    config: str = "warehouse40",
    overrides: Sequence[str] = (),
    blocks: int = 15,
    block_rollouts: int = 80,
    window: int = 2,
    round_s: float | None = None,
    rounds: int = 6,
) -> Measured:
    """Rows `wire` and `wire_share`, and the sizes of the messages.

    `window` rollouts are under way at most. `round_s` is how long a training round takes; unset, one is trained: some
    `rounds` of `config`. Raises FleetError if the other process fails.
    """
    settings = prepare(load_config(config, overrides))
    with tempfile.TemporaryDirectory(prefix="fleet-bench-") as folder, ExitStack() as stack:
        directory = stack.enter_context(RunDirectory.create(Path(folder) / "run", to_toml(settings), sys.argv))
        line = stack.enter_context(DataLine(directory, settings, window))
        line.block(block_rollouts)  # a first one, for what is only done once
        copy = stack.enter_context(CopyLine(line.rollout_bytes, block_rollouts, line.policy_bytes))
        copy.block()
        blocks_taken = [(line.block(block_rollouts), copy.block()) for _ in range(blocks)]
    each = line.rollout_bytes + line.policy_bytes
    moved, learners = block_rollouts * each, len(line.groups)
    wall, plain_wall = (statistics.median(took.wall_s for took in column) for column in zip(*blocks_taken, strict=True))
    busy, plain_busy = (sum(took.busy_s for took in column) for column in zip(*blocks_taken, strict=True))
    ratio = statistics.median(plain.wall_s / took.wall_s for took, plain in blocks_taken)
    wire_s = learners * each * wall / moved
    gigabytes = blocks * moved / 1e9
    if round_s is None:
        round_s = train(config, overrides, rounds=rounds).round_s
    rows = [
        Row("wire", moved / wall, "bytes/s", f"a plain copy: {moved / plain_wall:,.0f} bytes/s", ratio),
        Row("wire_share", wire_s, "s/round", f"a training round: {round_s:.2f} s", wire_s / round_s),
        _processor_time("wire_processor", busy / gigabytes, plain_busy / gigabytes),
        Row("wire_rollout", line.rollout_bytes, "bytes"),
        Row("wire_policy", line.policy_bytes, "bytes"),
    ]
    how = (
        f"Median of {blocks} blocks of {block_rollouts} rollouts of {settings.run.name}, each answered with a policy, "
        f"{window} under way at most, encoded, sent, decoded and checked; against a plain copy of the same bytes to a "
        "process over a Unix stream socket, into fresh memory each, in turn. wire_share is what "
        f"{learners} rollouts and policies take at that rate, one after the other; wire_processor is the processor "
        f"time of both processes together. Wanted: at least {TARGET_RATIO:g} of the copy, at most "
        f"{TARGET_SHARE:.0%} of a round."
    )
    return Measured(how, rows)


@dataclass(frozen=True)
class Took:
    """A block: seconds by the clock, and of processor time, both processes together."""

    wall_s: float
    busy_s: float


def timed(peer: subprocess.Popen[bytes], work: Callable[[], None]) -> Took:
    """What `work`, which `peer` shares in, takes."""
    began, busy = time.perf_counter(), _busy_s(peer)
    work()
    return Took(time.perf_counter() - began, _busy_s(peer) - busy)


def _busy_s(peer: subprocess.Popen[bytes]) -> float:
    theirs = psutil.Process(peer.pid).cpu_times()
    return time.process_time() + float(theirs.user + theirs.system)


def _processor_time(name: str, value: float, plain: float) -> Row:
    # a plain copy of a few kilobytes takes less than the kernel's clock of processor time can tell
    return Row(name, value, "s/GB", f"a plain copy: {plain:.2f} s/GB", value / plain if plain else None)


class DataLine:
    """A real DataServer here, one learner that learns nothing in a process of its own."""

    def __init__(self, directory: RunDirectory, config: Config, window: int) -> None:
        """`window`: rollouts under way at most."""
        self.spec: WorldSpec = make_world(config.world).spec
        self.groups = config.groups(self.spec.robots)
        self._run, self._window = directory.run, window
        # as many different ones as a round has, so that none is still in the processor's cache when its turn comes
        self._batches = [rollout_like(config, self.spec, self.groups[0]) for _ in self.groups]
        self._counters = Counters()
        self._sent = self._answered = 0
        endpoint = directory.endpoint("data")
        self._data = DataServer(endpoint, directory.run, self._counters)
        published = build_learner(config, self.spec, 0).weights()
        weights = {name: (array.dtype.name, array.shape) for name, array in published.items()}
        figures = [f"figure_{number}" for number in range(10)]  # about as many as an update's
        self._peer = _start_peer({"endpoint": endpoint, "run": directory.run, "weights": weights, "figures": figures})

    def __enter__(self) -> Self:
        ready = False
        while not ready:
            for message in self._receive():
                ready = ready or isinstance(message, Policy)
                if isinstance(message, Hello):
                    self._data.send(0, 0, self._welcome(message))
        return self

    def __exit__(self, *_: object) -> None:
        self._data.send(0, 0, Stop(self._run, "measured"))
        _end(self._peer)
        self._data.close()

    @property
    def rollout_bytes(self) -> int:
        """Bytes of one rollout as it is sent, its header included."""
        return self._counters.bytes("sent", "rollout") // self._counters.messages("sent", "rollout")

    @property
    def policy_bytes(self) -> int:
        """Bytes of one policy, its header included."""
        return self._counters.bytes("received", "policy") // self._counters.messages("received", "policy")

    def block(self, count: int) -> Took:
        """What it takes for that many rollouts to go out and be answered."""
        return timed(self._peer, lambda: self._block(count))

    def _block(self, count: int) -> None:
        end = self._sent + count
        while self._answered < end:
            while self._sent < min(end, self._answered + self._window):
                self._send()
            self._answered += sum(isinstance(message, Policy) for message in self._receive())

    def _send(self) -> None:
        number = self._sent
        rollout = Rollout(
            self._run,
            0,
            0,
            0,
            seq=number,
            round=number,
            version=number,
            batch=self._batches[number % len(self._batches)],
        )
        if not self._data.send(0, 0, rollout):
            raise FleetError("the data link doesn't take a rollout")
        self._sent += 1

    def _receive(self) -> list[Message]:
        messages = self._data.receive(_PATIENCE_S)
        if not messages:
            raise FleetError(f"no answer over the data link for {_PATIENCE_S:g} s; status {self._peer.poll()}")
        return messages

    def _welcome(self, hello: Hello) -> Welcome:
        return Welcome(self._run, 0, 0, 0, -1, self.groups[0], self.spec, hello.greeting)


class CopyLine:
    """The same bytes over a plain Unix stream socket, into a buffer of another process."""

    def __init__(self, size: int, count: int, answer: int) -> None:
        """A block is `count` times `size` bytes, and `count` times `answer` back."""
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._link.settimeout(_PATIENCE_S)
        self._data, self._size = memoryview(bytearray(count * size)), size
        self._answer = memoryview(bytearray(count * answer))
        with theirs:
            order = {"socket": theirs.fileno(), "size": size, "count": count, "answer": len(self._answer)}
            self._peer = _start_peer(order, [theirs.fileno()])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._link.close()
        _end(self._peer)

    def block(self) -> Took:
        """What it takes for a block to go over and be answered. Raises FleetError if the other end is gone."""
        return timed(self._peer, self._block)

    def _block(self) -> None:
        try:
            for begin in range(0, len(self._data), self._size):
                self._link.sendall(self._data[begin : begin + self._size])
            whole = read_all(self._link, self._answer)
        except OSError as error:
            raise FleetError(f"the plain copy broke off: {error}") from error
        if not whole:
            raise FleetError(f"the plain copy's other end is gone; status {self._peer.poll()}")


def rollout_like(config: Config, spec: WorldSpec, robots: tuple[int, ...]) -> RolloutBatch:
    """A rollout of the shape that `robots` of `config` make, episodes' ends included; its numbers are drawn."""
    rng = generator(1, "acting")
    steps, worlds = config.learner.rollout_steps, spec.worlds
    shape = (len(robots), steps, worlds)
    truncated = np.zeros(shape, np.bool_)
    truncated[:, 0, : round(worlds * steps / config.world.max_steps)] = True
    seen = (len(robots), steps + 1, worlds, spec.observation_size)
    return RolloutBatch(
        robots=robots,
        obs=rng.integers(0, 2, seen, np.int8).astype(spec.observation_dtype),
        actions=rng.integers(0, spec.actions, shape, np.uint8),
        log_probs=-rng.random(shape, np.float32),
        rewards=rng.random(shape, np.float32),
        terminated=np.zeros(shape, np.bool_),
        truncated=truncated,
        final_obs=np.zeros((np.count_nonzero(truncated), spec.observation_size), spec.observation_dtype),
    )


def _start_peer(order: Mapping[str, Any], inherit: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "fleet.study.bench.wire_peer", json.dumps(order)]
    return subprocess.Popen(command, env=spawn.environment(-1), pass_fds=inherit)


def _end(peer: subprocess.Popen[bytes]) -> None:
    """It leaves by itself now; it is killed if it doesn't."""
    try:
        peer.wait(_PATIENCE_S)
    finally:
        peer.kill()
        peer.wait()
