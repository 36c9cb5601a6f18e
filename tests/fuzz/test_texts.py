"""What people hand in as text: configs, plans, overrides, floors, keys, commands. Refused in words, or taken."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from env_server.warehouse.ascii_layout import ascii_floor, load_layout
from env_server.warehouse.movingai import load_map, map_floor
from fleet.core.config import Config
from fleet.core.config.load import load_config, load_plan, parse_override
from fleet.core.config.write import to_toml
from fleet.core.endpoints import ChannelError, check_wire, parse_endpoint
from fleet.core.errors import BadInput
from fleet.core.faults.kinds import KINDS
from fleet.core.faults.resolve import resolve
from fleet.core.faults.strike import StrikeError, strike_of
from fleet.core.keys import load_client_keys, load_server_keys, make_keys
from fleet.study.prepare import prepare
from tests.control.drilling import Bench
from tests.fuzz.profile import quick
from tests.fuzz.samples import JUNK, flipped, same

pytestmark = pytest.mark.slow
TOML = [
    *["1", "-1", "0", "true", "1.5", "-0.0", "nan", "inf", "-inf", '""', '"x"', '"unset"', "[]", "[1]", "[[0], [1]]"],
    *["{}", "{ a = 1 }", '"../../etc/passwd"', "1e308", "9223372036854775807", "99999999999999999999", "1979-05-27"],
    *[
        '"per-robot"',
        '"tcp://0.0.0.0:1"',
        '"tcp://127.0.0.1:80"',
        '"a\\u0000b"',
        "10_000",
        "[1, 'a']",
        '"' + "a" * 200 + '"',
    ],
]
PLAN_KEYS = [
    *["kind", "target", "robots", "round", "at_s", "rounds", "for_s", "spread", "body", "times", "factor", "before"],
    *["probability", "mode", "direction", "delay_s", "damage", "checkpoint", "nonsense"],
]
PLAN_VALUES = [
    *[
        '"kill"',
        '"freeze"',
        '"env_server"',
        '"all"',
        '"random:2"',
        '"random:0"',
        '"25%"',
        '"101%"',
        "[0]",
        "[0, 0]",
        "[9]",
    ],
    *['"stalled"', '"towed"', "2", "3", *TOML],
]


@pytest.fixture(scope="module")
def smoke(root: Path) -> str:
    return (root / "configs" / "smoke.toml").read_text()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("t") / "config.toml"


def config_of(path: Path, content: bytes) -> Config | None:
    """Loaded, and prepared as a run would; None if it was refused. What loads is written out and loads again."""
    path.write_bytes(content)
    try:
        config = load_config(path)
    except BadInput:
        return None
    path.write_text(to_toml(config))
    assert load_config(path) == config
    return config


@quick
@given(st.integers(0, 2**32))
def test_a_config_with_settings_of_any_value(smoke: str, path: Path, seed: int) -> None:
    random = Random(seed)
    lines = smoke.splitlines()
    for _ in range(random.randrange(1, 4)):
        at = random.randrange(len(lines))
        key, equals, _ = lines[at].partition("=")
        lines[at] = (
            f"{key}= {random.choice(TOML)}" if equals else random.choice([lines[at], f"x = {random.choice(TOML)}"])
        )
    if random.random() < 0.3:
        lines += ["[wire]", f"listen = {random.choice(TOML)}", f"keys = {random.choice(TOML)}"]
    config = config_of(path, "\n".join(lines).encode())
    small = config is not None and config.world.worlds < 2000 and (config.world.shelf_columns or 0) < 60
    if config is not None and small:
        with contextlib.suppress(BadInput):
            prepare(config)


@quick
@given(st.binary(max_size=100) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b"")
@example(b"\xff")
@example(b"a = " + b"[" * 5000)
@example(b"[" * 5000)
@example(b"a." * 3000 + b"b = 1")
@example(b"[world]\nrobots = 0\n")
@example(b"[world]\nrobots = 10000\n")
@example(b'[run]\nname = "../up"\n')
@example(b"a = 1\na = 2\n")
@example(b"world = 3\n")
@example(b"[[world]]\nrobots = 1\n")
@example(b"mapping = [[0], [" + b"9" * 5000 + b"]]")
def test_any_text_as_a_config_or_plan(path: Path, content: bytes) -> None:
    config_of(path, content)
    path.write_bytes(content)
    with contextlib.suppress(BadInput):
        load_plan(path)


@quick
@given(st.integers(0, 2**32))
def test_a_config_with_bytes_changed(smoke: str, path: Path, seed: int) -> None:
    config_of(path, flipped(smoke.encode(), Random(seed)))


@quick
@given(st.text(max_size=30), st.sampled_from(TOML))
@example("world..robots", "1")
@example("world", "1")
@example("run.seed.x", "1")
@example("=", "=")
@example(".".join("a" * 3000), "1")
@example("x", "[" * 3000)
@example("x", "{" + ".".join("a" * 3000) + " = 1}")
def test_any_override(smoke: str, path: Path, key: str, value: str) -> None:
    path.write_text(smoke)
    for text in (
        key,
        f"{key}={value}",
        f"run.{key}={value}",
        f"run.seed={key}",
        f"world.map={key}",
        f"wire.keys={key}",
    ):
        with contextlib.suppress(BadInput):
            parse_override(text)
        with contextlib.suppress(BadInput):
            load_config(path, [text])


def some_plan(seed: int) -> str:
    """Up to three tables of any settings."""
    random = Random(seed)
    lines: list[str] = []
    for _ in range(random.randrange(1, 4)):
        lines.append(random.choice(["[[fault]]", "[[fault]]", "[[fault]]", "[rates]", "[fault]", "[x]"]))
        lines.append(
            f'kind = "{random.choice(list(KINDS))}"' if random.random() < 0.8 else "failure = 1e-9\nrepair = 5"
        )
        keys = random.sample(PLAN_KEYS, random.randrange(1, 5))
        lines += [f"{key} = {random.choice(PLAN_VALUES)}" for key in keys if key != "kind"]
        if random.random() < 0.7 and not {"round", "at_s"} & set(keys):
            lines.append("round = 2")
    return "\n".join(lines)


@quick
@given(st.integers(0, 2**32).map(some_plan))
@example('[[fault]]\nkind = "kill"\nrobots = [9]\nround = 2')
def test_a_fault_plan_of_any_entries(smoke: str, path: Path, plan_text: str) -> None:
    """Broken by reading robots without asking whether they exist: robot 9 of 3 is then a KeyError."""
    path.write_text(plan_text)
    with contextlib.suppress(BadInput):
        plan = load_plan(path)
        (path.parent / "smoke.toml").write_text(smoke)
        config = load_config(path.parent / "smoke.toml").model_copy(update={"faults": plan})
        resolve(config)


STRIKE = {"number": 3, "kind": "kill", "learner": 1, "robots": [1], "round": 2}


def test_a_strike_of_anything() -> None:
    """Broken by taking the fields as they come, and by pydantic's lax mode, which takes "3" and true for numbers."""
    assert strike_of(STRIKE).robots == (1,)
    for name in [*STRIKE, "for_s", "factor", "held", "body", "surplus"]:
        for junk in [*JUNK, "3", 3.0]:
            wanted: Any = tuple(junk) if isinstance(junk, list) else junk
            wanted = float(junk) if name in ("for_s", "factor") and type(junk) is int else wanted
            with contextlib.suppress(StrikeError):
                assert same(getattr(strike_of({**STRIKE, name: junk}), name), wanted)
    for name in ("number", "kind"):
        with pytest.raises(StrikeError):
            strike_of({key: value for key, value in STRIKE.items() if key != name})


ARGUMENTS = ["robots", "body", "factor", "for_s", "surplus"]
VALUES: list[Any] = [
    *[value for value in JUNK if not isinstance(value, bytes)],
    *[[0], [0, 0], [-1], [9], [True], [1.0], ["0"], [None], [[0]], [2**62], list(range(1024)), "all", "stalled"],
]


@quick
@given(
    st.sampled_from(["kill", "revive", "hang", "slow"]),
    st.dictionaries(st.sampled_from(ARGUMENTS), st.sampled_from(VALUES), max_size=4),
)
def test_a_command_with_any_arguments_is_answered(verb: str, arguments: dict[str, Any]) -> None:
    """Broken by comparing a factor before its type is known: `"x" > 1` then ends the supervisor."""
    reply = Bench().ask(verb, **arguments)
    assert type(reply.ok) is bool
    assert reply.text


MAP = "type octile\nheight 2\nwidth 3\nmap\nS.T\n@.E\n"
LAYOUT = "xx.\n..g\n"


@quick
@given(st.text("SETx@.g\n \t0", max_size=60) | st.text(max_size=60))
@example("type octile\nheight 99999999999\nwidth 99999999999\nmap\n")
@example("type octile\nheight 1e3\nwidth 3\nmap\n...\n")
@example("type octile\nheight \u0663\nwidth 3\nmap\n...\n...\n...\n")
@example("g" * 10_000)
def test_any_text_as_a_floor(text: str) -> None:
    for read in (lambda: map_floor(text, "m"), lambda: ascii_floor(text), lambda: map_floor(f"{MAP[:37]}{text}", "m")):
        with contextlib.suppress(BadInput):
            read()


@quick
@given(st.integers(0, 2**32))
@example(0)
def test_a_floors_file_with_bytes_changed(path: Path, seed: int) -> None:
    """Broken by reading the file as text outside the try: a byte that is no UTF-8 then is a UnicodeDecodeError."""
    readers: list[tuple[str, Callable[[Path], object]]] = [(MAP, load_map), (LAYOUT, load_layout)]
    for text, read in readers:
        path.write_bytes(flipped(text.encode(), Random(seed)))
        with contextlib.suppress(BadInput):
            read(path)


@quick
@given(
    st.binary(max_size=80),
    st.integers(0, 2**32),
    st.sampled_from(["server.key", "server.secret", "allowed/client.key"]),
)
def test_a_key_file_of_any_bytes(tmp_path_factory: pytest.TempPathFactory, junk: bytes, seed: int, name: str) -> None:
    """Broken by catching ValueError alone around z85: 40 times `#` then is a struct.error."""
    keys = tmp_path_factory.mktemp("k") / "keys"
    make_keys(keys)
    proper = (keys / name).read_bytes()
    for content in (
        junk,
        flipped(proper, Random(seed)),
        proper[:-1],
        proper + junk,
        proper[:20] + junk[:40].ljust(40, b"#"),
    ):
        (keys / name).write_bytes(content)
        for load in (load_server_keys, load_client_keys):
            with contextlib.suppress(BadInput):
                load(keys)


@quick
@given(
    st.text(max_size=60),
    st.sampled_from(["", "tcp://", "ipc:///", "tcp://127.0.0.1:", "tcp://[", "tcp://1.1.1.1:1?keys="]),
)
@example("\u0661:80", "tcp://127.0.0.")
@example("::1%eth0]:80", "tcp://[")
def test_any_text_as_an_endpoint(text: str, start: str) -> None:
    with contextlib.suppress(ChannelError):
        endpoint = parse_endpoint(start + text)
        assert endpoint.path is not None or endpoint.keys is not None or endpoint.host.is_loopback


def test_json_of_a_config_is_no_way_in(smoke: str, path: Path) -> None:
    path.write_text(smoke)
    config = load_config(path)
    check_wire(config.wire)
    assert Config.model_validate(json.loads(config.model_dump_json())) == config
