"""What is wrong with a plan, and where in the config it stands. Raised by `resolve`; the loader adds file and line."""

from fleet.core.errors import BadInput


class PlanError(BadInput):
    """A plan that can't be carried out by this fleet; names the value and the allowed ones.

    `at` is the key of the setting at fault, entries counted from 0: `("faults", "fault", "2", "round")`.
    """

    def __init__(self, sentence: str, at: tuple[str, ...]) -> None:
        super().__init__(sentence)
        self.at = at


def entry_error(entry: int, kind: str, sentence: str, key: str = "") -> PlanError:
    """The error of the plan's fault `entry` (from 0; told from 1), at its setting `key` or as a whole."""
    at = ("faults", "fault", str(entry), *([key] if key else []))
    return PlanError(f"fault {entry + 1} ({kind}): {sentence}", at)
