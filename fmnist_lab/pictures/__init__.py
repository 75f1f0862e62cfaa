"""What runs and verdicts look like: every function draws on one Axes and returns it."""
