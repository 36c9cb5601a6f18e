"""The replay study as tables: rates by length of memory, and what lengths of memory win of each other."""

from typing import TYPE_CHECKING

from fleet.commands.screen import MISSING, print_table

if TYPE_CHECKING:
    from fleet.study.games.replay_study import Duel, Learned, ReplayStudy, ReplayTerms


def print_replay(study: "ReplayStudy", asked: "ReplayTerms") -> None:
    """Print all that there is."""
    from fleet.study.games.replay_study import DUEL, GAME

    terms = asked.terms
    print(
        f"{GAME}: rate of the optimal policy by length of memory, updates a step: {asked.replayed}\n"
        f"{terms.seeds:,} seeds, {terms.episodes:,} steps, alpha {terms.alpha:g}, epsilon {terms.epsilon:g}, "
        f"gamma {asked.gamma:g}\n"
    )
    rows = [_learned(one) for one in (*study.replayed, study.on_policy)]
    print_table(rows, header=("memory", "seeds", "share", "95%", "(1, 1) in state 0", "gap", "stale"))
    if study.duels:
        print(f"\n{DUEL}: what the shorter of two memories is paid a step, over seeds\n")
        rows = [_duel(one) for one in study.duels]
        print_table(rows, header=("shorter", "longer", "paid", "95%", "its stale", "the longer's"))
    print(
        "\n95%: Wilson intervals of rates, bootstrap intervals of payments. Gap: total variation distance between what "
        "the other\ndid in memory and its policy now, a mean over steps; stale: the part of it that isn't chance."
    )


def _learned(one: "Learned") -> tuple[str, ...]:
    name = "on-policy" if one.capacity is None else str(one.capacity)
    distances = [MISSING if value is None else f"{value:.4f}" for value in (one.mean_gap, one.mean_stale)]
    rate = one.optimal
    return (
        name,
        str(rate.count),
        f"{rate.share:.3f}",
        f"{rate.low:.3f} to {rate.high:.3f}",
        str(one.together.count),
        *distances,
    )


def _duel(one: "Duel") -> tuple[str, ...]:
    won = one.won
    interval = MISSING if won.low is None or won.high is None else f"{won.low:.3f} to {won.high:.3f}"
    return str(one.shorter), str(one.longer), f"{won.mean:.3f}", interval, *(f"{part:.3f}" for part in one.stale)
