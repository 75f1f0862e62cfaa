from .chapters import batch_size, claims, depth, findings, learning_rate, loss, method, width
from .common import glue
from .devices import again
from .images import best_model, overlap, pixels, split, twins
from .machine import gains, gpu, speed
from .tables import (
    beside_report,
    bracketing,
    classes,
    fixed,
    machines,
    near_twins,
    parameters,
    precision,
    tuning,
    validation_counts,
)

__all__ = [
    "again",
    "batch_size",
    "beside_report",
    "best_model",
    "bracketing",
    "claims",
    "classes",
    "depth",
    "findings",
    "fixed",
    "gains",
    "glue",
    "gpu",
    "learning_rate",
    "loss",
    "machines",
    "method",
    "near_twins",
    "overlap",
    "parameters",
    "pixels",
    "precision",
    "speed",
    "split",
    "tuning",
    "twins",
    "validation_counts",
    "width",
]
