"""A message of every kind, and ways to spoil one: for the fuzz tests and for the attack on a live run."""

from dataclasses import fields
from random import Random
from typing import Any, get_args

import msgpack
import numpy as np

from fleet.core.messages import (
    Command,
    Event,
    Gone,
    Heartbeat,
    Hello,
    Inject,
    Lost,
    Message,
    Policy,
    Progress,
    Reply,
    Rollout,
    Stop,
    Welcome,
)
from fleet.core.spec import RolloutBatch, WorldSpec
from fleet.core.wire import encode

RUN = "0123456789abcdef" * 2
SPEC = WorldSpec(4, 3, 5, np.dtype(np.int8), 5, np.arange(1, 6, dtype=np.float32))
WEIGHTS = {"actor.0.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "obs.mean": np.zeros(3, np.float32)}
BATCH = RolloutBatch(
    robots=(1, 3),
    obs=np.arange(120, dtype=np.int8).reshape(2, 4, 3, 5),
    actions=np.ones((2, 3, 3), np.uint8),
    log_probs=np.full((2, 3, 3), -1.5, np.float32),
    rewards=np.arange(18, dtype=np.float32).reshape(2, 3, 3),
    terminated=np.zeros((2, 3, 3), np.bool_),
    truncated=np.eye(3, dtype=np.bool_)[None].repeat(2, 0),
    final_obs=np.arange(30, dtype=np.int8).reshape(6, 5),
)


def samples(run: str = RUN, learner: int = 3, incarnation: int = 1, life: int = 1) -> list[Message]:
    """One of every kind."""
    return [
        Hello(run, learner, incarnation, 7, 2, life=life, greeting=4),
        Welcome(run, life, learner, incarnation, 7, (1, 3), SPEC, greeting=4),
        Rollout(run, life, learner, incarnation, 9, 12, 7, BATCH),
        Policy(run, life, learner, incarnation, 8, (8, 9), WEIGHTS, {"kl": 0.25, "loss": float("inf")}),
        Stop(run, "the end"),
        Heartbeat(run, f"learner-{learner}", incarnation, 4711, 5, 9_000_000, 1.5, working=True),
        Progress(run, life, {"round": 3, "return": 0.5, "phase": "train", "paused": False}),
        Lost(run, learner, incarnation, "learner_died"),
        Gone(run, learner, "over_budget"),
        Inject(run, {"kind": "slow", "robots": [1, 3], "factor": 2.0}, over=True),
        Event(run, f"learner-{learner}", "online", {"learner": learner, "took_s": [0.5, None], "nested": {"a": True}}),
        Command(run, "status", {}),
        Reply(run, True, "läuft gut", {"robots": [1, 2]}),
    ]


SAMPLES = samples()
assert {type(sample) for sample in SAMPLES} == set(get_args(Message)), "a kind of message has no sample"


def sent(message: Message) -> list[bytes]:
    """Its frames, as bytes."""
    return [bytes(frame) for frame in encode(message)]


def same(a: Any, b: Any) -> bool:
    """Whether two messages are equal, arrays and NaN included."""
    if isinstance(a, np.ndarray):
        return type(b) is np.ndarray and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, (RolloutBatch, WorldSpec, Message)):
        return type(a) is type(b) and all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    return bool(type(a) is type(b) and (a == b or (a != a and b != b)))


JUNK: list[Any] = [
    *[None, True, False, 0, -1, 1, 7, 2**31, 2**62, 2**62 + 1, 2**63, 2**64 - 1, -(2**63), 0.0, -0.5, 1e308],
    *[float("nan"), float("inf"), "", "x", "\x00", "../../etc/passwd", "learner-0", "a" * 65, "ä" * 5000, b"", b"\xff"],
    *[[], {}, [[]], [None] * 1024, [0, 0], [2**64 - 1], {"": 0}, {"a": {"b": {"c": {"d": {"e": {"f": {}}}}}}}],
    *["object", "float64", ">f4", "|V8", "<U4", [2**31] * 5, [-1], [0, 2**62], [True], 1.5],
]


def mutated(frames: list[bytes], random: Random) -> list[bytes]:
    """A message spoilt in one of the ways in which one can be."""
    changed = list(frames)
    way = random.randrange(9)
    if way == 0:
        return [flipped(frame, random) for frame in changed]
    if way == 1:
        return [*changed[:-1], changed[-1][: random.randrange(len(changed[-1]) + 1)]]
    if way == 2:
        return [*changed, random.randbytes(random.randrange(64))]
    if way == 3:
        return changed[random.randrange(len(changed) + 1) :]
    if way == 4:
        random.shuffle(changed)
        return changed
    if way == 5:
        return [changed[0] + b"\xc1" * random.randrange(1, 9), *changed[1:]]
    return [field_changed(changed[0], random), *changed[1:]]


def flipped(frame: bytes, random: Random) -> bytes:
    """A few bytes changed."""
    spoilt = bytearray(frame)
    for _ in range(random.randrange(1, 4) if spoilt else 0):
        spoilt[random.randrange(len(spoilt))] = random.randrange(256)
    return bytes(spoilt)


def field_changed(header: bytes, random: Random) -> bytes:
    """A header one of whose keys, fields or described arrays is junk, is missing, or is one too many."""
    outer = msgpack.unpackb(header, strict_map_key=False)
    if outer["arrays"] and random.random() < 0.3:
        random.choice(outer["arrays"])[random.randrange(3)] = random.choice(JUNK)
    target = random.choice([outer, outer["fields"], outer["fields"]])
    key = random.choice([*target, "surplus"])
    if random.random() < 0.15:
        target.pop(key, None)
    else:
        target[key] = random.choice(JUNK)
    return bytes(msgpack.packb(outer))
