"""How runs become verdicts on the report's conclusions."""

from .claims import CLAIMS, box, judge, table
from .statistics import equivalence, expected_maximum, mean_interval, paired_difference
from .verdict import reproduced, seeds_needed, verdict

__all__ = [
    "CLAIMS",
    "box",
    "equivalence",
    "expected_maximum",
    "judge",
    "mean_interval",
    "paired_difference",
    "reproduced",
    "seeds_needed",
    "table",
    "verdict",
]
