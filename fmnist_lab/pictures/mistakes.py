"""Mistakes: what runs of one setting predicted for the test images, and how far to trust them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from torch import Tensor

from fmnist_lab.data import CLASSES, Data
from fmnist_lab.runs.run import Run

from .images import SHOWN, gallery
from .style import COLORS, INK, axes, percent

DARK = 0.515  # share above which numbers are white: there black and white both have 4.5 : 1
DRAWS = 20  # of correct answers by chance: enough for the mean's first two digits


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


def confidence_bins(
    confidence: npt.ArrayLike, correct: npt.ArrayLike, bins: int = 15
) -> pd.DataFrame:
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
    `confidence_bins`, and for no images.
    """
    table = confidence_bins(confidence, correct, bins)
    if table.empty:
        raise ValueError("confidence holds no images; give the predictions of one or more")
    gap = (table["accuracy"] - table["confidence"]).abs()
    return float(np.average(gap, weights=table["count"]))


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
        return [confidence_bins(*pair) for pair in zip(self.confidence, self.correct, strict=True)]

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


def matrix(
    counts: npt.ArrayLike,
    *,
    across: str = "predicted class",
    down: str = "true class",
    names: Sequence[str] = CLASSES,
    ax: Axes | None = None,
) -> Axes:
    """Draw a (k, k) matrix of counts: numbers are counts, shades the share of a row's sum.

    The shade grows with the root of the share, or nothing would be seen beside the diagonal.
    """
    table = np.asarray(counts, float)
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    ax = axes(ax, height=6.2)
    ax.imshow(np.sqrt(share), cmap="Blues", vmin=0, vmax=1)
    for row, column in zip(*np.nonzero(np.round(table)), strict=True):
        ink = INK["light" if share[row, column] > DARK else "dark"]
        text = f"{table[row, column]:.0f}"
        ax.text(column, row, text, ha="center", va="center", color=ink, fontsize=9)
    ax.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel=across, ylabel=down)
    ax.grid(False)
    return ax


def reliability(tables: Sequence[pd.DataFrame], ax: Axes | None = None) -> Axes:
    """Draw accuracy against confidence, a line a run; `tables` from `Predictions.reliability`.

    A marker's area is the bin's share of the images. Below the diagonal a run is surer than it
    is right.
    """
    ax = axes(ax, height=5.0)
    ax.plot([0, 1], [0, 1], color="#767676", ls="--", lw=1.2, label="confidence = accuracy")
    for n, table in enumerate(tables):
        x, y = table["confidence"], table["accuracy"]
        area = 1500 * table["count"] / max(1, table["count"].sum())
        name = f"{len(tables)} run{'s' * (len(tables) > 1)}" if n == 0 else None
        ax.plot(x, y, color=COLORS[0], lw=1.2, alpha=0.8, label=name)
        ax.scatter(x, y, s=np.maximum(area, 8), color=COLORS[0], alpha=0.3, lw=0, zorder=3)
    ax.set(xlabel="confidence: probability of the predicted class", ylabel="accuracy")
    ax.set(xlim=(0, 1.04), ylim=(0, 1.04))
    for axis in (ax.xaxis, ax.yaxis):
        percent(axis)
    ax.legend(fontsize=9, frameon=False, loc="upper left")
    return ax


def by_class(
    tables: Sequence[pd.DataFrame], names: Sequence[str] = CLASSES, ax: Axes | None = None
) -> Axes:
    """Draw precision and recall of each class; `tables` from `Predictions.by_class`.

    A marker is the mean over runs, its bar reaches from the lowest run to the highest.
    """
    ax = axes(ax, height=4.8)
    place = np.arange(len(names))
    looks = (("precision", "o", COLORS[0], -0.12), ("recall", "s", COLORS[1], 0.12))
    for metric, marker, color, shift in looks:
        if not tables:
            continue
        values = np.array([table[metric] for table in tables])  # (runs, classes)
        mean = values.mean(axis=0)
        bars = [mean - values.min(axis=0), values.max(axis=0) - mean]
        style = {"fmt": marker, "color": color, "ms": 6, "capsize": 3, "label": metric}
        ax.errorbar(mean, place + shift, xerr=bars, **style)
    if tables:
        ax.legend(fontsize=9, frameon=False, loc="lower left")
    ax.set_yticks(place, names)
    ax.set(xlabel="share of images", ylim=(len(names) - 0.5, -0.5))
    percent(ax.xaxis)
    return ax


def answers(
    images: Tensor, found: Predictions, chosen: npt.ArrayLike, ax: Axes | None = None
) -> Axes:
    """Show the images (n, 784) at `chosen`: true class, below it the first run's answer.

    Beside the answer stands the runs' mean confidence in theirs; a cross marks a wrong answer
    among right ones.
    """
    shown = np.asarray(chosen, np.int64)
    right = found.classes[0, shown] == found.labels[shown] if shown.size else np.ones(0, bool)
    words = []
    for n, correct in zip(shown, right, strict=True):
        answer, sure = CLASSES[found.classes[0, n]], 100 * found.confidence[:, n].mean()
        cross = "✗ " if right.any() and not correct else ""
        words.append(f"{CLASSES[found.labels[n]]}\n{cross}{answer}, {sure:.0f} %")
    return gallery(images[shown], columns=5, captions=words, ax=ax)


def surely_wrong(fashion: Data, found: Predictions) -> Axes:
    """Show the test images that every run got wrong, with the first run's answer, surest first."""
    return answers(fashion.test_images, found, found.always_wrong()[:SHOWN])
