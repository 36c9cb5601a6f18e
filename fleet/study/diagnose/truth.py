"""What counts as true of a task: the rule by which full trainings label it. Written before any threshold was set.

The evidence it is given is of full trainings, five seeds of each scheme (three where one takes minutes). Its two
numbers are not calibrated: they say what is meant by the words.
"""

from typing import Literal

from fleet.study.diagnose.evidence import Evidence

Verdict = Literal["independent suffices", "centralize", "adversarial"]
DECISIVE = 0.1
"""Shares of what learning brings below this aren't worth a centralized training."""
SURE = 0.9
"""Confidence of the gain's interval: one chance in twenty either side."""
OPPOSED = -0.5
"""Two robots whose rewards surely correlate below this are opponents: mostly, one wins what the other loses."""


def label(full: Evidence) -> Verdict | None:
    """What full trainings show; None where they leave it open.

    * Joint control is *ahead* if the interval of its gain is above zero, and the gain is at least DECISIVE.
    * Robots are *opposed* if `conflict` is at most OPPOSED. What one policy for all does to opponents is only worth
      having if it serves everyone: so it is "centralize" if joint control is ahead and no robot is worse off by
      DECISIVE or more, and "adversarial" otherwise.
    * Of robots who aren't: "centralize" if joint control is ahead; "independent suffices" if the interval of its gain
      ends below DECISIVE; open if neither.
    """
    low, high = full.interval(SURE)
    ahead = low > 0 and full.gain >= DECISIVE
    if full.conflict <= OPPOSED:
        return "centralize" if ahead and full.worst > -DECISIVE else "adversarial"
    if ahead:
        return "centralize"
    return "independent suffices" if high < DECISIVE else None
