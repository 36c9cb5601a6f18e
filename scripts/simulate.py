"""Play the protocol through under simulated faults, many seeds of it: `make simulate`.

    python scripts/simulate.py --seeds 20000            # seeds 0 to 19,999, on two processes
    python scripts/simulate.py --seed 17 --trace        # one of them, with everything that happens in it

What is simulated and what must hold is in fleet/study/simulation. Exits 1 if any seed breaks it.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import chain

from fleet.study.simulation.play import Played, play

_CHUNK = 20


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Deterministic simulation of the protocol core.")
    parser.add_argument("--seeds", type=int, default=1000, help="how many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first one")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--seed", type=int, help="play this one alone")
    parser.add_argument("--trace", action="store_true", help="with --seed: say all that happens")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        return one(arguments.seed, trace=arguments.trace)
    return many(range(arguments.first, arguments.first + arguments.seeds), arguments.jobs)


def one(seed: int, *, trace: bool) -> int:
    """Play one seed, and say what came of it."""
    played = play(seed, (lambda at, who, what: print(f"{at:9.3f}  {who:<12} {what}")) if trace else None)
    print(f"seed {seed}: {played.outcome} after {played.seconds:.1f} simulated seconds, {played.rounds} rounds")
    for text in played.broken:
        print(f"  broken at {text}")
    return 1 if played.broken else 0


def many(seeds: range, jobs: int) -> int:
    """Play all of them, with a line now and then, and a table at the end."""
    began, shown = time.monotonic(), time.monotonic()
    sums, outcomes, broken, done = Counter[str](), Counter[str](), 0, 0
    for played in results(seeds, jobs):
        done += 1
        outcomes[played.outcome] += 1
        sums.update(played.counted)
        if played.broken:
            broken += 1
            print(f"seed {played.seed}: {played.broken[0]}\n  python scripts/simulate.py --seed {played.seed} --trace")
        if time.monotonic() - shown > 10.0:
            shown = time.monotonic()
            print(f"{done} of {len(seeds)} seeds, {broken} broken, {shown - began:.0f} s", flush=True)
    wall = time.monotonic() - began
    rows = {"seeds": done, "of them broken": broken, "wall seconds": wall, **sums}
    rows |= {f"runs {outcome}": count for outcome, count in sorted(outcomes.items())}
    for name, value in rows.items():
        print(f"{name:<28}{value:>14,.0f}")
    return 1 if broken else 0


def results(seeds: range, jobs: int) -> Iterator[Played]:
    """What comes of each, in order."""
    if jobs <= 1:
        yield from map(play, seeds)
        return
    chunks = [seeds[first : first + _CHUNK] for first in range(0, len(seeds), _CHUNK)]
    with ProcessPoolExecutor(jobs) as pool:
        yield from chain.from_iterable(pool.map(play_all, chunks))


def play_all(seeds: range) -> list[Played]:
    """In a process of its own."""
    return [play(seed) for seed in seeds]


if __name__ == "__main__":
    sys.exit(main())
