"""The pure parts: restart budget, liveness, memory, status, exit statuses in words, logs."""

import os
from pathlib import Path

import pytest

from fleet.control.care.liveness import Attention, Verdict, Vitals
from fleet.control.care.restarts import LONGEST_BACKOFF_S, Budget, Failed, Restart, decide, progressed
from fleet.control.ending import describe_exit
from fleet.control.process import logs
from fleet.control.status import Pace, ProcessStatus, build_status
from fleet.control.timing import Timing
from fleet.core.errors import BadInput
from fleet.study.memory import Figures, estimate_bytes, require_memory


def deaths(budget: Budget, *times: float) -> tuple[Budget, list[Restart | Failed]]:
    decisions = []
    for at in times:
        budget, decision = decide(budget, at)
        decisions.append(decision)
    return budget, decisions


def test_the_budget_is_exact_and_the_pause_doubles() -> None:
    _, decisions = deaths(Budget(4, 300.0, 0.2), 0.0, 1.0, 2.0, 3.0, 4.0)
    assert decisions[:4] == [Restart(0.0), Restart(0.2), Restart(0.4), Restart(0.8)]
    assert isinstance(decisions[4], Failed)
    assert "4 of 4 restarts within 300 s" in decisions[4].reason


def test_no_restarts_allowed() -> None:
    assert isinstance(decide(Budget(0, 300.0, 0.2), 0.0)[1], Failed)


def test_the_pause_is_bounded() -> None:
    _, decisions = deaths(Budget(100, 300.0, 1.0), *[0.0] * 100)
    assert decisions[-1] == Restart(LONGEST_BACKOFF_S)


def test_uptime_alone_gives_nothing_back() -> None:
    _, decisions = deaths(Budget(2, 10.0, 0.2), 0.0, 1e3, 1e6)
    assert isinstance(decisions[2], Failed)


def test_progress_gives_back_what_is_older_than_the_window() -> None:
    budget, _ = deaths(Budget(2, 10.0, 0.2), 0.0, 5.0)
    assert progressed(budget, 9.0).used == (0.0, 5.0)
    assert progressed(budget, 10.1).used == (5.0,)
    assert progressed(budget, 15.1).used == ()
    assert decide(progressed(budget, 15.1), 16.0)[1] == Restart(0.0)


def test_silence_is_suspect_then_frozen() -> None:
    vitals = Vitals(10.0, 3.5, 1.0)
    assert vitals.judge(11.0, lambda: 0.0) is Verdict.WELL
    assert vitals.judge(11.1, lambda: 0.0) is Verdict.SUSPECT
    assert vitals.judge(13.5, lambda: 0.0) is Verdict.SUSPECT
    assert vitals.judge(13.6, lambda: 0.0) is Verdict.FROZEN


def test_time_in_the_queue_for_a_processor_excuses_but_not_for_ever() -> None:
    vitals = Vitals(0.0, 3.5, 1.0)
    vitals.heard(0.0, 3.5)
    vitals.judge(1.1, lambda: 100.0)
    assert vitals.judge(8.0, lambda: 106.0) is Verdict.SUSPECT
    assert vitals.judge(8.0, lambda: 100.5) is Verdict.FROZEN
    assert vitals.judge(36.0, lambda: 1e9) is Verdict.FROZEN


def test_a_sign_of_life_clears_a_suspicion() -> None:
    vitals = Vitals(0.0, 60.0, 60.0)
    assert not vitals.heard(1.0, 3.5)
    vitals.suspect_s = 1.0
    vitals.judge(2.5, lambda: 0.0)
    assert vitals.heard(3.0, 3.5)
    assert vitals.judge(3.5, lambda: 0.0) is Verdict.WELL


def test_attention_leaves_out_time_in_which_its_owner_did_not_run() -> None:
    attention = Attention(100.0)
    assert attention.tick(100.2, 0.25) == 0.0
    assert attention.now == pytest.approx(0.2)
    assert attention.tick(160.2, 0.25) == pytest.approx(59.5)
    assert attention.now == pytest.approx(0.7)


def figures(robots: int, worlds: int = 32) -> Figures:
    return Figures((1,) * robots, worlds, 128, 1024, 157, 1, 30_000, 1, 50 << 20)


def test_forty_learners_fit_in_three_gigabytes_and_more_take_more() -> None:
    assert 1e9 < estimate_bytes(figures(40)) < 3e9
    assert estimate_bytes(figures(80)) > estimate_bytes(figures(40)) > estimate_bytes(figures(40, 16))


def test_what_does_not_fit_is_refused_in_plain_words() -> None:
    with pytest.raises(BadInput, match=r"about \d+\.\d GB .* more than control.memory_limit_gb = 0.5; lower"):
        require_memory(figures(40), limit_gb=0.5)
    with pytest.raises(BadInput, match=r"the 1\.0 GB that are free"):
        require_memory(figures(40), free_bytes=10**9)
    assert require_memory(figures(40), limit_gb=3.0) == estimate_bytes(figures(40))


def test_the_time_left_goes_by_the_rounds_seen() -> None:
    pace = Pace()
    assert pace.eta_s(0.0, 100) is None
    pace.at(10.0, 40)  # a resumed run's first report
    assert pace.eta_s(10.0, 100) is None
    pace.at(30.0, 50)
    assert pace.eta_s(31.0, 100) == pytest.approx(50 * 2.0 - 1.0)


def test_status_adds_up() -> None:
    rows = [ProcessStatus(f"learner-{n}", n, "up", 0, n, 1, 100, 0.5) for n in range(3)]
    given = {"round": 3, "online": 2, "phase": "draining", "episode_return": 1}
    common = {"rounds": 9, "robots": 3, "elapsed_s": 1.0, "eta_s": None}
    status = build_status(given, rows, phase="running", **common)  # type: ignore[arg-type]
    assert (status.round, status.online, status.phase, status.restarts) == (3, 2, "draining", 3)
    assert (status.memory_bytes, status.episode_return, status.policy_lag) == (300, 1.0, None)
    assert build_status(given, rows, phase="stopping", **common).phase == "stopping"  # type: ignore[arg-type]
    assert status.as_dict()["processes"][2]["name"] == "learner-2"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (None, "ended"),
        (7, "exited with status 7"),
        (-9, "was killed by SIGKILL"),
        (-63, "was killed by signal 63"),
    ],
)
def test_exit_statuses_in_words(status: int | None, words: str) -> None:
    assert describe_exit(status) == words


def test_a_long_log_is_cut_while_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    assert not logs.trim(log)
    assert logs.tail(log) == ""
    writer = logs.open_log(log)
    os.write(writer, b"x" * 990 + b"\nlast\n")
    assert not logs.trim(log, longest=1000, kept=100)
    os.write(writer, b"more\n")
    assert logs.trim(log, longest=1000, kept=100)
    os.write(writer, b"after\n")
    os.close(writer)
    assert log.read_bytes().startswith(b"[cut]\nxxx")
    assert log.stat().st_size < 120
    assert logs.tail(log, 3) == "last\nmore\nafter"


def test_who_has_never_spoken_is_excused_for_the_queue_it_has_stood_in_since_it_was_born() -> None:
    """Broken by counting from the end of its grace: the server of a thousand robots was killed as they all started."""
    vitals = Vitals(0.0, 60.0, 60.0)
    assert vitals.judge(61.0, lambda: 40.0) is Verdict.SUSPECT
    assert vitals.judge(101.0, lambda: 40.0) is Verdict.FROZEN
    vitals.heard(102.0, 3.5)
    assert vitals.judge(106.0, lambda: 40.0) is Verdict.FROZEN


def test_what_all_of_a_big_fleet_do_at_once_may_take_longer() -> None:
    few, many = Timing().of_fleet(1), Timing().of_fleet(1000)
    assert few.kill == pytest.approx(Timing().kill, rel=0.1)
    assert (many.stop, many.leave, many.kill) == (24.0, 22.0, 20.9)
    assert many.tick == Timing().tick
