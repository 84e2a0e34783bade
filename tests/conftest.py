"""What holds for all tests."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

# What takes long is for benchmarks to say: a test does not fail because the machine was busy.
settings.register_profile("telltale", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("telltale")

# A shell starts what it puts into the background with SIGINT ignored, and so would be all that the tests start and
# then interrupt, as a user's Ctrl-C does.
signal.signal(signal.SIGINT, signal.default_int_handler)
