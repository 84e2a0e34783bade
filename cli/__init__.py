"""The `telltale` command: one file a command; composes processes."""
