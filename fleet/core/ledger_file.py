"""The ledger of a run on disk: ledger.jsonl, appended to by the environment server as things happen.

Each call is one line in one write, so a server that is killed loses nothing already said; what is produced is said
before it is sent. Once that server's life is over the supervisor resolves what it left. `audit` reads it, at any time.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fleet.core.balance import Balance
from fleet.core.errors import BadInput, FleetError
from fleet.core.files import LineFile, sweep_temporaries
from fleet.core.ledger import Account, RolloutName

DEFAULT_BYTES = 16 * 1024 * 1024
_AT_ONCE = 512  # lines parsed in one go: enough to save time, few enough to take little memory


class LedgerError(FleetError):
    """The ledger can't be written: the disk, or another process that is writing it."""


class Ledger:
    """Writes the ledger and keeps its account. One at a time per file; without a path, only the account.

    Over `max_bytes`, all that was written is folded into one brought-forward line, in a new file renamed into place.

        ledger.produced(round_, each, [(name, robots), ...])    # before they are sent
        ledger.withheld(round_, robots, each, "no_credit")
        ledger.trained([name], version)                         # its policy has been accepted
        ledger.lost([name], "learner_died")
        ledger.undone(learner, after=version)                   # it went back to that version
    """

    def __init__(self, path: Path | None, max_bytes: int = DEFAULT_BYTES) -> None:
        """Open or create the file and take in what stands there. Raises LedgerError."""
        self._account = Account()
        self._max_bytes = max_bytes
        self._folded_size = 0
        self._file: LineFile | None = None
        if path is None:
            return
        try:
            self._file = LineFile(path, lock=True)
            sweep_temporaries(path.parent, path.name)
            _take_in(self._account, path.read_bytes())
            if not 0 < self._file.size <= max_bytes:
                self._fold()
        except BlockingIOError as error:
            raise LedgerError(f"{path}: another process is writing it") from error
        except OSError as error:
            raise LedgerError(f"{path}: can't be opened: {error.strerror}") from error

    def produced(self, round_: int, each: int, rollouts: Sequence[tuple[RolloutName, Sequence[int]]]) -> None:
        """Rollouts of `each` agent-steps per robot come into being, all of one server life."""
        lives = {name.life for name, _ in rollouts}
        if len(lives) > 1:
            raise ValueError(f"rollouts of server lives {sorted(lives)} on one line")
        if rollouts:
            of = [[name.learner, name.incarnation, name.seq, list(robots)] for name, robots in rollouts]
            self._write({"k": "produced", "round": round_, "life": lives.pop(), "each": each, "of": of})

    def withheld(self, round_: int, robots: Sequence[int], each: int, why: str) -> None:
        """`each` agent-steps of each of `robots` come into being and have no learner to go to."""
        if robots:
            self._write({"k": "withheld", "round": round_, "each": each, "robots": list(robots), "why": why})

    def trained(self, names: Sequence[RolloutName], version: int) -> None:
        """A policy, `version` of its learner, that names these was accepted."""
        if names:
            self._write({"k": "trained", "version": version, "of": [list(name) for name in names]})

    def lost(self, names: Sequence[RolloutName], why: str) -> None:
        """Nobody will learn from these any more."""
        if names:
            self._write({"k": "lost", "why": why, "of": [list(name) for name in names]})

    def undone(self, learner: int, after: int) -> None:
        """The learner went back to version `after` (-1: to its beginning): what later ones had trained is undone."""
        self._write({"k": "undone", "learner": learner, "after": after})

    def outstanding(self) -> list[RolloutName]:
        """Produced, and neither trained nor lost yet."""
        return list(self._account.outstanding)

    def newest(self, since: int) -> dict[int, int]:
        """See `Account.newest`."""
        return self._account.newest(since)

    def last_life(self) -> int:
        """See `Account.last_life`."""
        return self._account.last_life()

    def balance(self) -> Balance:
        """The figures now."""
        return self._account.balance()

    def close(self) -> None:
        """Make it durable and let another writer have it."""
        if self._file:
            self._file.close()

    def _write(self, line: Mapping[str, Any]) -> None:
        # The account goes first: it refuses a line that makes no sense, and then nothing is written.
        self._account.apply(line)
        if self._file is None:
            return
        try:
            self._file.append(_encoded(line))
            # Folding again before it has doubled would only rewrite what can't be folded.
            if self._file.size > max(self._max_bytes, 2 * self._folded_size):
                self._fold()
        except OSError as error:
            raise LedgerError(f"{self._file.path}: can't be written: {error.strerror}") from error

    def _fold(self) -> None:
        assert self._file is not None
        self._file.replace([_encoded(self._account.folded())])
        self._folded_size = self._file.size


def audit(path: Path) -> Balance:
    """What the ledger at `path` comes to, whether or not it is being written. Raises BadInput if it can't be read.

    A line that makes no sense is a violation, so the balance isn't `balanced`.
    """
    account = Account()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: can't be read: {error.strerror}") from error
    partial = _take_in(account, content)
    return account.balance(partial_line=partial)


def resolve_outstanding(path: Path, why: str) -> Balance | None:
    """Say that all that is outstanding is lost, its server being dead; what the ledger then comes to, None without one.

    Raises LedgerError.
    """
    if not path.exists():
        return None
    ledger = Ledger(path)
    try:
        ledger.lost(ledger.outstanding(), why)
        return ledger.balance()
    finally:
        ledger.close()


def end_life(path: Path, why: str, since: int) -> dict[int, int]:
    """As `resolve_outstanding`, of a run that goes on; returns `Account.newest(since)`. Raises LedgerError."""
    ledger = Ledger(path)
    try:
        ledger.lost(ledger.outstanding(), why)
        return ledger.newest(since)
    finally:
        ledger.close()


def _take_in(account: Account, content: bytes) -> bool:
    """Apply every whole line; whether a partial one follows."""
    whole = content[: content.rfind(b"\n") + 1]
    lines = whole.splitlines()
    for first in range(0, len(lines), _AT_ONCE):
        for number, line in enumerate(_parsed(lines[first : first + _AT_ONCE]), first + 1):
            try:
                account.apply(json.loads(line) if isinstance(line, bytes) else line)
            except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
                account.violate(f"line {number} is no ledger line: {error!r:.200}")
    return len(whole) < len(content)


def _parsed(lines: list[bytes]) -> list[Any]:
    """What they say, parsed in one go, which takes a fifth of the time; the lines as they are if one makes no sense."""
    try:
        values: list[Any] = json.loads(b"[" + b",".join(lines) + b"]")
    except (ValueError, RecursionError):
        return lines
    return values if len(values) == len(lines) else lines


def _encoded(line: Mapping[str, Any]) -> bytes:
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"
