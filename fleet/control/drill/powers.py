"""What the fault drill may do to the run's own processes: the `Infrastructure` of a real run."""

import os
import signal

from fleet.control.care.child import SERVER, Injury
from fleet.control.care.server import ServerCare
from fleet.control.care.zygote import ZygoteCare
from fleet.control.process.processes import Processes


class Powers:
    """Hurts the server and the zygote by way of who cares for them, so that what follows is known as the injury's."""

    def __init__(self, processes: Processes, server: ServerCare, zygote: ZygoteCare) -> None:
        self._processes, self._server, self._zygote = processes, server, zygote

    def kill_server(self, injury: Injury) -> None:
        """SIGKILL the environment server."""
        self._server.injure(signal.SIGKILL, injury)

    def freeze_server(self, injury: Injury) -> None:
        """SIGSTOP the environment server, until its silence gives it away."""
        self._server.injure(signal.SIGSTOP, injury)

    def pause_server(self) -> None:
        """SIGSTOP the environment server for a while."""
        self._processes.signal(SERVER, signal.SIGSTOP)

    def unpause_server(self) -> None:
        """SIGCONT it."""
        self._processes.signal(SERVER, signal.SIGCONT)

    def kill_zygote(self, injury: Injury) -> None:
        """SIGKILL the zygote."""
        self._zygote.injure(signal.SIGKILL, injury)

    def freeze_zygote(self, injury: Injury) -> None:
        """SIGSTOP the zygote, until its silence gives it away."""
        self._zygote.injure(signal.SIGSTOP, injury)

    def kill_self(self) -> None:
        """SIGKILL the supervisor."""
        os.kill(os.getpid(), signal.SIGKILL)
