"""A diagnosis: the verdict on a task, what it rests on, what to watch in training, and what either way would send."""

from collections.abc import Sequence
from dataclasses import dataclass

from env_server.worlds import make_world
from fleet.study.diagnose.calibration import load_rows
from fleet.study.diagnose.evidence import Evidence
from fleet.study.diagnose.probe import OnProgress, plan_short, probe
from fleet.study.diagnose.schemes import find_task
from fleet.study.diagnose.sent import Sent, sent
from fleet.study.diagnose.truth import Verdict
from fleet.study.diagnose.verdict import Thresholds, calibrate, judge
from fleet.study.diagnose.words import reasons, signal


@dataclass(frozen=True)
class Diagnosis:
    """Of one task; `verdict` is None for "not sure". `tasks`: how many set the thresholds."""

    task: str
    verdict: Verdict | None
    reasons: tuple[str, ...]
    signal: str
    evidence: Evidence
    thresholds: Thresholds
    tasks: int
    sent: Sent

    @property
    def words(self) -> str:
        """The verdict."""
        if self.verdict == "adversarial":
            return "adversarial: neither"
        return self.verdict or "not sure"


def diagnose(
    name: str,
    overrides: Sequence[str],
    fraction: float | None,
    seeds: int,
    first_seed: int,
    on_progress: OnProgress = lambda *_: None,
) -> Diagnosis:
    """Probe a task and judge it. Raises BadInput as `find_task` and `plan_short`, FleetError if a probe fails."""
    config = find_task(name, overrides)
    plan = plan_short(config, fraction, seeds)
    rows = load_rows()
    thresholds = calibrate(rows)
    found = probe(plan, first_seed, on_progress)
    verdict = judge(found, thresholds)
    return Diagnosis(
        task=name,
        verdict=verdict,
        reasons=reasons(found, thresholds),
        signal=signal(found, verdict),
        evidence=found,
        thresholds=thresholds,
        tasks=len(rows),
        sent=sent(config, make_world(config.world)),
    )
