"""A resolved plan for a person to read: what each strike is, and a picture of whom it has when. Pure.

From the strikes of `resolve`; to `fleet faults`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fleet.core.faults.overlap import window
from fleet.core.faults.strike import Strike


@dataclass(frozen=True)
class Marks:
    """The characters of a picture, and the one that is drawn over the others last."""

    away: str
    fatal: str
    trouble: str
    body: str
    well: str


BLOCKS = Marks(away="█", fatal="✕", trouble="▒", body="░", well="·")
ASCII = Marks(away="#", fatal="X", trouble="~", body="o", well=".")

_MEANINGS = {
    "away": "away",
    "fatal": "struck, until mended",
    "trouble": "in trouble, but alive",
    "body": "body or sensors fail",
    "well": "well",
}
# What a strike says beyond its kind: the settings that its kind takes, as far as they say something.
_QUIET = {"before": False, "body": "drives-on", "times": 1}


def when(strike: Strike) -> str:
    """When it strikes: `round 3`, `before round 3`, `after round 3`, `at 2.5 s`."""
    if strike.round is None:
        return f"at {strike.at_s:g} s"
    early = strike.before or strike.about.doer == "env_server" or strike.kind in ("join", "leave")
    late = strike.target != "robots"
    return f"{'before ' if early else 'after ' if late else ''}round {strike.round}"


def whom(strike: Strike) -> str:
    """Whom it strikes: `robot 5`, `robots 0 1 2`, `env_server`."""
    if strike.target != "robots":
        return strike.target
    numbers = " ".join(map(str, strike.robots[:8])) + (" ..." if len(strike.robots) > 8 else "")
    return f"robot {numbers}" if len(strike.robots) == 1 else f"robots {numbers}"


def how_long(strike: Strike) -> str:
    """How long it lasts: `for 3 rounds`, `for 2 s`, `once`, `until mended`, `to the end`, `for good`."""
    if strike.kind == "join":
        return "away until then"
    if strike.kind == "leave":
        return "for good"
    if strike.until is not None and strike.round is not None:
        rounds = strike.until - strike.round
        return f"for {rounds} round{'s' if rounds > 1 else ''}"
    if strike.for_s is not None:
        return f"for {strike.for_s:g} s"
    if strike.target == "supervisor":
        return "for good"
    if strike.about.fatal or strike.target != "robots":
        return "until mended"
    return "to the end" if strike.about.lasts else "once"


def details(strike: Strike) -> str:
    """What else is set: `body towed, 3 times`."""
    settings = {*strike.about.takes, *strike.about.needs} - {"for_s", "before"}
    if strike.target != "robots":
        return ""
    said = {name: getattr(strike, name) for name in sorted(settings)}
    return ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in said.items()
        if value is not None and _QUIET.get(name) != value
    )


def picture(strikes: Sequence[Strike], rounds: int, width: int = 100, marks: Marks = BLOCKS) -> list[str]:
    """Lines of at most `width` characters: a row per robot or process that is hit, a column per round or several.

    Strikes by the clock have a picture of their own below, in seconds. It ends where the last strike does.
    """
    lines: list[str] = []
    by_round = [strike for strike in strikes if strike.round is not None]
    by_clock = [strike for strike in strikes if strike.round is None]
    drawn: set[str] = set()
    for unit, some, most in (("round", by_round, float(rounds)), ("second", by_clock, math.inf)):
        if some:
            lines += ["", *_panel(some, unit, most, width, marks, drawn)]
    legend = [f"{getattr(marks, name)} {meaning}" for name, meaning in _MEANINGS.items() if name in drawn]
    return [*lines[1:], "", "   ".join(legend)] if lines else []


def _panel(strikes: Sequence[Strike], unit: str, most: float, width: int, marks: Marks, drawn: set[str]) -> list[str]:
    rows: dict[str, list[Strike]] = {}
    for strike in sorted(strikes, key=_row_order):
        for name in map(str, strike.robots) if strike.target == "robots" else (strike.target,):
            rows.setdefault(name, []).append(strike)
    rows = dict(sorted(rows.items(), key=lambda row: (not row[0].isdigit(), int(row[0]) if row[0].isdigit() else 0)))
    label = max(len("robot"), *map(len, rows))
    cells = width - label - 2
    end = _end(strikes, most)
    step = max(1, math.ceil(end / cells))
    columns = math.ceil(end / step)
    axis = f"{'robot':>{label}}  {_axis(columns, step)}"
    head = f"{unit}s 0 to {columns * step if math.isinf(most) else min(int(most), columns * step) - 1}"
    head += f" of {int(most)}" if math.isfinite(most) else ""
    head += f", {step} a column" if step > 1 else ""
    body = [f"{name:>{label}}  {_row(some, columns, step, marks, drawn)}" for name, some in rows.items()]
    return [head, axis, *body]


def _row_order(strike: Strike) -> bool:
    """What takes a robot away is drawn last, over what else there is."""
    return strike.about.fatal or strike.kind in ("join", "leave")


def _end(strikes: Sequence[Strike], most: float) -> int:
    """Where the picture ends: a little after the last strike's end, at the run's end at the latest."""
    ends = [window(strike)[1] if math.isfinite(window(strike)[1]) else max(window(strike)[0], 0) for strike in strikes]
    lasting = any(math.isinf(window(strike)[1]) for strike in strikes)
    end = math.ceil(max(ends)) + max(2, math.ceil(max(ends) / 10))
    return int(most) if lasting and math.isfinite(most) else int(min(end, most))


def _axis(columns: int, step: int) -> str:
    text = ""
    for column in range(0, columns, 10):
        mark = str(column * step)
        if column + len(mark) <= columns or not text:
            text = text.ljust(column) + mark
    return text


def _row(strikes: Sequence[Strike], columns: int, step: int, marks: Marks, drawn: set[str]) -> str:
    names = ["well"] * columns
    for strike in strikes:
        start, end = window(strike)
        first = max(0, int(start // step))
        name = _mark(strike)
        last = (
            first + 1 if name == "fatal" else max(first + 1, min(columns, math.ceil(min(end, columns * step) / step)))
        )
        names[first:last] = [name] * (min(last, columns) - first)
    drawn.update(names)
    return "".join(getattr(marks, name) for name in names)


def _mark(strike: Strike) -> str:
    if strike.stays_out or strike.kind in ("join", "leave"):
        return "away"
    if strike.about.fatal:
        return "fatal"
    return "body" if strike.about.doer == "env_server" else "trouble"
