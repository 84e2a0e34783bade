"""Servers that tests and benchmarks run against; a part of the checkout, never of what is installed."""
