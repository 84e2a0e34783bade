"""What holds for all tests."""

from __future__ import annotations

import signal

# A shell starts what it puts into the background with SIGINT ignored, and so would be all that the tests start and
# then interrupt, as a user's Ctrl-C does.
signal.signal(signal.SIGINT, signal.default_int_handler)
