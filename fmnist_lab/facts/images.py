"""The facts of the chapters on the data and on what the best model predicts."""

from __future__ import annotations

from collections.abc import Sequence
from math import log, sqrt

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fmnist_lab import data
from fmnist_lab.config import BOUNDS, VALIDATION_SIZE
from fmnist_lab.runs.predictions import Predictions
from fmnist_lab.runs.runs import Runs
from fmnist_lab.verdicts.measures import loss_rise

from .common import Facts, mean, of_runs

MANY = ("T-shirt/top", "Pullover", "Coat", "Shirt")  # the tops, which are mixed up most
SURE = 0.99  # confidence of an answer
IMAGES = 60_000  # that a network may be built with


def pixels(fashion: data.Data) -> Facts:
    """Return means of the pixels, and the darkest and the brightest class."""
    value = classes(fashion)["mean value"]
    return {
        "darkest": value.idxmin(),
        "brightest": value.idxmax(),
        "mean": float(fashion.images.mean()),
        "sd": float(fashion.images.std()),
        "background": float(100 * (fashion.images == 0).float().mean()),
        "test_mean": float(fashion.test_images.mean()),
    }


def split(seed: int, counts: pd.DataFrame) -> Facts:
    """Return what chance does to a split; `counts`: validation images, a row per seed."""
    held, every, share = VALIDATION_SIZE, IMAGES, 0.1
    left = (every - held) / (every - 1)  # drawn without replacement: the hypergeometric variance
    expected, sd = held * share, sqrt(held * share * (1 - share) * left)
    other = data.split((seed + 1) % int(BOUNDS["seed"].high + 1))[1]
    return {
        "expected": expected,
        "split_sd": sd,
        "inside": float(100 * ((counts - expected).abs() <= 2 * sd).to_numpy().mean()),
        "shared": int(torch.isin(data.split(seed)[1], other).sum()),
        "accuracy_error": 100 * sqrt(0.89 * 0.11 / held * left),
    }


def twins(
    copies: Sequence[object], pairs: pd.DataFrame, in_validation: pd.DataFrame, threshold: float
) -> Facts:
    """Return the facts on near-twins.

    `copies`: groups of identical images; `pairs`: close pairs of a test and a training image, with
    their labels; `in_validation`: close pairs of a validation and a training image.
    """
    affected = pairs["first"].nunique()
    trousers = (pairs["test label"] == data.CLASSES.index("Trouser")).sum()
    return {
        "copies": len(copies) or "none",
        "pairs": len(pairs),
        "test_twins": affected,
        "affected": 100 * affected / 10_000,
        "affected_validation": 100 * in_validation["first"].nunique() / VALIDATION_SIZE,
        "threshold": threshold,
        "grey_steps": 255 * threshold,
        "differ": int((pairs["test label"] != pairs["training label"]).sum()) or "none",
        "trousers": float(100 * trousers / max(1, len(pairs))),
    }


def overlap(fashion: data.Data, seed: int, votes: Tensor) -> Facts:
    """Return how the classes overlap; `votes`: labels of validation images' neighbours, (n, k)."""
    validation = data.split(seed)[1]
    truth, answer = fashion.labels[validation], votes[:, 0]
    kinds = [fashion.images[fashion.labels == kind].mean(0) for kind in range(10)]
    to_mean = torch.cdist(fashion.images[validation], torch.stack(kinds)).argmin(1)
    counts = torch.bincount(10 * truth + answer, minlength=100).view(10, 10).numpy()
    agree = (votes == votes[:, :1]).all(1)
    odd, unanimous = int((agree & (answer != truth)).sum()), int(agree.sum())
    return mixed_up(counts, MANY[1:]) | {
        "mean_rule": float(100 * (to_mean == truth).float().mean()),
        "nearest_rule": float(100 * (answer == truth).float().mean()),
        "easiest": data.CLASSES[int((counts.diagonal() / counts.sum(1)).argmax())],
        "neighbours": votes.shape[1],
        "unanimous": 100 * unanimous / len(truth),
        "odd": odd,
        "odd_share": 100 * odd / max(1, unanimous),
    }


def mixed_up(counts: np.ndarray, upper: Sequence[str]) -> Facts:
    """Return which two classes a confusion matrix (10, 10) mixes up most.

    `pair_share` is their share of all mistakes, in per cent, and `upper` the share of mistakes
    among the classes `upper`.
    """
    mistakes = counts - np.diag(counts.diagonal())
    both = np.triu(mistakes + mistakes.T)
    total = max(float(mistakes.sum()), 1.0)
    chosen = [data.CLASSES.index(name) for name in upper]
    return {
        "mistakes": float(mistakes.sum()),
        "pair": " and ".join(data.CLASSES[n] for n in divmod(int(both.argmax()), 10)),
        "pair_share": float(100 * both.max() / total),
        "upper": float(100 * mistakes[np.ix_(chosen, chosen)].sum() / total),
    }


def best_model(runs: Runs, found: Predictions) -> Facts:
    """Return the facts of the chapter on the best model: shares in per cent, gaps in points.

    `runs` differ only in their seed; `found` are their predictions for the test images.
    """
    frame, counts = runs.table(), found.confusion()
    recall = counts.diagonal() / np.maximum(counts.sum(1), 1)
    test, size = mean(frame["test_accuracy"]), len(found.labels)
    error = 100 * sqrt(test * (1 - test))
    drop = 100 * (frame["validation_accuracy"] - frame["test_accuracy"])
    last_gap = frame["last_train_accuracy"] - frame["last_validation_accuracy"]
    confidence, accuracy = 100 * mean(found.confidence), 100 * mean(found.correct)
    sure = found.confidence >= SURE
    wrong, confused = found.always_wrong(), mixed_up(counts, MANY)
    none = (
        "No run of this configuration is published yet: pictures are empty, numbers mean nothing."
    )
    single = "One run has no spread, so this page gives no interval yet."
    several = "Each run has its own seed."
    return of_runs(frame) | confused | {
        "several": [none, single, several][min(len(frame), 2)],
        "drop": mean(drop),
        "drop_low": float(drop.min()),
        "drop_high": float(drop.max()),
        "test_error": error / sqrt(size),
        "drop_error": error * sqrt(1 / size + 1 / VALIDATION_SIZE),
        "upper_share": confused["upper"],
        "worst": data.CLASSES[int(recall.argmin())],
        "worst_recall": float(100 * recall.min()),
        "best": data.CLASSES[int(recall.argmax())],
        "best_recall": float(100 * recall.max()),
        "always_wrong": len(wrong),
        "always_share": 100 * len(wrong) / max(1.0, confused["mistakes"]),
        "sure": 100 * mean(sure),
        "sure_wrong": float(100 * (sure & ~found.correct).sum() / max(1, sure.sum())),
        "ece": 100 * mean(found.calibration_errors()),
        "floor": 100 * mean(found.calibration_floor()),
        "confidence": confidence,
        "accuracy": accuracy,
        "over": abs(confidence - accuracy),
        "tendency": "too sure" if confidence > accuracy else "not sure enough",
        "gap": mean(100 * frame["gap"]),
        "train": 100 * mean(frame["train_accuracy"]),
        "validation": 100 * mean(frame["validation_accuracy"]),
        "last_gap": 100 * mean(last_gap),
        "turned": sum((loss_rise(run) or 0) > log(1.01) for run in runs),
    }  # fmt: skip


def classes(fashion: data.Data) -> pd.DataFrame:
    """Return a row per class: its images, and mean, spread and background of their pixels."""
    kinds = [fashion.images[fashion.labels == kind] for kind in range(10)]
    columns = {
        "training images": torch.bincount(fashion.labels).numpy(),
        "test images": torch.bincount(fashion.test_labels).numpy(),
        "mean value": [round(images.mean().item(), 3) for images in kinds],
        "standard deviation": [round(images.std().item(), 3) for images in kinds],
        "background (%)": [round(100 * (images == 0).float().mean().item(), 1) for images in kinds],
    }
    return pd.DataFrame(columns, index=data.CLASSES).rename_axis(columns="class")
