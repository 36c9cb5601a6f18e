"""`fleet games`: independent learners of a small game over many seeds, and which of its equilibria they end in."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from env_server.games.payoffs import Game
    from fleet.study.games.payoff_study import Point
    from fleet.study.games.sweep import Sweep, Terms
    from fleet.study.games.wilson import Rate


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("games")(games)


def games(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="coordination, climbing, penalty, pennies or two-state; with --study tax also rendezvous.",
        ),
    ],
    seeds: Annotated[int | None, typer.Option(help="Learners' seeds, from 0 on. Unset: 200; 10 of tax.")] = None,
    payoff: Annotated[
        list[str] | None, typer.Option(metavar="K=V", help="Change a payoff, such as miss=2.5; may be repeated.")
    ] = None,
    episodes: Annotated[int | None, typer.Option(help="Joint actions per seed. Unset: 4,000.")] = None,
    alpha: Annotated[float | None, typer.Option(help="How far a value moves to what was paid. Unset: 0.1.")] = None,
    epsilon: Annotated[float | None, typer.Option(help="Probability of any action, not the best. Unset: 0.1.")] = None,
    study: Annotated[
        str | None,
        typer.Option(
            metavar="STUDY",
            help="payoffs: coordination, as miscoordination pays from -2 to 3; replay: two-state, by length of memory; "
            "tax: PPO against others that learn and against frozen ones, by clip range.",
        ),
    ] = None,
    memory: Annotated[
        list[int] | None, typer.Option(metavar="K", help="Of replay, a memory's steps; may be repeated.")
    ] = None,
    replayed: Annotated[int | None, typer.Option(help="Of replay, updates after each step. Unset: 8.")] = None,
    gamma: Annotated[float | None, typer.Option(help="Of replay, the discount per step. Unset: 0.5.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="A folder for the figures and plots.")] = None,
) -> None:
    """Let two tabular Q-learners, neither of which knows of the other, learn a game under each seed."""
    from env_server.games.payoffs import make_game
    from fleet.commands.screen import make_folder
    from fleet.study.games.sweep import Terms

    changed = _payoffs(payoff or [])
    tabular = {"seeds": seeds, "episodes": episodes, "alpha": alpha, "epsilon": epsilon}
    asked: dict[str, Any] = {key: value for key, value in tabular.items() if value is not None}
    replay = {"capacities": None if memory is None else tuple(memory), "replayed": replayed, "gamma": gamma}
    given = {key: value for key, value in replay.items() if value is not None}
    _require_study(name, study, replaying=bool(given))
    if study == "tax":
        _tax(name, asked, changed, as_json, out)
        return
    terms = Terms(**asked)
    terms.check()
    if study == "replay":
        _replay(terms, changed, given, as_json, out)
        return
    game = make_game(name, changed)
    make_folder(out)
    if study is None:
        _sweep(game, terms, as_json, out)
    else:
        _study(terms, changed, as_json, out)


def _require_study(name: str, study: str | None, *, replaying: bool) -> None:
    """Raise BadInput for a study of another game, for options of another study, and for a game that is only studied."""
    from fleet.core.errors import BadInput
    from fleet.study.games.payoff_study import GAME
    from fleet.study.games.replay_study import GAME as STATES

    studied = {"payoffs": GAME, "replay": STATES, "tax": name}
    if study is not None and study not in studied:
        raise BadInput(f"--study {study}; allowed are {', '.join(studied)}")
    if study is not None and name != studied[study]:
        raise BadInput(f"--study {study} of {name}; it is a study of {studied[study]}")
    if replaying and study != "replay":
        raise BadInput("--memory, --replayed and --gamma are for --study replay")
    if name == STATES and study is None:
        raise BadInput(f"{STATES} has more than one state; allowed are --study replay and --study tax")


def _payoffs(words: "Sequence[str]") -> dict[str, float]:
    from fleet.core.errors import BadInput

    changed = {}
    for word in words:
        key, _, value = word.partition("=")
        try:
            changed[key] = float(value)
        except ValueError:
            raise BadInput(f"--payoff {word}; expected a name and a number, such as miss=2.5") from None
    return changed


def _sweep(game: "Game", terms: "Terms", as_json: bool, out: Path | None) -> None:
    from dataclasses import asdict

    from fleet.study.games.plot import has_paths, plot_paths
    from fleet.study.games.sweep import sweep

    found = sweep(game, terms)
    draw = partial(plot_paths, game, terms) if has_paths(game) else None
    written = _keep(out, game.name, asdict(found), draw)
    _show(asdict(found), as_json, lambda: _print_sweep(game, found), written)


def _study(terms: "Terms", payoffs: "Mapping[str, float]", as_json: bool, out: Path | None) -> None:
    from dataclasses import asdict

    from fleet.commands.screen import count_up
    from fleet.study.games.payoff_study import study_payoffs
    from fleet.study.games.plot import plot_study

    points = study_payoffs(terms, payoffs, on_done=count_up("payoffs"))
    value = {"terms": asdict(terms), "points": [asdict(point) for point in points]}
    written = _keep(out, "payoffs", value, partial(plot_study, points, terms))
    _show(value, as_json, lambda: _print_study(points, terms), written)


def _replay(
    terms: "Terms",
    payoffs: "Mapping[str, float]",
    given: "Mapping[str, Any]",
    as_json: bool,
    out: Path | None,
) -> None:
    from dataclasses import asdict

    from fleet.commands.replay_table import print_replay
    from fleet.commands.screen import count_up, make_folder
    from fleet.core.errors import BadInput
    from fleet.study.games.replay_plot import plot_replay
    from fleet.study.games.replay_study import GAME, ReplayTerms, study_replay

    if payoffs:
        raise BadInput(f"{GAME}: payoff {next(iter(payoffs))}; allowed are none")
    asked = ReplayTerms(terms, **given)
    asked.check()
    make_folder(out)
    found = study_replay(asked, on_done=count_up("learners and duels"))
    value = {"terms": asdict(asked), **asdict(found)}
    written = _keep(out, "replay", value, partial(plot_replay, found, asked))
    _show(value, as_json, lambda: print_replay(found, asked), written)


def _tax(
    name: str, given: "Mapping[str, Any]", payoffs: "Mapping[str, float]", as_json: bool, out: Path | None
) -> None:
    from dataclasses import asdict

    from fleet.commands.screen import count_up, make_folder
    from fleet.commands.taxed import print_tax
    from fleet.core.errors import BadInput
    from fleet.study.games.tax_plot import plot_tax
    from fleet.study.games.tax_study import Terms, study_tax

    for key in given:
        if key != "seeds":
            raise BadInput(f"--{key} with --study tax; its learners are those of the game's config, not tabular ones")
    terms = Terms(**given)
    terms.check()
    make_folder(out)
    found = study_tax(name, terms, payoffs, on_done=count_up("trainings"))
    written = _keep(out, f"tax-{name}", asdict(found), partial(plot_tax, found))
    _show(asdict(found), as_json, lambda: print_tax(found), written)


def _keep(out: Path | None, name: str, value: "Mapping[str, Any]", draw: "Callable[[Path], None] | None") -> list[Path]:
    """Write `value` and what `draw` draws into the folder, if there is one; the files written."""
    from fleet.core.errors import FleetError
    from fleet.core.files import write_atomic
    from fleet.core.jsonl import plain

    if out is None:
        return []
    written = [out / f"{name}.json"]
    try:
        write_atomic(written[0], [json.dumps(plain(value), indent=1).encode(), b"\n"])
        if draw is not None:
            written.append(out / f"{name}.png")
            draw(written[-1])
    except OSError as error:
        raise FleetError(f"{out}: can't be written: {error.strerror}") from error
    return written


def _show(value: "Mapping[str, Any]", as_json: bool, print_it: "Callable[[], None]", written: "Sequence[Path]") -> None:
    from fleet.commands.screen import print_json

    if as_json:
        print_json(value)
        return
    print_it()
    if written:
        print("\n" + "\n".join(map(str, written)))


def _print_sweep(game: "Game", found: "Sweep") -> None:
    from fleet.commands.screen import number, print_table

    print(f"{game.name}: {game.description}\n{_terms(found.terms)}\n")
    rows = (
        (
            str(outcome.joint),
            " / ".join(number(pays, 1) for pays in dict.fromkeys(outcome.pays)),
            *_rate(outcome.reached),
            str(outcome.foretold),
        )
        for outcome in found.outcomes
    )
    print_table(rows, header=("joint action", "pays", "seeds", "share", "95%", "mean dynamics"))
    print()
    if found.optimal is not None and found.foretold is not None:
        print(f"optimal policy: {_sentence(found.optimal)}; by the mean dynamics {found.foretold.count}")
    print(
        f"ends where the mean dynamics take its first tables: {_sentence(found.agreeing)}\n"
        "95%: Wilson intervals. Mean dynamics: learning without its noise, the limit of small alpha."
    )


def _print_study(points: "Sequence[Point]", terms: "Terms") -> None:
    from fleet.commands.screen import print_table
    from fleet.study.games.payoff_study import SLOWER

    print(f"coordination: rate of the optimal policy as miscoordination pays\n{_terms(terms)}\n")
    rows = (
        (f"{point.miss:.2f}", *_rate(point.measured), *_rate(point.slower)[1:], f"{point.foretold.share:.3f}")
        for point in points
    )
    slower = f"alpha {terms.alpha / SLOWER:g}"
    print_table(rows, header=("miss", "seeds", "share", "95%", slower, "95%", "mean dynamics"))
    print("\n95%: Wilson intervals. Mean dynamics: learning without its noise, the limit of small alpha.")


def _terms(terms: "Terms") -> str:
    return f"{terms.seeds:,} seeds, {terms.episodes:,} episodes, alpha {terms.alpha:g}, epsilon {terms.epsilon:g}"


def _rate(found: "Rate") -> tuple[str, str, str]:
    return str(found.count), f"{found.share:.3f}", f"{found.low:.3f} to {found.high:.3f}"


def _sentence(found: "Rate") -> str:
    return f"{found.count} of {found.of} seeds ({found.share:.0%}, 95% {found.low:.0%} to {found.high:.0%})"
