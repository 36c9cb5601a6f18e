"""What a resumed run may change of its config, and what it may not. Pure; from two Configs to an error or none."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from fleet.core.config.root import Config
from fleet.core.config.write import describe, toml_value
from fleet.core.errors import BadInput

MAY_DIFFER = ("run.rounds", "run.name", "run.patience_s", "checkpoint.*", "eval.*", "control.*", "faults.*", "wire.*")
_UNSET = toml_value(None)


@dataclass(frozen=True)
class Difference:
    """One setting that two configs do not share, its values as TOML."""

    key: str
    saved: str
    wanted: str


def differences(saved: Config, wanted: Config) -> list[Difference]:
    """The settings in which two configs differ, in the order of the tables; those of an unset table are unset."""
    old, new = ({setting.key: setting.value for setting in describe(config)} for config in (saved, wanted))
    pairs = ((key, old.get(key, _UNSET), new.get(key, _UNSET)) for key in {**old, **new})
    return [Difference(key, before, after) for key, before, after in pairs if before != after]


def check_resume(saved: Config, wanted: Config) -> None:
    """Raise BadInput, naming the keys, unless a run saved with one config can go on under the other.

    More rounds are always fine, but for a step size that falls linearly to the run's own end: the rounds already
    trained would have had other step sizes.
    """
    changed = differences(saved, wanted)
    refused = [item for item in changed if not _may_differ(item.key, wanted)]
    if not refused:
        return
    found = "\n".join(f"  {item.key}: the run has {item.saved}, you ask for {item.wanted}" for item in refused)
    hint = ""
    if any(item.key == "run.rounds" for item in refused):
        hint = '\nWith lr_schedule = "linear" the rounds decide the step size; set learner.lr_horizon to change them.'
    raise BadInput(f"can't resume with other settings than these: {', '.join(MAY_DIFFER)}\n{found}{hint}")


def _may_differ(key: str, wanted: Config) -> bool:
    if key == "run.rounds" and wanted.learner.lr_schedule == "linear":
        return wanted.learner.lr_horizon is not None
    return any(fnmatchcase(key, pattern) for pattern in MAY_DIFFER)
