"""How a classifier errs, and how far its confidence can be trusted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd


def confusion(
    labels: npt.ArrayLike, predictions: npt.ArrayLike, classes: int = 10
) -> npt.NDArray[np.int64]:
    """Count predictions by true class: (classes, classes), rows true, columns predicted.

    labels, predictions: (n,) whole numbers from 0 to classes - 1. Raises ValueError otherwise.
    """
    truth, guess = np.asarray(labels), np.asarray(predictions)
    if truth.shape != guess.shape or truth.ndim != 1:
        raise ValueError(f"labels {truth.shape} and predictions {guess.shape} must both be (n,)")
    for name, values in (("labels", truth), ("predictions", guess)):
        if values.size and not (
            np.issubdtype(values.dtype, np.integer) and 0 <= values.min() <= values.max() < classes
        ):
            raise ValueError(f"{name} must be whole numbers from 0 to {classes - 1}")
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (truth.astype(np.int64), guess.astype(np.int64)), 1)
    return counts


def precision_recall(counts: npt.ArrayLike) -> pd.DataFrame:
    """Return precision, recall (fractions) and support (images) of each class.

    counts: a (classes, classes) confusion matrix. Precision of a class never predicted and recall
    of a class without images are 0 / 0, given as 0.
    """
    matrix = np.asarray(counts)
    hits, predicted, support = np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    return pd.DataFrame(
        {
            "precision": hits / np.maximum(predicted, 1),
            "recall": hits / np.maximum(support, 1),
            "support": support,
        }
    )


def reliability(confidence: npt.ArrayLike, correct: npt.ArrayLike, bins: int = 15) -> pd.DataFrame:
    """Compare mean confidence with accuracy in equal bins of confidence.

    confidence: (n,) probabilities of the predicted class, in [0, 1]; correct: (n,) booleans.
    Returns a row for each bin that holds an image: low, high (the bin is (low, high], the first
    includes 0), confidence, accuracy (both means, fractions) and count. Source: Guo et al. 2017.
    Raises ValueError for other shapes or confidences.
    """
    sure, right = np.asarray(confidence, float), np.asarray(correct, float)
    if sure.shape != right.shape or sure.ndim != 1:
        raise ValueError(f"confidence {sure.shape} and correct {right.shape} must both be (n,)")
    if not bins >= 1:
        raise ValueError(f"bins={bins!r} must be at least 1")
    if not np.all((sure >= 0) & (sure <= 1)):  # also catches NaN
        raise ValueError("confidence must lie in [0, 1]: give probabilities, not logits")
    edges = np.linspace(0, 1, bins + 1)
    place = np.searchsorted(edges[1:-1], sure, side="left")  # (n,) bin of each image
    count = np.bincount(place, minlength=bins)
    table = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "count": count})
    for name, values in (("confidence", sure), ("accuracy", right)):
        table[name] = np.bincount(place, values, minlength=bins) / np.maximum(count, 1)
    filled = table[table["count"] > 0].reset_index(drop=True)
    return filled[["low", "high", "confidence", "accuracy", "count"]]


def expected_calibration_error(
    confidence: npt.ArrayLike, correct: npt.ArrayLike, bins: int = 15
) -> float:
    """Return the mean gap between confidence and accuracy over bins, weighted by their images.

    A fraction in [0, 1]; 15 bins as in Guo et al. 2017, equation 3. Raises ValueError as
    `reliability`, and for no images.
    """
    table = reliability(confidence, correct, bins)
    if table.empty:
        raise ValueError("confidence holds no images; give the predictions of one or more")
    gap = (table["accuracy"] - table["confidence"]).abs()
    return float(np.average(gap, weights=table["count"]))
