"""How long hypothesis looks: the same examples every time and few of them, or as many as FLEET_FUZZ says."""

import os

from hypothesis import HealthCheck, settings

quick = settings(
    max_examples=int(os.environ.get("FLEET_FUZZ", "150")),
    derandomize="FLEET_FUZZ" not in os.environ,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
