"""The kinds of faults: what each does, who carries it out, and which settings it takes. Pure tables.

Who carries a fault out decides how a run under a plan stays a pure function of config and seed. What the *supervisor*
does to a process from outside strikes at no exact moment of that process's work, so the environment server, which has
the clock of rounds, fences the learner in the very round. What a *learner* does to itself it does at the rollout of
that round. What happens to bodies and sensors the *environment server* does between two rounds.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "kill",
    "exit",
    "raise",
    "crash_loop",
    "freeze",
    "pause",
    "zombie",
    "hang",
    "slow",
    "cut",
    "delay",
    "corrupt",
    "nan_weights",
    "no_space",
    "kill_in_save",
    "bad_checkpoint",
    "offline",
    "illegal_action",
    "blind",
    "slow_wheels",
    "join",
    "leave",
]
Target = Literal["robots", "env_server", "zygote", "supervisor"]
Doer = Literal["supervisor", "learner", "env_server"]


@dataclass(frozen=True)
class About:
    """A kind. `fatal`: the learner's process does not survive it; `lasts`: whether rounds or for_s may be given."""

    meaning: str
    doer: Doer
    fatal: bool = False
    lasts: bool = True
    takes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    targets: tuple[Target, ...] = ("robots",)


_BACK = ("body", "checkpoint", "before")

KINDS: Mapping[Kind, About] = {
    "kill": About(
        "SIGKILL; with times, each replacement is killed as well while it is starting",
        "supervisor",
        fatal=True,
        takes=(*_BACK, "times"),
        targets=("robots", "env_server", "zygote", "supervisor"),
    ),
    "exit": About("the learner exits with status 0 as if all were done", "learner", fatal=True, takes=("body",)),
    "raise": About(
        "killed, and its replacement raises an exception in its constructor", "supervisor", fatal=True, takes=_BACK
    ),
    "crash_loop": About(
        "killed, and each replacement dies at once, `times` times in a row",
        "supervisor",
        fatal=True,
        lasts=False,
        takes=("body", "times", "before"),
    ),
    "freeze": About(
        "SIGSTOP, until its silence gives it away",
        "supervisor",
        fatal=True,
        takes=_BACK,
        targets=("robots", "env_server", "zygote"),
    ),
    "pause": About(
        "SIGSTOP and, before its silence gives it away, SIGCONT",
        "supervisor",
        needs=("for_s",),
        targets=("robots", "env_server"),
    ),
    "zombie": About(
        "SIGSTOP, and SIGCONT once its replacement is up: all that it still says is fenced",
        "supervisor",
        fatal=True,
        takes=_BACK,
    ),
    "hang": About("busy for ever inside an update while its heartbeats go on", "learner", fatal=True, takes=("body",)),
    "slow": About("every update takes `factor` times as long", "learner", takes=("factor",)),
    "cut": About("the data link carries nothing, one way or both", "learner", needs=("for_s",), takes=("direction",)),
    "delay": About("what the learner sends comes `delay_s` late", "learner", takes=("delay_s",)),
    "corrupt": About("a byte of the learner's next message is flipped", "learner", lasts=False),
    "nan_weights": About("the learner publishes weights that are not numbers", "learner", lasts=False),
    "no_space": About("the learner's checkpoints can't be written: no space left", "learner"),
    "kill_in_save": About("SIGKILL half-way through writing a checkpoint", "learner", fatal=True, takes=("body",)),
    "bad_checkpoint": About(
        "killed, and its newest checkpoint is damaged on disk",
        "supervisor",
        fatal=True,
        takes=("body", "before", "damage"),
    ),
    "offline": About("the body is stalled or towed; its learner waits", "env_server", needs=("body",)),
    "illegal_action": About("the robot's commands come out as none that exists", "env_server", takes=("probability",)),
    "blind": About("the robot's observations are zero, or stay the last one", "env_server", takes=("mode",)),
    "slow_wheels": About("each step forward fails with `probability`", "env_server", takes=("probability",)),
    "join": About("the robot is not there until its round", "supervisor", lasts=False),
    "leave": About("the robot leaves the floor for good", "supervisor", lasts=False),
}

_EVERY = {"kind", "target", "robots", "round", "at_s", "spread"}


def settings(kind: Kind) -> tuple[str, ...]:
    """What a fault of that kind takes beside what every fault does: whom, when, and by how much one after the other."""
    about = KINDS[kind]
    lasting = ("rounds", "for_s") if about.lasts and "for_s" not in about.needs else ()
    return tuple(dict.fromkeys((*about.needs, *lasting, *about.takes)))


def complain(kind: Kind, target: Target, given: Collection[str]) -> str:
    """What is wrong with a fault of `kind` for which the settings `given` are set; "" if nothing is."""
    about = KINDS[kind]
    if target not in about.targets:
        return f'target = "{target}"; allowed are {", ".join(about.targets)}'
    if target == "robots" and "robots" not in given:
        return 'robots is missing; allowed are lists of robots such as [0, 3], "all", "random:2" and "25%"'
    if target != "robots" and "robots" in given:
        return f'robots has no meaning with target = "{target}"; leave one of them out'
    if not {"round", "at_s"} & set(given):
        return "when it strikes is missing; allowed is one of round and at_s"
    if kind == "join" and "at_s" in given:
        return "at_s has no meaning here, a robot joins in a round; allowed is round"
    for one, other in (("at_s", "round"), ("for_s", "rounds")):
        if {one, other} <= set(given):
            return f"{one} and {other} are both given; allowed is one of them"
    for name in ("rounds", "before", "checkpoint"):
        if "at_s" in given and name in given:
            return f"{name} has no meaning with at_s; allowed is round in its place"
    allowed = _EVERY | set(settings(kind))
    if target != "robots":
        allowed -= {"body", "checkpoint", "before", "times", "spread", "rounds"}
        allowed -= set() if kind == "pause" else {"for_s"}
    extra = sorted(set(given) - allowed)
    if extra:
        return f"{extra[0]} has no meaning here; allowed are {', '.join(sorted(allowed - {'kind'}))}"
    missing = [name for name in about.needs if name not in given]
    return f"{missing[0]} is missing" if missing else ""
