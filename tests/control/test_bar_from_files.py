"""A process that was stopped and replaced may not write where its replacement does, whatever it was about to."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fleet.control.process import pidfd
from fleet.control.process.processes import Modules, Processes, _Held

WRITER = """
import sys
input()
try:
    with open(sys.argv[1], "wb") as file:
        file.write(b"late")
except OSError as error:
    sys.exit(error.errno)
"""


@pytest.fixture
def processes(tmp_path: Path) -> Processes:
    return Processes("0" * 32, tmp_path, 0, Modules())


@pytest.mark.parametrize("barred", [True, False])
def test_a_barred_process_writes_to_no_file(processes, tmp_path, barred):
    late = tmp_path / "late"
    with subprocess.Popen([sys.executable, "-c", WRITER, late], stdin=subprocess.PIPE) as writer:
        held = _Held("learner-0", writer.pid, os.pidfd_open(writer.pid))
        processes._held["learner-0"] = held
        if barred:
            processes.bar_from_files("learner-0")
        assert writer.stdin is not None
        writer.stdin.write(b"go\n")
        writer.stdin.close()
        assert (writer.wait(10) != 0) == barred
    pidfd.close(held.pidfd)
    assert late.read_bytes() == (b"" if barred else b"late")


def test_to_bar_one_that_is_not_there_is_no_error(processes):
    processes.bar_from_files("learner-7")
