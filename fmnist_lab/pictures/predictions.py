"""What runs of one setting predicted for the test images, taken together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from fmnist_lab.runs.run import Run

from .calibration import confusion, expected_calibration_error, precision_recall, reliability

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

    def confusion(self) -> npt.NDArray[np.float64]:
        """Return the confusion matrix, the mean over runs: rows true, columns predicted."""
        total = np.zeros((10, 10))
        for classes in self.classes:
            total += confusion(self.labels, classes)
        return total / max(1, len(self.classes))

    def by_class(self) -> list[pd.DataFrame]:
        """Return each run's precision, recall and support by class."""
        return [precision_recall(confusion(self.labels, classes)) for classes in self.classes]

    def reliability(self) -> list[pd.DataFrame]:
        """Return each run's accuracy by bins of confidence."""
        return [reliability(*pair) for pair in zip(self.confidence, self.correct, strict=True)]

    def calibration_errors(self) -> list[float]:
        """Return each run's expected calibration error, a fraction."""
        pairs = zip(self.confidence, self.correct, strict=True)
        return [expected_calibration_error(*pair) for pair in pairs]

    def calibration_floor(self) -> list[float]:
        """Return the error that each run would show if its confidence were exactly right.

        Even then a bin's accuracy is off by the luck of its images. The mean over `DRAWS`
        simulations in which an image is correct with the probability that the run gives it.
        """
        generator = np.random.default_rng(0)
        floors = []
        for sure in self.confidence:
            draws = generator.random((DRAWS, sure.size)) < sure
            floors.append(np.mean([expected_calibration_error(sure, draw) for draw in draws]))
        return [float(floor) for floor in floors]

    def always_wrong(self) -> npt.NDArray[np.int64]:
        """Return the images that every run got wrong, those with the surest runs first.

        Ordered by the mean confidence of the runs in their wrong answers, then by index.
        """
        if not len(self.classes):
            return np.zeros(0, np.int64)
        wrong = np.flatnonzero(~self.correct.any(axis=0))
        return wrong[np.argsort(-self.confidence[:, wrong].mean(axis=0), kind="stable")]
