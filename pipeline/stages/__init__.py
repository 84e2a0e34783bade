"""Stages of the stream on Faust: planned ones (offsets, plans, repair) and keyed ones (states by key)."""
