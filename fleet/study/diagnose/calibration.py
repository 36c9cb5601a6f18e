"""The calibration that ships with fleet: a JSON list of tasks, `{"task", "truth", "probe": evidence}` each."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from fleet.core.errors import BadInput
from fleet.study.diagnose.evidence import Evidence
from fleet.study.diagnose.truth import Verdict
from fleet.study.diagnose.verdict import Row, calibrate, judge

SHIPPED = Path(__file__).with_name("calibration.json")


def load_rows(path: Path = SHIPPED) -> list[Row]:
    """The tasks in a file. Raises BadInput if it isn't a calibration."""
    try:
        return [_row(each) for each in json.loads(path.read_text())]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadInput(f"{path}: not a calibration: {error}") from None


def dump_rows(rows: Sequence[Row]) -> str:
    """The text of such a file."""
    listed = [{"task": row.name, "truth": row.truth, "probe": asdict(row.probe)} for row in rows]
    return json.dumps(listed, indent=1) + "\n"


def evidence_of(found: Mapping[str, Any]) -> Evidence:
    """Evidence from what `asdict` made of it. Raises TypeError or KeyError if it isn't any."""
    return Evidence(**{**found, "independent": tuple(found["independent"]), "joint": tuple(found["joint"])})


def leave_one_out(rows: Sequence[Row]) -> list[Verdict | None]:
    """Each task's verdict by thresholds that the other tasks alone have set."""
    return [judge(row.probe, calibrate([*rows[:at], *rows[at + 1 :]])) for at, row in enumerate(rows)]


def _row(found: Mapping[str, Any]) -> Row:
    if found["truth"] not in get_args(Verdict):
        raise ValueError(f"truth {found['truth']!r}; allowed are {', '.join(get_args(Verdict))}")
    return Row(found["task"], found["truth"], evidence_of(found["probe"]))
