"""Computes what the boxes "Before you look" let a reader guess, and what was measured.

    python -m benchmarks.guesses

The box on the site and that in JupyterLab (`fmnist_lab.guesses`) read the table that it writes. Run
it again whenever published runs or verdicts change.

A question is a dict: `text`; `answer`, a number with its `unit` and `digits`, from `low` to `high`
(0 to 100 without them), or one of `options`; and, to draw a guess on the site, the name of a
`figure`. There a number is at the height `from` + `sign` times the guess, an option at its tick.
`claim` is the id of the verdict beside which the result is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import pandas as pd

from fmnist_lab import data as images
from fmnist_lab import facts, verdicts
from fmnist_lab.facts import benchmark, neighbors
from fmnist_lab.files import put
from fmnist_lab.guesses import TABLE, Question
from fmnist_lab.pictures import label
from fmnist_lab.runs.predictions import Predictions
from fmnist_lab.runs.recipes import trials
from fmnist_lab.sweeps.studies import study
from fmnist_lab.verdicts.measures import curve, epochs_to

from .work import as_json

ACCURACY = "validation_accuracy"


def number(text: str, answer: float, unit: str = "points", **more: Any) -> Question:
    """Return a question for a number, by default one in percentage points."""
    return {"text": text, "answer": float(answer), "unit": unit, "digits": 2} | more


def at(figure: str, start: float, sign: int = 1) -> dict[str, Any]:
    """Return where a number is drawn: that far above (or below) the height `start` in a figure."""
    return {"figure": figure, "from": float(start), "sign": sign}


def choice(text: str, answer: Any, options: Any, **more: Any) -> Question:
    """Return a question for one of several options, as the page writes them."""
    return {"text": text, "answer": label(answer), "options": [*map(label, options)]} | more


def means(name: str, metric: str = ACCURACY) -> pd.Series[float]:
    """Return the mean of a metric over each setting's published runs; accuracies in per cent."""
    frame = study(name).recorded().table()
    scale = 100 if metric == "gap" or metric.endswith("accuracy") else 1
    return scale * frame.groupby(study(name).swept, sort=False)[metric].mean()


def apart(values: pd.Series[float]) -> float:
    """Return how far apart two runs that differ only in their seed are on average, in points."""
    gaps = [abs(a - b) for a, b in combinations(100 * values, 2)]
    return sum(gaps) / len(gaps)


def data() -> list[Question]:
    """Return the questions of the page on the data; their answers are its facts by default."""
    fashion, (training, validation) = images.load(), images.split(0)
    small = neighbors.thumbnails(fashion.images)
    near = neighbors.nearest(small[validation], small[training], 10)
    known = facts.pixels(fashion) | facts.overlap(fashion, 0, fashion.labels[training][near])
    twins = neighbors.close_pairs(fashion.test_images, fashion.images, 0.05)["first"].nunique()
    pairs = [
        "T-shirt/top and Shirt", "Pullover and Coat", "Pullover and Shirt", "Coat and Shirt",
        "Sneaker and Ankle boot", "Sandal and Sneaker",
    ]  # fmt: skip
    share: Question = {"unit": "%", "digits": 0, "high": 100}
    count: Question = {"unit": "images", "digits": 0, "high": 10_000}
    return [
        number("Pixels that are exactly 0", known["background"], **share),
        choice("The two classes hardest to tell apart", known["pair"], pairs),
        number("Test images with a near-twin in training", twins, **count),
        number("Nearest neighbours with the same label", known["nearest_rule"], **share),
    ]


def method() -> list[Question]:
    """Return the questions of the page on method."""
    accuracy = 100 * study("loss").vary(loss="cross_entropy").recorded().table()[ACCURACY]
    gain = verdicts.expected_maximum(float(accuracy.std()), 6)
    return [
        number("From the worst run to the best", accuracy.max() - accuracy.min()),
        number("The best of six above the mean", gain, **at("fig-method-luck", 0)),
    ]


def loss() -> list[Question]:
    """Return the questions of the page on losses."""
    found = means("loss").sort_values(ascending=False)
    first, second, third = found
    order = {"figure": "fig-loss-accuracy", "claim": "L1"}
    below_first = at("fig-loss-accuracy", first, -1)
    below_second = at("fig-loss-accuracy", second, -1)
    return [
        choice("The loss that ends highest", found.index[0], sorted(found.index), **order),
        number("The first above the second", first - second, claim="L1", **below_first),
        number("The second above the third", second - third, claim="L1", **below_second),
    ]


def depth() -> list[Question]:
    """Return the questions of the page on depth."""
    found, best = means("depth"), means("depth", "best_epoch")
    first, near = at("fig-depth-accuracy-all", found[0]), "fig-depth-accuracy"
    second, fourth = at(near, found[1]), at(near, found[3])
    soon = {"figure": "fig-depth-best-epoch", "claim": "D3"}
    return [
        number("Added by the first hidden layer", found[1] - found[0], **first),
        number("Added by the second", found[2] - found[1], claim="D1", low=-10, **second),
        number("Added by the fourth", found[4] - found[3], claim="D1", low=-10, **fourth),
        choice("The depth first at its lowest loss", best.idxmin(), best.index, **soon),
    ]


def width() -> list[Question]:
    """Return the questions of the page on width."""
    found, gaps = means("width"), means("width", "gap")
    frame = study("width").recorded().table()
    luck = frame.groupby("width")[ACCURACY].apply(apart).mean()
    above, gap = at("fig-width-accuracy", found[128]), {"figure": "fig-width-gap", "claim": "W3"}
    return [
        number("4192 neurons above 128", found[4192] - found[128], claim="W1", **above),
        number("Distance between two runs of one width, on average", luck),
        choice("The width with the largest gap", gaps.idxmax(), gaps.index, **gap),
    ]


def batch_size() -> list[Question]:
    """Return the questions of the page on batch sizes, without seconds: machines differ."""
    found = means("batch_size")
    there = [r for r in study("batch_size").recorded() if max(curve(r, ACCURACY)) >= 0.85]
    table = pd.DataFrame({"size": [r.config.batch_size for r in there]})
    table["epochs"] = [epochs_to(run, 0.85) for run in there]
    table["steps"] = table["epochs"] * [run.config.steps_an_epoch for run in there]
    first = table.groupby("size").mean().idxmin()
    below, sizes = at("fig-batch-size-accuracy", found.max(), -1), found.index
    return [
        choice("85 % after the fewest epochs", first["epochs"], sizes, claim="B2"),
        choice("85 % after the fewest steps", first["steps"], sizes, claim="B5"),
        number("The best size above the worst", found.max() - found.min(), claim="B4", **below),
    ]


def learning_rate() -> list[Question]:
    """Return the questions of the page on learning rates."""
    found = means("learning_rate").sort_index()
    frame = study("learning_rate").recorded().table()
    capped = (frame["stopped_by"] == "epochs").groupby(frame["learning_rate"]).sum()
    there = {"figure": "fig-learning-rate-accuracy", "claim": "R3"}
    return [
        choice("The rate that ends highest", found.idxmax(), found.index, **there),
        choice("The rate not done after 100 epochs", capped.idxmax(), found.index, claim="R1"),
    ]


def best_model() -> list[Question]:
    """Return the questions of the page on the best model."""
    runs = study("best_model").recorded()
    known = facts.best_model(runs, Predictions.of(runs, images.load().test_labels))
    luck = apart(runs.table()["test_accuracy"])
    return [
        number("Distance between two seeds on test images, on average", luck, claim="M1"),
        choice("Its worst class", known["worst"], images.CLASSES, figure="fig-best-model-classes"),
        number("Wrong where it is 99 % sure", known["sure_wrong"], "%", high=100),
        number("Training above validation accuracy", known["gap"], claim="M2"),
    ]


REGULARISERS = ("plain", "dropout", "batch_norm", "adamw", "smoothing")
OPTIMISERS = ("plain", "sgd", "adamw")


def regularisation() -> list[Question]:
    """Return the questions of the page on regularisation."""
    found = facts.gains(facts.techniques(REGULARISERS))["mean"]
    most = choice("The technique that adds most", found.idxmax(), found.index)
    return [
        most | {"figure": "fig-regularisation-gains"},
        number("It adds", found.max()),
        number("Normalised batches add", found["batch norm"], low=-10),
    ]


def optimisers() -> list[Question]:
    """Return the questions of the page on optimisers."""
    found = facts.gains(facts.techniques(OPTIMISERS))["mean"]
    once = means("optimisers")
    (decay,) = found[found.index.str.startswith("AdamW")]
    return [
        number("SGD below Adam, at the rate that suits Adam", once["adam"] - once["sgd"]),
        number("SGD below Adam, each at its own rate", -found["SGD"], low=-10),
        number("AdamW's weight decay adds", decay, low=-10),
    ]


def claims() -> list[Question]:
    """Return the questions of the page of all claims; their first verdicts are counted."""
    names = [found.first.name for found in verdicts.judge().values()]
    whole: Question = {"unit": "conclusions", "digits": 0, "high": len(names)}
    return [
        number("Supported", sum(name.startswith("supported") for name in names), **whole),
        number("The other way, or no difference", names.count("not supported"), **whole),
        number("Too few runs to say", names.count("inconclusive"), **whole),
    ]


def tutorials() -> list[Question]:
    """Return the questions of the page on tutorials."""
    reached = [trial.history["test_accuracy"][-1] for trial in trials("tensorflow")]
    luck = apart(pd.Series(reached))
    names = [verdict.name for verdict in verdicts.judge_figures().values()]
    wrong: Question = {"unit": "figures", "digits": 0, "high": len(names)}
    return [
        number("Distance between two runs of TensorFlow's network, on average", luck),
        number("Figures that cannot be right", names.count("not supported"), **wrong),
    ]


def speed() -> list[Question]:
    """Return the questions of the page on speed."""
    frame = benchmark.medians(benchmark.read())
    found = frame[frame["workload"] == "1x128-b64"].set_index("trainer")["seconds"]
    return [
        number("An epoch of the tutorial's loop", found["tutorial"], "s", high=1000),
        number("The matrix products alone", found["products"], "s", high=1000),
    ]


PAGES = (
    data, method, loss, depth, width, batch_size, learning_rate, best_model, regularisation,
    optimisers, claims, tutorials, speed,
)  # fmt: skip
QUESTIONS: dict[str, Callable[[], list[Question]]] = {each.__name__: each for each in PAGES}


def measure() -> dict[str, list[Question]]:
    """Return the questions of every page that has a box, by its name."""
    return {page: questions() for page, questions in QUESTIONS.items()}


if __name__ == "__main__":
    put(TABLE, as_json(measure()))
