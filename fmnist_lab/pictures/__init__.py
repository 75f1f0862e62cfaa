"""What runs and verdicts look like: every function draws on one Axes and returns it."""

from .calibration import precision_recall
from .closeups import after_best, fit, near_lowest, reached, roughness, step_losses
from .galleries import class_means, contradicted, samples, surely_wrong, twins
from .images import (
    beside_printed,
    by_class,
    class_counts,
    gallery,
    grey_levels,
    matrix,
    reliability,
)
from .learning_rates import beside_reported, jumps, log_epochs
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
    "beside_reported",
    "by_class",
    "class_counts",
    "class_means",
    "contradicted",
    "counts",
    "curves",
    "dots",
    "epochs_trained",
    "fit",
    "gallery",
    "grey_levels",
    "jumps",
    "label",
    "log_epochs",
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
    "samples",
    "spread",
    "step_losses",
    "steps_an_epoch",
    "summary",
    "surely_wrong",
    "train_and_validation",
    "twins",
    "undecided",
]
