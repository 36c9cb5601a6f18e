"""What the environment server says of single learners, by events, handed on to who cares for them."""

from typing import Any

from fleet.control.care.learners import Care
from fleet.core.messages import Event

ONLINE = "online"
"""That incarnation's first policy is in use; `version` is that policy's."""

FENCED = "fenced"
"""Nothing more is taken from that incarnation; `accepted` is the last version that was."""

UNANSWERED = "unanswered"
"""It has been asked again and again, and answers nothing.

It is asked once more as this is said; `wait` stays the same from one to the next only if that too was in vain.
"""

REFUSED = "refused"
"""Nothing that it sends can be used; it has been fenced."""


def hand_on(event: Event, care: Care, now: float) -> None:
    """Tell `care`, if that is what this event is about. `now` is monotonic seconds."""
    learner, incarnation = _whole(event.details.get("learner")), _whole(event.details.get("incarnation"))
    if learner is None or incarnation is None:
        return
    if event.name == ONLINE:
        care.online(learner, incarnation, _whole(event.details.get("version"), -1), now)
    elif event.name == FENCED:
        care.fenced(learner, incarnation, _whole(event.details.get("accepted"), -1))
    elif event.name == UNANSWERED:
        care.unanswered(learner, incarnation, _whole(event.details.get("wait"), -1), now)
    elif event.name == REFUSED:
        care.refuse(learner, incarnation, now)


def _whole(value: Any, otherwise: Any = None) -> Any:
    return value if type(value) is int else otherwise
