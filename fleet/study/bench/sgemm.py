"""How fast this machine multiplies matrices in f32: what a training run's floating-point work is measured against.

One process per core, all at once and each with one thread, as learners run. `python -m fleet.study.bench.sgemm SIZE
SECONDS` says when it is ready, waits for a line, multiplies for that long and prints its rate.
"""

import os
import subprocess
import sys
import time
from contextlib import ExitStack

from fleet.core.errors import FleetError
from fleet.core.platform import usable_cores

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def sgemm_rate(processes: int | None = None, size: int = 1024, seconds: float = 2.0) -> float:
    """Floating-point operations per second of that many processes together (unset: one per usable core).

    Each multiplies square matrices of `size` with torch, which is what learners multiply with. Raises FleetError if one
    fails.
    """
    with ExitStack() as stack:
        running = [stack.enter_context(_start(size, seconds)) for _ in range(processes or usable_cores())]
        for process in running:
            stack.callback(process.kill)
        for process in running:
            _line(process)
        for process in running:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        return sum(float(_line(process)) for process in running)


def multiply(size: int, seconds: float) -> float:
    """Floating-point operations per second of this thread, over at least `seconds`."""
    import torch  # here, so that whoever starts the processes needn't load it

    a, b, out = torch.rand(size, size), torch.rand(size, size), torch.empty(size, size)
    torch.mm(a, b, out=out)
    print("ready", flush=True)
    sys.stdin.readline()
    products, began = 0, time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds or not products:
        torch.mm(a, b, out=out)
        products += 1
    return products * 2.0 * size**3 / passed


def _start(size: int, seconds: float) -> subprocess.Popen[str]:
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "fleet.study.bench.sgemm", str(size), str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **ONE_THREAD, "PYTHONPATH": path},
        text=True,
    )


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise FleetError(f"the measurement of sgemm ended with status {process.wait()}")
    return line


if __name__ == "__main__":
    print(multiply(int(sys.argv[1]), float(sys.argv[2])), flush=True)
