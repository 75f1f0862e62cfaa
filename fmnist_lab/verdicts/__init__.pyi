from .claims import box, boxes, judge, table
from .conclusions import CLAIMS
from .statistics import equivalence, expected_maximum, mean_interval, paired_difference
from .verdict import reproduced, seeds_needed, verdict

__all__ = [
    "CLAIMS",
    "box",
    "boxes",
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
