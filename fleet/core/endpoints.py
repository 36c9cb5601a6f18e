"""Where a link is and whether keys protect it, as one text: in each process's start and in control.json; read by Link.

    ipc:///tmp/fleet-run-0123abcd-4567cdef/data    in the run's private folder
    tcp://127.0.0.1:7300                           without keys on loopback only
    tcp://0.0.0.0:7301?keys=/home/ann/keys         CURVE, with the keys in that folder

Hosts' names are resolved once, in the supervisor, so that what was judged to be loopback is what is listened on.
"""

import errno
import os
import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from fleet.core.checks import shown
from fleet.core.config.wire import WireConfig
from fleet.core.errors import BadInput, FleetError
from fleet.core.keys import load_client_keys, load_server_keys

MAX_PATH = 107
"""Bytes of a Unix socket's path (sun_path less its final 0); ZeroMQ would cut a longer one."""
PORTS = {"control": 0, "data": 1}
"""Which port after `wire.listen`'s each link has."""

_KEYS = "?keys="
_TCP = re.compile(r"(?:\[([0-9a-f:.]{2,45})\]|([0-9.]{7,15})):([1-9][0-9]{0,4})")


class ChannelError(FleetError):
    """An endpoint that can't be used."""


@dataclass(frozen=True)
class Endpoint:
    """A checked endpoint: `path` of a Unix socket, or a numeric `host` and its `port`."""

    path: str | None
    host: IPv4Address | IPv6Address | None
    port: int
    keys: Path | None

    @property
    def bound(self) -> str:
        """What ZeroMQ listens on."""
        return f"ipc://{self.path}" if self.path is not None else _tcp(self.host, self.port)

    @property
    def reached(self) -> str:
        """What ZeroMQ connects to: of a server that listens everywhere, loopback."""
        if self.host is None or not self.host.is_unspecified:
            return self.bound
        return _tcp(ip_address("127.0.0.1" if self.host.version == 4 else "::1"), self.port)

    @property
    def is_ipv6(self) -> bool:
        """Whether ZeroMQ has to be told so."""
        return self.host is not None and self.host.version == 6


def parse_endpoint(text: str) -> Endpoint:
    """The endpoint that `text` names. Raises ChannelError; also for one beyond loopback without keys."""
    where, marked, folder = text.partition(_KEYS)
    keys = Path(folder) if marked else None
    scheme, _, place = where.partition("://")
    if (scheme == "ipc" and not place.startswith("/")) or (keys is not None and not keys.is_absolute()):
        raise ChannelError(f"endpoint {shown(text)}; its paths have to be absolute")
    if scheme == "ipc":
        if len(os.fsencode(place)) > MAX_PATH:
            raise ChannelError(f"endpoint {shown(text)} has a path longer than {MAX_PATH} bytes")
        return Endpoint(place, None, 0, keys)
    match = _TCP.fullmatch(place) if scheme == "tcp" else None
    if match is None or int(match[3]) > 65_535:
        raise ChannelError(f"endpoint {shown(text)}; allowed are ipc:///PATH and tcp://ADDRESS:PORT in numbers")
    try:
        host = ip_address(match[1] or match[2])
    except ValueError as error:
        raise ChannelError(f"endpoint {shown(text)}: {error}") from error
    if keys is None and not host.is_loopback:
        raise ChannelError(f"endpoint {shown(text)} is beyond loopback and has no keys")
    return Endpoint(None, host, int(match[3]), keys)


def endpoint_text(wire: WireConfig, name: str, private: Path) -> str:
    """The endpoint of the link `name`, one of PORTS with tcp; `private` is the folder of ipc sockets.

    Raises BadInput if the host isn't known.
    """
    tcp = wire.tcp
    where = f"ipc://{private / name}" if tcp is None else _tcp(_resolved(tcp[0]), tcp[1] + PORTS[name])
    return where if wire.keys is None else f"{where}{_KEYS}{os.path.abspath(wire.keys)}"


def check_wire(wire: WireConfig) -> None:
    """Raise BadInput for what can't start: beyond loopback without keys, an unknown host, keys that can't be used."""
    if wire.keys is not None:
        folder = Path(os.path.abspath(wire.keys))
        if load_client_keys(folder).own.public not in load_server_keys(folder).allowed:
            raise BadInput(f"{folder}/allowed doesn't have client.key, so that no process of the run would be let in")
    if wire.tcp is None:
        return
    host = _resolved(wire.tcp[0])
    if wire.keys is None and not host.is_loopback:
        raise BadInput(
            f'wire.listen = "{wire.listen}" is beyond loopback, where anyone could join the run; make keys with '
            "`fleet keys DIR` and set wire.keys, or listen on 127.0.0.1, [::1] or ipc"
        )


def check_ports(wire: WireConfig) -> None:
    """Raise BadInput if a port isn't free, or the address not this machine's. A run that comes first may still win."""
    if wire.tcp is None:
        return
    host, first = _resolved(wire.tcp[0]), wire.tcp[1]
    family = socket.AF_INET6 if host.version == 6 else socket.AF_INET
    for name, offset in PORTS.items():
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as ZeroMQ does: what lingers is no owner
            try:
                probe.bind((str(host), first + offset))
            except OSError as error:
                raise BadInput(f'wire.listen = "{wire.listen}": {_trouble(error, name, first + offset)}') from error


def _trouble(error: OSError, name: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port}, for {name}, is in use; name another (two in a row are needed)"
    if error.errno == errno.EADDRNOTAVAIL:
        return "that is no address of this machine"
    return f"can't listen at port {port}: {error.strerror}"


def _resolved(host: str) -> IPv4Address | IPv6Address:
    """The numeric address of a host; of several, the first IPv4 one. Raises BadInput."""
    if host == "*":
        return ip_address("0.0.0.0")
    try:
        found = [ip_address(item[4][0]) for item in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except (OSError, ValueError) as error:  # UnicodeError, of a label too long, is a ValueError
        raise BadInput(f'wire.listen names host "{host}", which can\'t be resolved: {error}') from error
    return next((address for address in found if address.version == 4), found[0])


def _tcp(host: IPv4Address | IPv6Address | None, port: int) -> str:
    return f"tcp://[{host}]:{port}" if host is not None and host.version == 6 else f"tcp://{host}:{port}"
