"""Where a run's processor time goes, from perf's samples of the whole machine, as bars beside each other.

    fleet run warehouse40 --rounds 40 --out runs/now &   # and, once it is under way:
    perf record -e cpu-clock -F 999 -a -o now.data -- sleep 12
    python scripts/plot_where_time_goes.py OUT.png "before=before.data:55000" "now=now.data:170000"

Each bar is NAME=FILE:RATE, RATE being the run's trained agent-steps per second, so that its parts are microseconds of
processor time for one agent-step. Needs perf (Debian: linux-perf).
"""

import re
import subprocess
import sys
from collections import Counter

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

PARTS = {
    "learners: matrix products": "#1f4e79",
    "learners: compiled or torch's elementwise": "#2e75b6",
    "learners: Python, messages, allocation": "#9dc3e6",
    "learners: kernel": "#d6dce5",
    "server: world, acting, sending": "#c55a11",
    "supervisor": "#7f7f7f",
}
PRODUCTS = ("openblas", "mkl_blas", "sgemm", "gemm")


def part_of(command: str, binary: str, symbol: str) -> str | None:
    if command.startswith("fleet"):
        return "supervisor"
    if command.startswith(("python", "ZMQbg")):
        return "server: world, acting, sending"
    if not command.startswith("learner"):
        return None
    if any(word in f"{binary} {symbol}" for word in PRODUCTS):
        return "learners: matrix products"
    if "kernel" in binary:
        return "learners: kernel"
    if "JIT" in binary or "libm." in binary or "libtorch" in binary or "libsleef" in binary:
        return "learners: compiled or torch's elementwise"
    return "learners: Python, messages, allocation"


def cores_busy(file: str) -> Counter[str]:
    """How many cores each part kept busy, on average. An idle core gives no samples."""
    columns = ["--sort", "comm,dso,symbol", "-F", "overhead,comm,dso,sym", "-t", "|", "--header"]
    text = subprocess.run(
        ["perf", "report", "-i", file, "--stdio", *columns], capture_output=True, text=True, check=True
    ).stdout
    spent_ns = float(re.findall(r"Event count \(approx\.\): (\d+)", text)[0])
    first, last = (float(re.findall(rf"time of {which} sample : ([0-9.]+)", text)[0]) for which in ("first", "last"))
    found: Counter[str] = Counter()
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) < 4 or not cells[0].endswith("%"):
            continue
        part = part_of(*cells[1:4])
        if part is not None:
            found[part] += float(cells[0][:-1]) / 100 * spent_ns / 1e9 / (last - first)
    return found


def main() -> None:
    out, *bars = sys.argv[1:]
    figure, axes = plt.subplots(figsize=(9, 1.2 + 0.8 * len(bars)))
    for place, bar in enumerate(reversed(bars)):
        name, rest = bar.split("=", 1)
        file, rate = rest.rsplit(":", 1)
        found, left = cores_busy(file), 0.0
        for part, colour in PARTS.items():
            width = found[part] * 1e6 / float(rate)
            axes.barh(place, width, left=left, color=colour, label=part if place == 0 else None)
            if width > 0.35:
                dark = colour in ("#1f4e79", "#2e75b6", "#c55a11", "#7f7f7f")
                axes.text(left + width / 2, place, f"{width:.1f}", ha="center", va="center", fontsize=8,
                          color="white" if dark else "black")  # fmt: skip
            left += width
            print(f"{name}: {part}: {width:.2f} us")
        print(f"{name}: in all {left:.2f} us, {sum(found.values()):.2f} cores busy")
    axes.set_yticks(range(len(bars)), [bar.split("=", 1)[0] for bar in reversed(bars)])
    axes.set_xlabel("microseconds of processor time per trained agent-step")
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(0.0, -0.25), ncol=2, frameon=False)
    figure.savefig(out, dpi=130, bbox_inches="tight")


if __name__ == "__main__":
    main()
