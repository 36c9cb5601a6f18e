import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, sys
from learners.warm import warm
warm()
before = set(sys.modules)
warm()
import learners.process
assert set(sys.modules) == before, set(sys.modules) - before
assert "torch._inductor" not in before, "the compiler was imported"
print(len(os.listdir("/proc/self/task")))
"""


def python(script: str, threads: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": threads}
    root = Path(__file__).parents[2]
    return subprocess.run([sys.executable, "-c", script], env=environment, cwd=root, capture_output=True, text=True)


@pytest.mark.slow
def test_a_warm_process_has_one_thread_and_imports_nothing_more():
    done = python(SCRIPT, "1")

    assert done.returncode == 0, done.stderr
    assert done.stdout == "1\n"


@pytest.mark.slow
def test_other_threads_are_refused_in_plain_words():
    script = "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()\n" + SCRIPT
    done = python(script, "1")

    assert done.returncode != 0
    assert "2 OS threads before forking; wanted 1" in done.stderr
