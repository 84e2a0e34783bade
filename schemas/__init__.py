"""The words: facts, columns, tables, topics, metrics, dialects, findings and errors, each declared once.

Nothing here does I/O, reads a clock or draws a random number.
"""
