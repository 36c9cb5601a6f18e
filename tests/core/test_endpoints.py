"""Where links may be: nothing beyond loopback without keys, and no port that somebody has."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fleet.core.config.load import ConfigError, find_config, load_config, placing_faults
from fleet.core.config.wire import WireConfig
from fleet.core.endpoints import ChannelError, check_ports, check_wire, endpoint_text, parse_endpoint
from fleet.core.errors import BadInput
from fleet.core.keys import make_keys

PRIVATE = Path("/tmp/fleet-run-0-0")


@pytest.fixture
def keys(tmp_path: Path) -> str:
    make_keys(tmp_path / "keys")
    return str(tmp_path / "keys")


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens at."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


@pytest.mark.parametrize(
    ("listen", "bound", "reached"),
    [
        ("ipc", "ipc:///tmp/fleet-run-0-0/data", "ipc:///tmp/fleet-run-0-0/data"),
        ("tcp://127.0.0.1:7300", "tcp://127.0.0.1:7301", "tcp://127.0.0.1:7301"),
        ("tcp://localhost:7300", "tcp://127.0.0.1:7301", "tcp://127.0.0.1:7301"),
        ("tcp://[::1]:7300", "tcp://[::1]:7301", "tcp://[::1]:7301"),
        ("tcp://*:65534", "tcp://0.0.0.0:65535", "tcp://127.0.0.1:65535"),
        ("tcp://[::]:7300", "tcp://[::]:7301", "tcp://[::1]:7301"),
        ("tcp://10.1.2.3:1", "tcp://10.1.2.3:2", "tcp://10.1.2.3:2"),
    ],
)
def test_what_is_listened_on_and_what_is_connected_to(listen: str, bound: str, reached: str) -> None:
    text = endpoint_text(WireConfig(listen=listen, keys="/k?keys=/x"), "data", PRIVATE)
    endpoint = parse_endpoint(text)
    assert (endpoint.bound, endpoint.reached, str(endpoint.keys)) == (bound, reached, "/k?keys=/x")


def test_an_open_wire_is_said_to_be_where_it_was_given(tmp_path: Path) -> None:
    """Broken by looking for settings of the world alone: only the file was named, even for an option."""
    path = tmp_path / "c.toml"
    path.write_text('wire.listen = "tcp://0.0.0.0:7300"\n' + find_config("smoke").read_text())
    with pytest.raises(ConfigError, match=r"c.toml, line 1: wire.listen"), placing_faults(path, load_config(path)):
        check_wire(load_config(path).wire)
    option = ["wire.listen=tcp://*:7300"]
    config = load_config("smoke", option)
    with pytest.raises(ConfigError, match=r"^--set wire.listen=tcp"), placing_faults("smoke", config, option):
        check_wire(config.wire)


@pytest.mark.parametrize("host", ["*", "0.0.0.0", "[::]", "192.0.2.7", "[2001:db8::1]", "[::ffff:8.8.8.8]"])
def test_nothing_listens_beyond_loopback_without_keys(host: str, keys: str) -> None:
    """Broken by dropping the loopback check from check_wire, then from parse_endpoint: each refuses by itself."""
    wire = WireConfig(listen=f"tcp://{host}:7300")
    with pytest.raises(BadInput, match="beyond loopback"):
        check_wire(wire)
    with pytest.raises(ChannelError, match="beyond loopback"):
        parse_endpoint(endpoint_text(wire, "data", PRIVATE))
    check_wire(WireConfig(listen=f"tcp://{host}:7300", keys=keys))


@pytest.mark.parametrize("listen", ["ipc", "tcp://127.0.0.1:7300", "tcp://127.9.9.9:7300", "tcp://[::1]:7300"])
def test_loopback_and_private_folders_need_no_keys(listen: str) -> None:
    check_wire(WireConfig(listen=listen))


def test_keys_that_cannot_be_used_are_said_before_anything_starts(keys: str, tmp_path: Path) -> None:
    (Path(keys) / "server.secret").chmod(0o644)
    with pytest.raises(BadInput, match="chmod"):
        check_wire(WireConfig(keys=keys))
    make_keys(tmp_path / "other")
    make_keys(tmp_path / "third")
    (tmp_path / "other" / "allowed" / "client.key").write_bytes((tmp_path / "third" / "client.key").read_bytes())
    with pytest.raises(BadInput, match=r"doesn't have client\.key"):
        check_wire(WireConfig(keys=str(tmp_path / "other")))


@pytest.mark.parametrize(
    "change",
    [
        {"listen": listen}
        for listen in [
            *["", "tcp", "tcp://", "tcp://127.0.0.1", "tcp://127.0.0.1:0", "tcp://127.0.0.1:65535", "tcp://[::1:7300"],
            *["tcp://127.0.0.1:07300", "tcp://127.0.0.1:7300/x", "tcp://::1:7300", "udp://127.0.0.1:7300", "TCP://a:1"],
            *["tcp://127.0.0.1:7300?keys=/x", "tcp://a b:1", "tcp://ä:1", "ipc:///tmp/x", "tcp://a:1\n", "x" * 9999],
        ]
    ]
    + [{"keys": ""}, {"keys": "a\0b"}],
)
def test_what_names_no_place_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        WireConfig(**change)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("host", ["nosuch.invalid", "999.1.1.1", "a" * 253, "[1::2::3]", "..", "-"])
def test_a_host_that_nobody_knows_is_said(host: str) -> None:
    with pytest.raises(BadInput, match="can't be resolved"):
        check_wire(WireConfig(listen=f"tcp://{host}:7300"))


@pytest.mark.parametrize(
    "text",
    [
        *["", "ipc://", "ipc://relative", "ipc:///" + "x" * 107, "inproc://a", "tcp://localhost:1", "tcp://*:1"],
        *["tcp://127.0.0.1:0", "tcp://127.0.0.1:65536", "tcp://127.0.0.1:1?keys=", "tcp://127.0.0.1:1?keys=k"],
        *["tcp://127.1.1.1.1:1", "tcp://127.0.0.01:1", "tcp://[::1%lo]:1", "127.0.0.1:1", "tcp://127.0.0.1:1 ", "\0"],
    ],
)
def test_a_text_that_is_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(ChannelError, match="endpoint"):
        parse_endpoint(text)


def test_a_port_in_use_is_said(taken: int) -> None:
    for first in (taken, taken - 1):  # control's, then data's
        with pytest.raises(BadInput, match=f"port {taken}, .* in use"):
            check_ports(WireConfig(listen=f"tcp://127.0.0.1:{first}"))
    with pytest.raises(BadInput, match="no address of this machine"):
        check_ports(WireConfig(listen="tcp://192.0.2.7:7300", keys="/k"))


def test_a_relative_key_folder_is_taken_from_the_configs_folder(tmp_path: Path, root: Path) -> None:
    text = (root / "configs" / "smoke.toml").read_text()
    (tmp_path / "c.toml").write_text(f'{text}\n[wire]\nkeys = "keys"\n')
    assert load_config(tmp_path / "c.toml").wire.keys == str(tmp_path / "keys")
    assert load_config(tmp_path / "c.toml", ["wire.keys=k"]).wire.keys == str(Path.cwd() / "k")
    assert load_config(tmp_path / "c.toml", ["wire.keys=unset"]).wire.keys is None
    (tmp_path / "c.toml").write_text(f'{text}\n[wire]\nlisten = "tcp"\n')
    with pytest.raises(ConfigError, match=r"line .*listen"):
        load_config(tmp_path / "c.toml")
