from .claims import box, boxes, judge
from .conclusions import CLAIMS
from .rules import decide, reproduced, seeds_needed
from .statistics import equivalence, expected_maximum, mean_interval, paired_difference

__all__ = [
    "CLAIMS",
    "box",
    "boxes",
    "decide",
    "equivalence",
    "expected_maximum",
    "judge",
    "mean_interval",
    "paired_difference",
    "reproduced",
    "seeds_needed",
]
