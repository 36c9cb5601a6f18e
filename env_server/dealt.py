"""What becomes of a round's steps: told by the roster, put into the round's figures by the recorder."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Dealt:
    """What became of one round's agent-steps when they were dealt out to the learners.

    Those of frozen robots are neither `sent` nor `withheld`: nobody was to learn from them. `online` counts robots.
    """

    sent: int
    withheld: int
    online: int
