from .curves import (
    after_best,
    curves,
    loss_and_accuracy,
    near_lowest,
    step_losses,
    train_and_validation,
)
from .images import class_means, contradicted, look_alikes, samples
from .method import differences, epochs_trained, luck, parts_of_luck, rule, scatters, spread
from .mistakes import answers, by_class, matrix, reliability, surely_wrong
from .settings import along, at_own_rates, beside_printed, dots, rates, reported, roughness
from .speed import speed
from .style import label, panels
from .trials import budgets
from .verdicts import Ledger, Log, Wall, specifications, two_looks

__all__ = [
    "Ledger",
    "Log",
    "Wall",
    "after_best",
    "along",
    "answers",
    "at_own_rates",
    "beside_printed",
    "budgets",
    "by_class",
    "class_means",
    "contradicted",
    "curves",
    "differences",
    "dots",
    "epochs_trained",
    "label",
    "look_alikes",
    "loss_and_accuracy",
    "luck",
    "matrix",
    "near_lowest",
    "panels",
    "parts_of_luck",
    "rates",
    "reliability",
    "reported",
    "roughness",
    "rule",
    "samples",
    "scatters",
    "specifications",
    "speed",
    "spread",
    "step_losses",
    "surely_wrong",
    "train_and_validation",
    "two_looks",
]
