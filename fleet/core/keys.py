"""The key folder that `fleet keys` makes: CURVE key pairs of the server and a client, and the public keys let in.

    DIR/                  mode 0700
      server.key          public: clients know the server by it
      server.secret       mode 0600, as is client.secret
      client.key          public: what allowed/ has to have of whoever is to be let in
      client.secret
      allowed/NAME.key    the public keys of those let in

A key file is one line: what it is, and 40 characters of Z85. Read by endpoints.py before a run and by each Link.
"""

import errno
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import zmq
from zmq.utils import z85

from fleet.core.errors import BadInput
from fleet.core.files import sync_folder, write_all

_LINE = re.compile(rb"fleet (public|secret) key 1: ([0-9a-zA-Z.:+=^!/*?&<>()\[\]{}@%$#-]{40})\n?")
_LONGEST = 100
_MOST_ALLOWED = 1000


@dataclass(frozen=True)
class KeyPair:
    """Both as Z85 text, which is what ZeroMQ takes."""

    public: bytes
    secret: bytes

    def __repr__(self) -> str:
        return f"KeyPair({self.public!r}, ...)"


@dataclass(frozen=True)
class ServerKeys:
    """What a link that is bound needs: its own keys, and the public keys (Z85) it lets in."""

    own: KeyPair
    allowed: frozenset[bytes]


@dataclass(frozen=True)
class ClientKeys:
    """What a link that connects needs: its own keys, and the server's public one (Z85)."""

    own: KeyPair
    server: bytes


def make_keys(folder: Path) -> None:
    """Make the folder with new keys of a server and a client, which is let in. Raises BadInput if it exists."""
    try:
        folder.mkdir(mode=0o700)
        (folder / "allowed").mkdir(mode=0o700)
        for name in ("server", "client"):
            public, secret = zmq.curve_keypair()
            _write(folder / f"{name}.secret", "secret", secret, 0o600)
            _write(folder / f"{name}.key", "public", public, 0o644)
        _write(folder / "allowed" / "client.key", "public", public, 0o644)
        sync_folder(folder)
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) == errno.EEXIST:
            raise BadInput(f"{folder} exists already; keys are only ever put into a new folder") from error
        raise BadInput(f"{folder}: can't be made: {error}") from error


def load_server_keys(folder: Path) -> ServerKeys:
    """The server's keys and who is let in. Raises BadInput: missing, malformed, or not safe from other users."""
    _check_folder(folder)
    _check_folder(folder / "allowed")
    entries = sorted(entry for entry in (folder / "allowed").iterdir() if not entry.name.startswith("."))
    for entry in entries:
        if entry.suffix != ".key":
            raise BadInput(f"{entry}: allowed here are only public keys, NAME.key")
    if not 1 <= len(entries) <= _MOST_ALLOWED:
        raise BadInput(f"{folder}/allowed has {len(entries)} keys; allowed are 1 to {_MOST_ALLOWED}")
    return ServerKeys(_load_pair(folder, "server"), frozenset(_read(entry, "public") for entry in entries))


def load_client_keys(folder: Path) -> ClientKeys:
    """The client's keys and the server's public one. Raises BadInput as `load_server_keys` does."""
    _check_folder(folder)
    return ClientKeys(_load_pair(folder, "client"), _read(folder / "server.key", "public"))


def _load_pair(folder: Path, name: str) -> KeyPair:
    public, secret = _read(folder / f"{name}.key", "public"), _read(folder / f"{name}.secret", "secret")
    if zmq.curve_public(secret) != public:
        raise BadInput(f"{folder}: {name}.key isn't the public key of {name}.secret")
    return KeyPair(public, secret)


def _read(path: Path, kind: Literal["public", "secret"]) -> bytes:
    """The key in `path`, once it is known that only its owner can have changed it and, if secret, read it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: can't be read: {_reason(error)}; `fleet keys` makes key folders") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise BadInput(f"{path}: not a regular file")
        _check_mode(path, status, 0o077 if kind == "secret" else 0o022)
        content = os.read(descriptor, _LONGEST)
    except OSError as error:
        raise BadInput(f"{path}: can't be read: {error.strerror}") from error
    finally:
        os.close(descriptor)
    match = _LINE.fullmatch(content)
    if match is None or match[1] != kind.encode() or not _is_z85(match[2]):
        raise BadInput(f"{path}: holds no {kind} key; wanted is the line that `fleet keys` writes")
    return match[2]


def _is_z85(text: bytes) -> bool:
    """Whether it stands for 32 bytes: five characters can be more than four bytes hold."""
    try:
        return len(z85.decode(text)) == 32
    except Exception:  # struct.error for what doesn't fit, and whatever another version of pyzmq raises
        return False


def _check_folder(folder: Path) -> None:
    try:
        status = folder.stat()
    except (OSError, ValueError) as error:
        raise BadInput(f"{folder}: can't be used: {_reason(error)}; `fleet keys` makes key folders") from error
    if not stat.S_ISDIR(status.st_mode):
        raise BadInput(f"{folder}: not a folder; wanted one that `fleet keys` made")
    _check_mode(folder, status, 0o022)


def _check_mode(path: Path, status: os.stat_result, forbidden: int) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid not in (os.geteuid(), 0):
        raise BadInput(f"{path}: belongs to another user")
    if mode & forbidden:
        what = "read or changed" if forbidden & 0o044 else "changed"
        raise BadInput(f"{path}: mode is {mode:04o}, so it can be {what} by others; chmod {mode & ~forbidden:04o} it")


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return "it is a symlink"
    return getattr(error, "strerror", None) or str(error)


def _write(path: Path, kind: str, key: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        write_all(descriptor, f"fleet {kind} key 1: {key.decode()}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
