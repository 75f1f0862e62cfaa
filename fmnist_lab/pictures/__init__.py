"""What runs and verdicts look like: every function draws on one Axes and returns it."""

from .calibration import precision_recall
from .closeups import after_best, fit, near_lowest, reached, roughness, step_losses
from .images import (
    beside_printed,
    by_class,
    class_counts,
    gallery,
    grey_levels,
    matrix,
    reliability,
)
from .method import epochs_trained, luck, luckiest, pairs, rule, spread
from .predictions import Predictions
from .scales import along, train_and_validation
from .style import curves, dots, label, panels, rates, steps_an_epoch, summary
from .verdicts import Ledger, counts, overview, undecided

__all__ = [
    "Ledger",
    "Predictions",
    "after_best",
    "along",
    "beside_printed",
    "by_class",
    "class_counts",
    "counts",
    "curves",
    "dots",
    "epochs_trained",
    "fit",
    "gallery",
    "grey_levels",
    "label",
    "luck",
    "luckiest",
    "matrix",
    "near_lowest",
    "overview",
    "pairs",
    "panels",
    "precision_recall",
    "rates",
    "reached",
    "reliability",
    "roughness",
    "rule",
    "spread",
    "step_losses",
    "steps_an_epoch",
    "summary",
    "train_and_validation",
    "undecided",
]
