"""What all tests share: how Hypothesis looks for counter-examples, and servers, which start when one is asked for."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

from tests.servers.fixtures import _buckets, azure, gcs, redis, s3, s3_faults  # noqa: F401

# No deadlines: a busy machine is no bug. In CI the same examples every time, at home new ones with each run.
settings.register_profile("home", deadline=None)
settings.register_profile(
    "ci", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if os.environ.get("CI") else "home")
