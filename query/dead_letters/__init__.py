"""Dead letters: what they are, and putting them back into the log."""
