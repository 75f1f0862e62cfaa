from .chapters import batch_size, depth, findings, learning_rate, loss, method
from .common import of_runs, teller
from .equivalences import again, in_points, precision
from .explorer import all_settings
from .images import best_model, classes, overlap, pixels, split, twins
from .later import gains, techniques
from .luck import parts_of_luck, streams
from .tables import (
    bracketing,
    fixed,
    machines,
    other_images,
    parameters,
    reached,
    replayed,
    summary,
    tuning,
    undecided,
)

__all__ = [
    "again",
    "all_settings",
    "batch_size",
    "best_model",
    "bracketing",
    "classes",
    "depth",
    "findings",
    "fixed",
    "gains",
    "in_points",
    "learning_rate",
    "loss",
    "machines",
    "method",
    "of_runs",
    "other_images",
    "overlap",
    "parameters",
    "parts_of_luck",
    "pixels",
    "precision",
    "reached",
    "replayed",
    "split",
    "streams",
    "summary",
    "techniques",
    "teller",
    "tuning",
    "twins",
    "undecided",
]
