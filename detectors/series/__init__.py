"""Latency regressions and error spikes of one series, judged minute by minute."""
