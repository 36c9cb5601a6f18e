"""The protocol core under simulated faults, and that the simulation notices when a rule of it is broken.

Each test of the second kind takes one rule away and names it; some seed among the first ones must then break what the
rule is for.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from env_server.nudges import Nudges
from fleet.control.care import learners as care
from fleet.control.care.advance import Advance
from fleet.control.care.child import Child
from fleet.control.care.injuries import Injuries
from fleet.control.care.liveness import Verdict, Vitals
from fleet.control.care.record import Record
from fleet.control.care.restarts import Budget, Restart, progressed
from fleet.control.care.starts import Standing
from fleet.core import ledger_file
from fleet.core.answering import Answer, Answering
from fleet.core.messages import Policy, Rollout, Welcome
from fleet.core.session import Accepted, Phase, Session
from fleet.study.simulation import processes
from fleet.study.simulation.play import play
from fleet.study.simulation.scene import scene_of

Patch = pytest.MonkeyPatch
QUICK, MANY, ENOUGH = 20, 300, 400


@pytest.mark.slow
def test_the_first_seeds_hold():
    assert [played.broken for played in map(play, range(QUICK)) if played.broken] == []


@pytest.mark.slow
def test_hundreds_of_seeds_hold():
    played = [play(seed) for seed in range(QUICK, QUICK + MANY)]
    assert [(one.seed, one.broken) for one in played if one.broken] == []
    happened: dict[str, int] = {}
    for one in played:
        for name, count in one.counted.items():
            happened[name] = happened.get(name, 0) + count
    for name in ("faults injected", "recoveries", "learners failed", "agent-steps lost", "agent-steps undone"):
        assert happened[name] > 0, f"no {name}: these seeds test nothing of it"
    assert {one.outcome for one in played} == {"done", "failed", "interrupted"}


def test_a_seed_gives_the_same_run_every_time():
    def lines(seed: int) -> list[tuple[float, str, str]]:
        said: list[tuple[float, str, str]] = []
        play(seed, lambda *line: said.append(line))
        return said

    first = lines(3)
    assert len(first) > 100
    assert lines(3) == first
    assert lines(4) != first


def test_scenes_cover_what_the_fleet_can_be_set_to():
    scenes = [scene_of(seed) for seed in range(200)]
    assert {scene.credit for scene in scenes} == {1, 2, 3}
    assert {scene.pace.lockstep for scene in scenes} == {True, False}
    assert {len(scene.groups) for scene in scenes} == {1, 2, 3, 4, 5, 6}
    assert any(len(group) > 1 for scene in scenes for group in scene.groups)


def broken_with(symptom: str, seeds: int = ENOUGH) -> str:
    """What the first seed that shows the symptom says."""
    said = []
    for seed in range(seeds):
        said += play(seed).broken[:1]
        if said and symptom in said[-1]:
            return said[-1]
    pytest.fail(f"{seeds} seeds, and none has {symptom!r} broken, but {said[:3]}")


def judge(patch: Patch, lenient: Callable[[Session, Policy], Policy]) -> None:
    """Have each policy judged as if it were what `lenient` makes of it, and taken as it is."""
    accept = Session.accept

    def taken(self: Session, policy: Policy) -> Any:
        alive = self.phase in (Phase.GREETED, Phase.READY)
        return accept(self, lenient(self, policy) if alive else policy)

    patch.setattr(Session, "accept", taken)


def known(session: Session, policy: Policy) -> tuple[int, ...]:
    """The rollouts that it names and that are outstanding: else a stale policy mostly is refused because of these."""
    return tuple(seq for seq in policy.rollouts if seq in session.outstanding) or tuple(session.outstanding)[:1]


def accept_whatever_incarnation_and_rollouts(patch: Patch) -> None:
    judge(patch, lambda own, policy: replace(policy, incarnation=own.incarnation, rollouts=known(own, policy)))


def accept_policies_of_earlier_server_lives_and_their_rollouts(patch: Patch) -> None:
    judge(patch, lambda own, policy: replace(policy, life=own._life, rollouts=known(own, policy)))


def accept_older_versions(patch: Patch) -> None:
    """Of learners that don't number on, or no version would be older."""
    refusal = Session._refusal

    def lenient(self: Session, policy: Policy) -> Any:
        accepted, self.accepted = self.accepted, -1
        try:
            return refusal(self, policy)
        finally:
            self.accepted = accepted

    patch.setattr(Session, "_refusal", lenient)
    number_on_from_the_checkpoint(patch)


def accept_rollouts_that_are_named_again(patch: Patch) -> None:
    accept = Session.accept

    def twice(self: Session, policy: Policy) -> Any:
        answer = accept(self, policy)
        return replace(answer, trained=answer.trained * 2) if isinstance(answer, Accepted) else answer

    patch.setattr(Session, "accept", twice)


def do_not_fence_the_dead(patch: Patch) -> None:
    patch.setattr(Session, "_fence", lambda self, incarnation, reason: None)


def keep_what_a_hello_says_never_came(patch: Patch) -> None:
    patch.setattr(Session, "_not_taken_in", lambda self, hello: ())


def send_beyond_the_credit(patch: Patch) -> None:
    patch.setattr(Session, "can_send", property(lambda self: self.phase is Phase.READY))


def let_the_next_server_life_take_any_version(patch: Patch) -> None:
    standing = care.Care.standing

    def forgetful(self: care.Care) -> Standing:
        known = standing(self)
        return replace(known, accepted=dict.fromkeys(known.accepted, -1))

    patch.setattr(care.Care, "standing", forgetful)


def forget_the_servers_account_of_its_dead_life(patch: Patch) -> None:
    patch.setattr(processes.SimulatedStarts, "end_life", lambda self, why, since: self.ledger.newest(since))


def never_nudge(patch: Patch) -> None:
    patch.setattr(Nudges, "due", lambda self, sessions, now: [])


def do_not_greet_over_a_new_connection(patch: Patch) -> None:
    patch.setattr(Answering, "reconnected", lambda self: None)


def take_a_rollout_in_twice(patch: Patch) -> None:
    judge = Answering._judge_rollout

    def gullible(self: Answering, rollout: Rollout, now: float) -> None:
        last, self.last = self.last, -1
        try:
            judge(self, rollout, now)
        finally:
            self.last = max(self.last, last)

    patch.setattr(Answering, "_judge_rollout", gullible)


def never_publish_again(patch: Patch) -> None:
    answer = Answering.answer

    def mute(self: Answering, welcome: Welcome, now: float) -> Answer:
        given = answer(self, welcome, now)
        return Answer.GO_ON if given is Answer.REPEAT else given

    patch.setattr(Answering, "answer", mute)
    patch.setattr(Answering, "_ask", lambda self, now: None)


def number_on_from_the_checkpoint(patch: Patch) -> None:
    def own(self: Answering, welcome: Welcome, version: int) -> int:
        self._entered = welcome.life
        return max(version, 0)

    patch.setattr(Answering, "enter", own)


def come_back_with_what_was_lost(patch: Patch) -> None:
    patch.setattr(processes.Checkpoints, "drop_after", lambda self, version: None)


def leave_out_what_is_undone(patch: Patch) -> None:
    patch.setattr(ledger_file.Ledger, "undone", lambda self, learner, after: None)


def say_nothing_of_what_is_lost(patch: Patch) -> None:
    patch.setattr(ledger_file.Ledger, "lost", lambda self, names, why: None)


def grant_one_restart_too_many(patch: Patch) -> None:
    decide = care.decide
    patch.setattr(care, "decide", lambda budget, now: _own(budget, *decide(_with(budget, 1), now)))


def grant_one_restart_too_few(patch: Patch) -> None:
    decide = care.decide
    patch.setattr(care, "decide", lambda budget, now: _own(budget, *decide(_with(budget, -1), now)))


def _with(budget: Budget, more: int) -> Budget:
    return replace(budget, allowed=budget.allowed + more)


def _own(budget: Budget, after: Budget, decision: Restart) -> tuple[Budget, Restart]:
    return replace(after, allowed=budget.allowed), decision


def give_restarts_back_at_any_progress(patch: Patch) -> None:
    def generous(budget: Budget, now: float) -> Budget:
        return replace(progressed(replace(budget, window_s=0.0), now), window_s=budget.window_s)

    patch.setattr("fleet.control.care.watch.progressed", generous)


def start_whom_a_person_took_out(patch: Patch) -> None:
    note = Injuries._note

    def unheld(self: Injuries, child: Child, injury: Any) -> None:
        note(self, child, injury)
        child.held = False

    patch.setattr(Injuries, "_note", unheld)


def never_find_a_frozen_process(patch: Patch) -> None:
    patch.setattr(Vitals, "judge", lambda self, now, queued: Verdict.WELL)


def never_find_a_stuck_process(patch: Patch) -> None:
    patch.setattr(Advance, "judge", lambda self, queued: Verdict.WELL)


def suspect_what_has_not_been_done_yet(patch: Patch) -> None:
    times = Record.times

    def early(self: Record, fault: Any, recover: float | None = None) -> dict[str, Any]:
        return times(self, replace(fault, suspect=-1.0), recover)

    patch.setattr(Record, "times", early)


def leave_recoveries_out_of_the_record(patch: Patch) -> None:
    patch.setattr("fleet.control.care.watch.Watch.recovered", lambda self, child, now: None)


RULES: list[tuple[Callable[[Patch], None], str]] = [
    (accept_whatever_incarnation_and_rollouts, "that incarnation is dead"),
    (accept_older_versions, "acts after"),
    (accept_policies_of_earlier_server_lives_and_their_rollouts, "acts in server life"),
    (accept_rollouts_that_are_named_again, "had been trained or lost before"),
    (do_not_fence_the_dead, "no first policy now"),
    (keep_what_a_hello_says_never_came, "unreachable"),
    (send_beyond_the_credit, "its credit is"),
    (let_the_next_server_life_take_any_version, ""),
    (forget_the_servers_account_of_its_dead_life, ""),
    (never_nudge, ""),
    (do_not_greet_over_a_new_connection, "not all is well"),
    (take_a_rollout_in_twice, "was trained twice"),
    (never_publish_again, "unreachable"),
    (number_on_from_the_checkpoint, "not all is well"),
    (come_back_with_what_was_lost, "counted lost"),
    (leave_out_what_is_undone, "trained and not undone"),
    (say_nothing_of_what_is_lost, ""),
    (grant_one_restart_too_many, "allowed are"),
    (grant_one_restart_too_few, "allowed are"),
    (give_restarts_back_at_any_progress, "back"),
    (start_whom_a_person_took_out, "though a person had taken it out"),
    (never_find_a_frozen_process, ""),
    (never_find_a_stuck_process, ""),
    (suspect_what_has_not_been_done_yet, "out of order"),
    (leave_recoveries_out_of_the_record, "doesn't recover in the record"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("break_the_rule", "symptom"), RULES, ids=lambda item: getattr(item, "__name__", ""))
def test_it_is_noticed_when_we(break_the_rule, symptom, monkeypatch):
    break_the_rule(monkeypatch)
    assert symptom in broken_with(symptom)
