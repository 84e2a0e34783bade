"""Jobs that are started anew and fail on the same item, and their look-alikes: `retried_failure` on the scoreboard."""
