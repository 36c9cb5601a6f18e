"""How a run's robots moved each other's target, in the rows of its summary. See docs/independence.md."""

from collections.abc import Mapping
from typing import Any

_LAG = "total_lag_"


def moving_rows(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """From the figures in summary.json to what it is, and how much; nothing of what they don't tell."""
    rows = []
    if "total_drift_others_kl" in figures:
        whole, late = _drift(figures, "total"), _drift(figures, "late")
        rows.append(("others' drift per round", f"{whole}; {late} in the last tenth" if late else whole))
    lags = {int(name.removeprefix(_LAG)): count for name, count in figures.items() if name.startswith(_LAG)}
    if lags:
        rows.append(("policy lag", lag_words(lags)))
    if "total_reward_density" in figures:
        rows.append(("reward density", f"{share(figures['total_reward_density'])} of agent-steps"))
    found = [
        f"{figures[name]:.2f} with {whom}"
        for whom in ("team", "others")
        if figures.get(name := f"total_own_{whom}_correlation") is not None
    ]
    if found:
        rows.append(("own reward's correlation", ", ".join(found)))
    rounds = figures.get("totalled_rounds")
    if rows and rounds is not None and rounds < figures.get("round", rounds):
        rows = [(f"{name} (last {rounds:,} rounds)", value) for name, value in rows]
    return rows


def _drift(figures: Mapping[str, Any], span: str) -> str:
    """Nothing if it isn't known. A KL of null is infinite: policies without a random share never do some actions."""
    names = (f"{span}_drift_others_kl", f"{span}_drift_others_tv")
    if not all(name in figures for name in names):
        return ""
    far, apart = (figures[name] for name in names)
    return f"{'infinite' if far is None else f'{far:.2g}'} nats, TV at most {apart:.2g}"


def lag_words(lags: Mapping[int, int]) -> str:
    """Shares of rollouts by policy lag: `0: 97%, 1: 3%`."""
    rollouts = sum(lags.values())
    return ", ".join(f"{lag}: {share(count / rollouts)}" for lag, count in sorted(lags.items()))


def share(value: float) -> str:
    """A share in percent; one that isn't 0 isn't shown as 0."""
    return f"{value:.0%}" if value == 0 or value >= 0.01 else "<1%"
