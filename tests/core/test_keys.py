"""Key folders: made once, safe from other users, and refused in plain words when they aren't what was made."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from fleet.core.errors import BadInput
from fleet.core.keys import load_client_keys, load_server_keys, make_keys


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    make_keys(tmp_path / "keys")
    return tmp_path / "keys"


def test_what_is_made_loads_and_is_its_owners_alone(tmp_path: Path) -> None:
    """Broken by writing the secret files with mode 0644 (even under a umask of 0: the mode must be given)."""
    before = os.umask(0)
    try:
        make_keys(tmp_path / "keys")
    finally:
        os.umask(before)
    keys = tmp_path / "keys"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [keys, *keys.iterdir()]}
    assert modes == {
        "keys": 0o700,
        "allowed": 0o700,
        "server.key": 0o644,
        "server.secret": 0o600,
        "client.key": 0o644,
        "client.secret": 0o600,
    }
    server, client = load_server_keys(keys), load_client_keys(keys)
    assert client.server == server.own.public != client.own.public
    assert server.allowed == {client.own.public}
    assert server.own.secret.decode() not in repr(server)


def test_no_two_folders_have_the_same_keys(keys: Path, tmp_path: Path) -> None:
    make_keys(tmp_path / "other")
    assert load_server_keys(keys).own != load_server_keys(tmp_path / "other").own


def test_keys_are_only_ever_put_into_a_new_folder(keys: Path, tmp_path: Path) -> None:
    before = (keys / "server.secret").read_bytes()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for path in (keys, tmp_path / "link"):
        with pytest.raises(BadInput, match="exists already"):
            make_keys(path)
    assert (keys / "server.secret").read_bytes() == before
    for bad in (tmp_path / "no" / "parent", tmp_path / ("x" * 300), Path("a\0b")):
        with pytest.raises(BadInput, match="can't be made"):
            make_keys(bad)


def swap(keys: Path) -> None:
    (keys / "server.key").write_bytes((keys / "client.key").read_bytes())


def relink(keys: Path) -> None:
    (keys / "server.secret").rename(keys / "real")
    (keys / "server.secret").symlink_to("real")


def put(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda keys: (keys / name).write_bytes(content)


SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "secret read by others": (lambda keys: (keys / "server.secret").chmod(0o640), "chmod 0600"),
    "secret changed by others": (lambda keys: (keys / "server.secret").chmod(0o602), "chmod 0600"),
    "public changed by others": (lambda keys: (keys / "server.key").chmod(0o666), "chmod 0644"),
    "folder changed by others": (lambda keys: keys.chmod(0o777), "chmod 0755"),
    "allowed changed by others": (lambda keys: (keys / "allowed").chmod(0o770), "chmod 0750"),
    "allowed key changed by others": (lambda keys: (keys / "allowed" / "client.key").chmod(0o646), "chmod 0644"),
    "secret missing": (lambda keys: (keys / "server.secret").unlink(), "server.secret: can't be read"),
    "a symlink": (relink, "symlink"),
    "a folder for a file": (lambda keys: (keys / "allowed" / "x.key").mkdir(), "not a regular file"),
    "a pipe that would block": (lambda keys: os.mkfifo(keys / "allowed" / "x.key", 0o600), "not a regular file"),
    "nobody allowed": (lambda keys: (keys / "allowed" / "client.key").unlink(), "has 0 keys"),
    "no allowed": (lambda keys: (keys / "allowed").rename(keys / "gone"), "allowed: can't be used"),
    "a secret in allowed": (
        lambda keys: (keys / "client.secret").rename(keys / "allowed" / "me.secret"),
        "only public",
    ),
    "a secret as allowed": (
        lambda keys: (keys / "client.secret").rename(keys / "allowed" / "me.key"),
        "holds no public key",
    ),
    "another's public key": (swap, "isn't the public key"),
    "a secret key for a public one": (
        lambda keys: (keys / "server.key").write_bytes((keys / "server.secret").read_bytes()),
        "holds no public key",
    ),
    "empty": (put("server.key", b""), "holds no public key"),
    "another version": (put("server.key", b"fleet public key 2: " + b"a" * 40), "holds no public key"),
    "too short": (put("server.key", b"fleet public key 1: " + b"a" * 39), "holds no public key"),
    "two lines": (put("server.key", b"fleet public key 1: " + b"a" * 40 + b"\n\n"), "holds no public key"),
    "no Z85": (put("server.key", b"fleet public key 1: " + b"~" * 40), "holds no public key"),
    "Z85 of too large a number": (put("server.key", b"fleet public key 1: " + b"#" * 40), "holds no public key"),
    "huge": (put("server.key", b"fleet public key 1: " + b"a" * 10_000_000), "holds no public key"),
}


@pytest.mark.parametrize(("spoil", "said"), SPOILED.values(), ids=SPOILED.keys())
def test_keys_that_are_not_safe_or_not_keys_are_refused(keys: Path, spoil: Callable[[Path], object], said: str) -> None:
    """Broken by leaving out the checks of modes, of the regular file and of the public key, each in turn."""
    load_server_keys(keys)
    spoil(keys)
    with pytest.raises(BadInput, match=said):
        load_server_keys(keys)


def test_a_client_needs_its_own_secret_and_the_servers_public_key_only(keys: Path) -> None:
    for name in ("server.secret", "allowed/client.key"):
        (keys / name).unlink()
    (keys / "allowed").rmdir()
    load_client_keys(keys)
    (keys / "client.secret").chmod(0o604)
    with pytest.raises(BadInput, match="chmod 0600"):
        load_client_keys(keys)


@pytest.mark.parametrize("path", ["nowhere", "a\0b", "x" * 300, "/dev/null"])
def test_what_is_no_folder_is_said(path: str) -> None:
    for load in (load_client_keys, load_server_keys):
        with pytest.raises(BadInput):
            load(Path(path))


def test_hidden_files_in_allowed_let_nobody_in(keys: Path) -> None:
    (keys / "allowed" / ".client.key~").write_bytes(b"junk")
    assert len(load_server_keys(keys).allowed) == 1
