"""What a dead process leaves of its session is killed and reaped by the subreaper, and nobody else is."""

import os
import subprocess
import sys

import psutil

from fleet.control.process import pidfd
from fleet.control.process.orphans import Orphans

PARENT = """
import os, subprocess
child = subprocess.Popen(["sleep", "60"], process_group=0)
print(child.pid, flush=True)
input()
os._exit(0)
"""


def test_the_children_of_a_dead_process_are_reaped_and_others_are_not() -> None:
    """Broken by reaping whatever is ours."""
    orphans = Orphans()
    bystander = subprocess.Popen(["sleep", "60"])
    with pidfd.subreaper():
        parent = subprocess.Popen(
            [sys.executable, "-c", PARENT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        with parent:
            assert parent.stdout is not None
            child = int(parent.stdout.readline())
            orphans.adopt(os.getpid() + 10**7)  # nobody's
            assert psutil.pid_exists(child)
        orphans.adopt(parent.pid)
        orphans.wait(10.0)
    assert not psutil.pid_exists(child)
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()
