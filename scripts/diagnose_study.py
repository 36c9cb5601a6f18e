"""The proof of `fleet diagnose`: what is true of each task by full training, and what its probes say.

    python scripts/diagnose_study.py truth --out DIR [--tasks a,b]     full trainings, 5 seeds of each scheme
    python scripts/diagnose_study.py probes --out DIR [--tasks a,b]    the probes that `fleet diagnose` runs
    python scripts/diagnose_study.py proof --out DIR                   the tables of docs/diagnose.md, from both

Each task's evidence is a file in DIR/truth or DIR/probes; what is there is not made again, so either goes on where it
stopped, and several may work on tasks of their own. `proof` also writes DIR/calibration.json, which ships with fleet.
"""

import argparse
import json
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import get_args

from fleet.core.files import write_atomic
from fleet.study.diagnose.calibration import dump_rows, evidence_of, leave_one_out
from fleet.study.diagnose.evidence import Evidence
from fleet.study.diagnose.probe import Plan, plan_full, plan_short, probe
from fleet.study.diagnose.schemes import find_task
from fleet.study.diagnose.truth import SURE as TRUTH_SURE
from fleet.study.diagnose.truth import Verdict, label
from fleet.study.diagnose.verdict import Row, calibrate

TASKS = Path(__file__).with_name("diagnose_tasks.toml")
TRUTH_SEED, PROBE_SEED = 1, 101


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("part", choices=("truth", "probes", "proof"))
    options.add_argument("--tasks", default="")
    options.add_argument("--seeds", type=int)
    options.add_argument("--out", type=Path, required=True)
    given = options.parse_args()
    asked = given.tasks.split(",") if given.tasks else []
    if given.part == "proof":
        print(prove(given.out))
        return
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
            keep(path, plan_short(config, None, given.seeds or 3), PROBE_SEED)


def keep(path: Path, plan: Plan, first_seed: int) -> None:
    found = probe(plan, first_seed, lambda what, share: show(path.stem, what, share))
    write_atomic(path, [json.dumps(asdict(found), indent=1).encode(), b"\n"])
    print(f"{path.stem}: gain {found.gain:.3f}", file=sys.stderr)


def prove(out: Path) -> str:
    """The calibration's tables, each task judged by thresholds that the others alone have set."""
    rows, fulls, others = [], [], []
    for name in (each["name"] for each in tomllib.loads(TASKS.read_text())["task"]):
        paths = [out / part / f"{name}.json" for part in ("truth", "probes")]
        if not all(path.exists() for path in paths):
            others.append(f"{name}: not done yet")
            continue
        full, short = (evidence_of(json.loads(path.read_text())) for path in paths)
        truth = label(full)
        if truth is None:
            others.append(f"{name}: full trainings leave it open ({shares(full, TRUTH_SURE)})")
            continue
        rows.append(Row(name, truth, short))
        fulls.append(full)
    write_atomic(out / "calibration.json", [dump_rows(rows).encode()])
    verdicts = leave_one_out(rows)
    right = sum(row.truth == verdict for row, verdict in zip(rows, verdicts, strict=True))
    wrong = sum(verdict not in (row.truth, None) for row, verdict in zip(rows, verdicts, strict=True))
    said = f"{right} of {len(rows)} right, {wrong} wrong; thresholds of all: {calibrate(rows)}"
    return "\n".join([*table(rows, fulls, verdicts), *others, "", *confusion(rows, verdicts), "", said])


def table(rows: Sequence[Row], fulls: Sequence[Evidence], verdicts: Sequence[Verdict | None]) -> list[str]:
    lines = [
        "| task | trained in full, joint control gains | opposition | truth | probed, best joint ahead | learned | "
        "opposition | probes' share of a training | verdict |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row, full, verdict in zip(rows, fulls, verdicts, strict=True):
        probe = row.probe
        lines.append(
            f"| {row.name} | {shares(full, TRUTH_SURE)} | {full.conflict:+.2f} | {row.truth} | "
            f"{probe.found:+.0%} | {probe.learned:.2g} | {probe.conflict:+.2f} | "
            f"{probe.agent_steps / probe.full:.0%} | {verdict or 'not sure'} |"
        )
    return lines


def shares(found: Evidence, sure: float) -> str:
    low, high = found.interval(sure)
    return f"{found.gain:+.0%} ({low:+.0%} to {high:+.0%})"


def confusion(rows: Sequence[Row], verdicts: Sequence[Verdict | None]) -> list[str]:
    kinds = get_args(Verdict)
    lines = [f"| truth | {' | '.join(kinds)} | not sure |", "|---|---|---|---|---|"]
    for truth in kinds:
        counts = [
            sum(row.truth == truth and verdict == said for row, verdict in zip(rows, verdicts, strict=True))
            for said in (*kinds, None)
        ]
        lines.append(f"| {truth} | {' | '.join(map(str, counts))} |")
    return lines


def show(name: str, what: str, share: float) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{name}: {what}, {share:.0%}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
