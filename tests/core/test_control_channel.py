"""The control channel over real sockets: reports up, orders down, and each process speaks for itself only."""

from dataclasses import replace
from typing import Any

import pytest

from fleet.core.control_channel import ControlClient, ControlServer, Peer
from fleet.core.endpoints import ChannelError
from fleet.core.messages import Command, Event, Heartbeat, Lost, Message, Progress, Reply, Stop
from fleet.core.wire import encode
from tests.core.channels import OTHER, RUN, until


def heartbeat(process: str = "learner-3", incarnation: int = 1) -> Heartbeat:
    return Heartbeat(RUN, process, incarnation, 4711, 5, 1_000_000, 0.5)


def test_the_supervisor_hears_and_orders(endpoint: str) -> None:
    supervisor = ControlServer(endpoint, RUN)
    learner = ControlClient(endpoint, RUN, "learner-3", 1)
    cli = ControlClient(endpoint, RUN, "cli", 0)
    learner.send(heartbeat())
    [(peer, message)] = supervisor.receive(10)
    assert peer == Peer("learner-3", 1)
    assert message == heartbeat()
    assert supervisor.send("learner-3", 1, Stop(RUN, "done"))
    assert learner.receive(10) == [Stop(RUN, "done")]
    assert not supervisor.send("learner-3", 2, Stop(RUN, "done"))
    cli.send(Command(RUN, "status", {}))
    [(peer, message)] = supervisor.receive(10)
    assert peer.process == cli.process
    assert supervisor.reply(peer, Reply(RUN, True, "runs", {"robots": 4}))
    assert cli.receive(10) == [Reply(RUN, True, "runs", {"robots": 4})]
    for end in (supervisor, learner, cli):
        end.close()


@pytest.mark.parametrize(
    ("identity", "message", "reason"),
    [
        (b"learner-3/1", heartbeat("learner-4"), "sender"),
        (b"learner-3/1", heartbeat(incarnation=2), "sender"),
        (b"learner-3/1", Progress(RUN, 1, {}), "sender"),
        (b"env_server/0", Progress(RUN, 1, {}), "sender"),
        (b"learner-3/1", Event(RUN, "supervisor", "spawn", {}), "sender"),
        (b"learner-3/1", replace(heartbeat(), run=OTHER), "run"),
        (b"learner-3/1", Lost(RUN, 3, 1, "learner_died"), "kind"),
        (b"anyone/0", Command(RUN, "stop", {}), "sender"),
        (b"learner-3/\xff", Command(RUN, "stop", {}), "sender"),
        (b"\0\1\2", Command(RUN, "stop", {}), "sender"),
    ],
)
def test_a_process_speaks_for_itself_only(
    endpoint: str, stranger: Any, identity: bytes, message: Message, reason: str
) -> None:
    supervisor = ControlServer(endpoint, RUN)
    stranger(identity).send_multipart(encode(message))
    until(lambda: supervisor.counters.rejected == {reason: 1}, supervisor.receive)
    supervisor.close()


def test_a_client_takes_no_reports(endpoint: str) -> None:
    supervisor = ControlServer(endpoint, RUN)
    learner = ControlClient(endpoint, RUN, "learner-3", 1)
    learner.send(heartbeat())
    supervisor.receive(10)
    supervisor.send("learner-3", 1, heartbeat())  # type: ignore[arg-type]
    supervisor.send("learner-3", 1, Stop(OTHER, "not ours"))
    until(lambda: learner.counters.rejected == {"kind": 1, "run": 1}, learner.receive)
    supervisor.close()
    learner.close()


@pytest.mark.parametrize("process", ["cli-1", "learner-03", "a/b", ""])
def test_a_process_has_a_proper_name(endpoint: str, process: str) -> None:
    with pytest.raises(ChannelError, match="process"):
        ControlClient(endpoint, RUN, process, 0)
