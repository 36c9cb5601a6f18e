"""`fleet games NAME --study tax`: what it prints."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleet.study.compare.interval import Spread
    from fleet.study.games.tax_study import Study

_HEADER = ("clip", "KL", "largest TV", "live", "frozen", "tax", "95%", "tax, end", "95%", "behind", "frozen", "short")
_NOTE = """
Returns per step, means over agents and seeds; 95%: bootstrap intervals over seeds. live, frozen: in training, against
another that learns too, and against one frozen at the policy it came to; tax: frozen less live, in training and in the
end. behind: in training, what the best response to the other as it is would have got more, for the live and the frozen
other; short: the same in the end, for the frozen. KL: of an update; largest TV: the total variation of the largest."""


def print_tax(study: "Study") -> None:
    """A row for each clip range."""
    from fleet.commands.screen import print_table

    print(f"{study.game}: {study.terms.seeds} seeds, {study.agent_steps:,} agent-steps of each learner\n")
    rows = (
        (
            f"{point.clip:g}",
            f"{point.divergence.mean:.4f}",
            f"{point.variation.mean:.3f}",
            _figure(point.training.live),
            _figure(point.training.frozen),
            _figure(point.training.difference),
            _interval(point.training.difference),
            _figure(point.end.difference),
            _interval(point.end.difference),
            _figure(point.behind.live),
            _figure(point.behind.frozen),
            _figure(point.short.frozen),
        )
        for point in study.points
    )
    print_table(rows, header=_HEADER)
    print(_NOTE)


def _figure(spread: "Spread") -> str:
    return _rounded(spread.mean)


def _interval(spread: "Spread") -> str:
    return "-" if spread.low is None or spread.high is None else f"{_rounded(spread.low)} to {_rounded(spread.high)}"


def _rounded(value: float) -> str:
    """To three digits; what rounds to nothing has no sign."""
    return f"{round(value, 3) + 0.0:.3f}"
