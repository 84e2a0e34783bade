"""Pure decisions: facts in, findings out. No I/O, no clock, no randomness."""
