"""What several runs predicted for the test images, and how far to trust them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from .run import Run

BINS = 15  # of confidence, as in Guo et al. 2017
DRAWS = 20  # of correct answers by chance: enough for the mean's first two digits


@dataclass(frozen=True)
class Predictions:
    """Hold the predictions of S runs for n images; S may be 0."""

    labels: npt.NDArray[np.int64]  # (n,)
    classes: npt.NDArray[np.int64]  # (S, n) predicted
    confidence: npt.NDArray[np.float64]  # (S, n) probability of the predicted class, to 1/255

    @classmethod
    def of(cls, runs: Iterable[Run], labels: npt.ArrayLike) -> Predictions:
        """Collect the test predictions of those runs that kept any; `labels` are the true ones.

        Raises ValueError if there are more or fewer labels than predictions.
        """
        truth = np.asarray(labels, np.int64)
        kept = [run.test_predictions() for run in runs if run.predictions is not None]
        if wrong := {len(classes) for classes, _ in kept} - {len(truth)}:
            raise ValueError(
                f"{len(truth)} labels for {wrong.pop()} predictions; give one for each"
            )
        classes = np.array([classes for classes, _ in kept], np.int64)
        confidence = np.array([confidence for _, confidence in kept], float)
        shape = (len(kept), len(truth))  # an empty list has another
        return cls(truth, classes.reshape(shape), confidence.reshape(shape))

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """Whether each run was right about each image: (S, n)."""
        return self.classes == self.labels

    def confusions(self) -> npt.NDArray[np.int64]:
        """Count each run's predictions by true class: (S, 10, 10), rows true, columns predicted."""
        runs = len(self.classes)
        places = 100 * np.arange(runs)[:, None] + 10 * self.labels + self.classes  # (S, n)
        return np.bincount(places.ravel(), minlength=100 * runs).reshape(runs, 10, 10)

    def confusion(self) -> npt.NDArray[np.float64]:
        """Return the mean of `confusions` over runs: (10, 10)."""
        return self.confusions().sum(axis=0) / max(1, len(self.classes))

    def reliability(self) -> list[pd.DataFrame]:
        """Return each run's accuracy by `confidence_bins`."""
        return [confidence_bins(*pair) for pair in zip(self.confidence, self.correct, strict=True)]

    def calibration_errors(self) -> list[float]:
        """Return each run's `calibration_error`."""
        return [calibration_error(table) for table in self.reliability()]

    def calibration_floor(self) -> list[float]:
        """Return the error that each run would show if its confidence were exactly right.

        Even then a bin's accuracy is off by the luck of its images. The mean over `DRAWS`
        simulations in which an image is correct with the probability that the run gives it.
        """
        generator = np.random.default_rng(0)
        floors = []
        for sure in self.confidence:
            draws = generator.random((DRAWS, sure.size)) < sure
            floors.append(np.mean([calibration_error(confidence_bins(sure, d)) for d in draws]))
        return [float(floor) for floor in floors]

    def always_wrong(self) -> npt.NDArray[np.int64]:
        """Return the images that every run got wrong, those with the surest runs first.

        Ordered by the mean confidence of the runs in their wrong answers, then by index.
        """
        if not len(self.classes):
            return np.zeros(0, np.int64)
        wrong = np.flatnonzero(~self.correct.any(axis=0))
        return wrong[np.argsort(-self.confidence[:, wrong].mean(axis=0), kind="stable")]


def confidence_bins(confidence: npt.ArrayLike, correct: npt.ArrayLike) -> pd.DataFrame:
    """Compare mean confidence with accuracy in `BINS` equal bins of confidence.

    confidence: (n,) probabilities of the predicted class; correct: (n,) booleans. Returns a row
    for each bin that holds an image: `confidence`, `accuracy` (both means, fractions) and `count`.
    A bin is (low, high], the first includes 0.
    """
    inner = np.linspace(0, 1, BINS + 1)[1:-1]
    images = pd.DataFrame({"confidence": confidence, "accuracy": np.asarray(correct, float)})
    bins = images.groupby(np.searchsorted(inner, images["confidence"], side="left"))
    return bins.mean().assign(count=bins.size())


def calibration_error(bins: pd.DataFrame) -> float:
    """Return the mean gap between confidence and accuracy over bins, weighted by their images.

    The expected calibration error, a fraction: Guo et al. 2017, equation 3.
    """
    return float(np.average((bins["accuracy"] - bins["confidence"]).abs(), weights=bins["count"]))
