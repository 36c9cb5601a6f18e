"""Our part of `fleet bench peers`: a real supervised run, in a process of its own as every peer is.

`python -P -m fleet.study.bench.peer_ours JSON` gets the order that peers get and prints figures as they do.
"""

import json
import sys
import time
from importlib import metadata
from typing import Any

from fleet.control.status import Status
from fleet.core.orphan import die_with_parent
from fleet.study.bench.trained import train


def measure(order: dict[str, Any]) -> dict[str, Any]:
    """Rates of the measured rounds, and the seconds until the first update was back."""
    first: list[float] = []

    def look(status: Status) -> None:
        if not first and float(status.figures.get("trained_per_s", 0.0)) > 0:
            first.append(time.monotonic() - order["began"])

    trained = train(order["config"], order["overrides"], rounds=order["rounds"], dropped=order["warm"], on_status=look)
    return {
        "rates": [line["trained_per_s"] for line in trained.lines],
        "first_update_s": first[0],
        "checked": f"{trained.mean('withheld'):,.0f} agent-steps withheld per round",
        "versions": {name: metadata.version(name) for name in ("torch", "numpy")},
    }


if __name__ == "__main__":
    die_with_parent()
    print(json.dumps(measure(json.loads(sys.argv[1]))), flush=True)
