"""`telltale guard` as agents run it: around every tool call, so nothing here imports more than it needs."""
