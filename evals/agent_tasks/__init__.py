"""Five debugging tasks on a generated fleet with known answers: how many calls, how many tokens."""
