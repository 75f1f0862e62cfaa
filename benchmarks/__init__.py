"""How fast the trainer is, compared with what you might write or install: `python -m benchmarks`.

Each trainer runs in its own process and does the same work; they take turns, exactly one at a
time. Not part of the installed package.
"""
