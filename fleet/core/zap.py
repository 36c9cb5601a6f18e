"""Who is let in on links with keys: answers ZeroMQ's question at each handshake (ZAP 1.0, ZeroMQ's RFC 27).

Links register the keys they allow under a domain of their own. ZeroMQ asks over one inproc address per context, so all
links of a process share one doorkeeper: a thread that begins with the first of them and ends with the last. A forked
child has a context of its own (`zmq.Context.instance()`), and so a doorkeeper of its own.
"""

import os
import secrets
import threading
from collections.abc import Sequence
from contextlib import suppress
from weakref import WeakKeyDictionary

import zmq
from zmq.utils import z85

_ADDRESS = "inproc://zeromq.zap.01"
_lock = threading.Lock()
_doorkeepers: "WeakKeyDictionary[zmq.Context[zmq.Socket[bytes]], _Doorkeeper]" = WeakKeyDictionary()


class Door:
    """One link's entry: in force from its making until `close`. `allowed` are public keys in Z85."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", allowed: frozenset[bytes]) -> None:
        self.domain = f"fleet-{secrets.token_hex(8)}"
        self._context = context
        keys = frozenset(bytes(z85.decode(key)) for key in allowed)
        with _lock:
            if context not in _doorkeepers:
                _doorkeepers[context] = _Doorkeeper(context)
            _doorkeepers[context].allowed[self.domain.encode()] = keys

    def close(self) -> None:
        """Let nobody in any more. May be called again."""
        with _lock:
            keeper = _doorkeepers.get(self._context)
            if keeper is None or keeper.allowed.pop(self.domain.encode(), None) is None or keeper.allowed:
                return
            del _doorkeepers[self._context]
            keeper.close()


class _Doorkeeper:
    """The thread and its socket."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]") -> None:
        self.allowed: dict[bytes, frozenset[bytes]] = {}
        self._socket = context.socket(zmq.REP)
        self._socket.linger = 0
        try:
            self._socket.bind(_ADDRESS)
        except BaseException:
            self._socket.close()
            raise
        self._closing = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._serve, name="doorkeeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread; the address is free then."""
        os.eventfd_write(self._closing, 1)
        self._thread.join()
        os.close(self._closing)

    def _serve(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._closing, zmq.POLLIN)
        try:
            while self._closing not in dict(poller.poll()):
                with suppress(zmq.Again):
                    self._socket.send_multipart(self._answer(self._socket.recv_multipart(zmq.DONTWAIT)))
        finally:
            self._socket.unbind(_ADDRESS)  # closing alone frees it only later
            self._socket.close()

    def _answer(self, question: Sequence[bytes]) -> list[bytes]:
        """200 for a key that the asking link allows, 400 for all else."""
        request = question[1] if len(question) > 1 else b""
        if len(question) == 7 and question[0] == b"1.0" and question[5] == b"CURVE":
            domain, key = question[2], question[6]
            if key in self.allowed.get(domain, frozenset()):
                return [b"1.0", request, b"200", b"OK", b"", b""]
        return [b"1.0", request, b"400", b"not allowed", b"", b""]
