"""How fast the trainer is beside what one would otherwise write or install: `python -m benchmarks`.

Each trainer runs in a process of its own and trains the same work; exactly one works at a time,
in turns. Not part of the installed package.
"""
