"""The proof of `fleet diagnose`: what is true of each task by full training, and what its probes say.

    python scripts/diagnose_study.py truth --out DIR [--tasks a,b]     full trainings, 5 seeds of each scheme
    python scripts/diagnose_study.py probes --out DIR [--tasks a,b]    the probes that `fleet diagnose` runs

Each task's evidence is a file in DIR/truth or DIR/probes; what is there is not made again, so either goes on where it
stopped, and several may work on tasks of their own.
"""

import argparse
import json
import sys
import tomllib
from dataclasses import asdict
from pathlib import Path

from fleet.core.files import write_atomic
from fleet.study.diagnose.probe import Plan, plan_full, plan_short, probe
from fleet.study.diagnose.schemes import find_task

TASKS = Path(__file__).with_name("diagnose_tasks.toml")
TRUTH_SEED, PROBE_SEED = 1, 101


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("part", choices=("truth", "probes"))
    options.add_argument("--tasks", default="")
    options.add_argument("--seeds", type=int)
    options.add_argument("--budget", type=float, default=0.05)
    options.add_argument("--out", type=Path, required=True)
    given = options.parse_args()
    asked = given.tasks.split(",") if given.tasks else []
    known = {each["name"]: each for each in tomllib.loads(TASKS.read_text())["task"]}
    for name in asked or known:
        path = given.out / given.part / f"{name}.json"
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        config = find_task(known[name]["config"], known[name].get("set", []))
        if given.part == "truth":
            keep(path, plan_full(config, given.seeds or 5), TRUTH_SEED)
        else:
            keep(path, plan_short(config, given.budget, given.seeds or 3), PROBE_SEED)


def keep(path: Path, plan: Plan, first_seed: int) -> None:
    found = probe(plan, first_seed, lambda what, share: show(path.stem, what, share))
    write_atomic(path, [json.dumps(asdict(found), indent=1).encode(), b"\n"])
    print(f"{path.stem}: gain {found.gain:.3f}", file=sys.stderr)


def show(name: str, what: str, share: float) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{name}: {what}, {share:.0%}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
