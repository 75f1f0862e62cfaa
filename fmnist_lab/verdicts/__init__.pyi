from .claims import box, boxes, judge
from .conclusions import CLAIMS
from .figures import judge_figures
from .rules import decide, seeds_needed
from .statistics import (
    equivalence,
    expected_maximum,
    mean_interval,
    paired_difference,
    prediction_interval,
)

__all__ = [
    "CLAIMS",
    "box",
    "boxes",
    "decide",
    "equivalence",
    "expected_maximum",
    "judge",
    "judge_figures",
    "mean_interval",
    "paired_difference",
    "prediction_interval",
    "seeds_needed",
]
