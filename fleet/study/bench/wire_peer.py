"""The other process of `fleet bench wire`: a learner that learns nothing, or the far end of a plain copy.

`python -m fleet.study.bench.wire_peer JSON`, one line of JSON. A learner greets the server at `endpoint` and answers
each rollout with a policy of arrays of ones, `weights` by name with dtype and shape. A copier reads `count` times
`size` bytes from the inherited `socket` and gives `answer` bytes back, until the other end is closed.
"""

import json
import socket
import sys
from collections.abc import Mapping, Sequence

import numpy as np

from fleet.core.counters import Counters
from fleet.core.data_channel import DataClient
from fleet.core.messages import Policy, Rollout, Stop, Welcome
from fleet.core.spec import Array


def learn(endpoint: str, run: str, weights: Mapping[str, tuple[str, Sequence[int]]], figures: Sequence[str]) -> None:
    """Answer rollouts until told to stop."""
    client = DataClient(endpoint, run, 0, 0, Counters())
    arrays: dict[str, Array] = {name: np.ones(shape, dtype) for name, (dtype, shape) in weights.items()}
    diagnostics = dict.fromkeys(figures, 0.0)

    def publish(life: int, version: int, rollouts: tuple[int, ...]) -> None:
        client.send(Policy(run, life, 0, 0, version, rollouts, arrays, diagnostics))

    client.greet()
    going = True
    while going:
        for message in client.receive(1.0):
            if isinstance(message, Welcome):
                publish(message.life, 0, ())
            elif isinstance(message, Rollout):
                publish(message.life, message.seq + 1, (message.seq,))
            going = going and not isinstance(message, Stop)
    client.close()


def copy(link: socket.socket, size: int, count: int, answer: int) -> None:
    """Take in `count` times `size` bytes, give `answer` bytes back, and again until the other end is closed.

    Each lands in memory of its own, as a rollout does, not in a buffer that the processor's cache still holds.
    """
    reply = bytes(answer)
    while all(read_all(link, np.empty(size, np.uint8).data) for _ in range(count)):
        link.sendall(reply)


def read_all(link: socket.socket, into: memoryview) -> bool:
    """Fill `into`; False at the stream's end."""
    rest = into
    while rest:
        got = link.recv_into(rest)
        if not got:
            return False
        rest = rest[got:]
    return True


def main(text: str) -> None:
    """Be what the JSON says."""
    order = json.loads(text)
    if "endpoint" in order:
        learn(**order)
    else:
        with socket.socket(fileno=order.pop("socket")) as link:
            copy(link, **order)


if __name__ == "__main__":
    main(sys.argv[1])
