"""Tool-call loops: the same calls, with the same results, again and again in one session."""
