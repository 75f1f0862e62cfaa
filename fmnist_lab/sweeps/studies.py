"""The questions the book asks: which settings each compares, and with which seeds."""

from __future__ import annotations

from dataclasses import replace

from fmnist_lab.config import PRECISIONS, Config, ConfigError, unknown_name

from .study import CONFIRMING_SEEDS, Study
from .tuning import MORE_TUNING_SEEDS, NESTED_SEEDS, TUNING_RATES, Tuning

# What is run was fixed before the first run (the chapter on method, "Fixed beforehand").
# Of tuning and retuned depth and width: the study of precision showed both to end alike (method).
RETUNED_PRECISION = "bfloat16"

# What the report does not state (DESIGN: "what we take"): the network of its loss figures, 1 x 128,
# for loss, batch size and learning rate; its best model's rate and batch for depth and width.
SMALL = Config(depth=1, width=128, batch_size=256, learning_rate=2.05e-4)
BEST = Config(depth=2, width=4192, batch_size=512, learning_rate=2.05e-5)

WIDTHS = (128, 512, 1024, 2096, 4192)
DEPTHS = (0, 1, 2, 3, 4)
LOSSES = ("cross_entropy", "mse", "mae")
BATCH_SIZES = (1, 8, 16, 64, 128, 256, 512, 1024)
# Depth, width and batch size of the networks that both precisions are compared on.
PRECISION_NETWORKS = ((1, 128, 256), (2, 512, 512), (2, 1024, 512), (2, 4192, 512))

WIDTH_TUNING = Tuning(
    name="width_tuning",
    question="Which learning rate suits each width?",
    report="The report fixes the learning rate.",
    base=replace(BEST, precision=RETUNED_PRECISION),
    grid={"width": WIDTHS, "learning_rate": TUNING_RATES},
    bracketed=True,
)
DEPTH_TUNING = Tuning(
    name="depth_tuning",
    question="Which learning rate suits each depth?",
    report="The report says deeper networks need lower, more careful rates.",
    base=replace(BEST, width=2096, precision=RETUNED_PRECISION),
    grid={"depth": DEPTHS, "learning_rate": TUNING_RATES},
    bracketed=True,
    first_guess=WIDTH_TUNING,
    beyond=MORE_TUNING_SEEDS,  # claim D4 is about the rates: like all, it rests on five seeds
)
LOSS_TUNING = Tuning(
    name="loss_tuning",
    question="Which learning rate suits each loss function?",
    report="The report fixes the learning rate.",
    base=SMALL,
    grid={"loss": LOSSES, "learning_rate": TUNING_RATES},
)
BATCH_SIZE_TUNING = Tuning(
    name="batch_size_tuning",
    question="Which learning rate suits each batch size?",
    report="The report fixes the learning rate.",
    base=SMALL,
    grid={"batch_size": BATCH_SIZES, "learning_rate": TUNING_RATES},
)

_ALL = [
    Study(
        name="loss",
        question="Which loss function reaches the highest accuracy?",
        report="Figures 1-4: cross-entropy, MSE and MAE on one hidden layer of 128.",
        base=SMALL,
        grid={"loss": LOSSES},
    ),
    Study(
        name="loss_on_probabilities",
        question="Does it matter whether MSE and MAE see logits or probabilities?",
        report="The report does not say which its losses see.",
        base=SMALL,
        grid={"loss": ("mse_probabilities", "mae_probabilities")},
    ),
    Study(
        name="depth",
        question="How many hidden layers are best?",
        report="Figures 5-6: one to four hidden layers of 2096.",
        base=replace(BEST, width=2096),
        grid={"depth": DEPTHS},
    ),
    Study(
        name="width",
        question="How wide should the hidden layers be?",
        report="Figure 7: widths 128 to 4192 at two hidden layers.",
        base=BEST,
        grid={"width": WIDTHS},
    ),
    Study(
        name="batch_size",
        question="How many images should a step see?",
        report="Figure 8: batch sizes 1, 8, 16, 64, 256 and 512; the text adds 128, Table 1 1024.",
        base=SMALL,
        grid={"batch_size": BATCH_SIZES},
    ),
    Study(
        name="steps",
        question="What does the loss do between two epochs' ends?",
        report="Figure 9: loss against step beside loss against epoch at batch 16.",
        base=SMALL,
        grid={"batch_size": (16,)},
        seeds=CONFIRMING_SEEDS[:5],
        keep=frozenset({"step_losses"}),
    ),
    Study(
        name="learning_rate",
        question="Which learning rate is best?",
        report="Figure 10: five rates from 5e-2 to 2.05e-6.",
        base=SMALL,
        grid={"learning_rate": (5e-2, 2.05e-3, 2.05e-4, 2.05e-5, 2.05e-6)},
    ),
    Study(
        name="best_model",
        question="Does the report's best configuration reach what the report says?",
        report="Table 2 and Figure 11: 89.9 % (89.7 %) validation, 89.3 % test.",
        base=BEST,
        grid={"width": (4192,)},
        keep=frozenset({"predictions"}),
    ),
    WIDTH_TUNING,
    Study(
        name="width_retuned",
        question="How wide should the hidden layers be, each at its own learning rate?",
        report="The report fixes the learning rate.",
        base=replace(BEST, precision=RETUNED_PRECISION),
        grid={"width": WIDTHS},
        tuned_by=WIDTH_TUNING,
    ),
    DEPTH_TUNING,
    Study(
        name="depth_retuned",
        question="How many hidden layers are best, each at its own learning rate?",
        report="The report fixes the learning rate.",
        base=replace(BEST, width=2096, precision=RETUNED_PRECISION),
        grid={"depth": DEPTHS},
        tuned_by=DEPTH_TUNING,
    ),
    LOSS_TUNING,
    Study(
        name="loss_retuned",
        question="Which loss function reaches the highest accuracy, each at its own learning rate?",
        report="The report fixes the learning rate.",
        base=SMALL,
        grid={"loss": LOSSES},
        tuned_by=LOSS_TUNING,
    ),
    BATCH_SIZE_TUNING,
    Study(
        name="batch_size_retuned",
        question="How many images should a step see, each number at its own learning rate?",
        report="The report fixes the learning rate.",
        base=SMALL,
        grid={"batch_size": BATCH_SIZES},
        tuned_by=BATCH_SIZE_TUNING,
    ),
    Study(
        name="loss_nested",
        question="Which loss function is best, the luck of choosing its learning rate included?",
        report="The report fixes the learning rate.",
        base=SMALL,
        grid={"loss": LOSSES, "learning_rate": TUNING_RATES},
        seeds=NESTED_SEEDS,
    ),
    Study(
        name="batch_size_nested",
        question="Which batch size is best, the luck of choosing its learning rate included?",
        report="The report fixes the learning rate.",
        base=SMALL,
        grid={
            "batch_size": tuple(b for b in BATCH_SIZES if b >= 64),
            "learning_rate": TUNING_RATES,
        },
        seeds=NESTED_SEEDS,
    ),
    Study(
        name="width_nested",
        question="Does 2 × 512 have a best learning rate that ten seeds agree on?",
        report="The report fixes the learning rate.",
        base=replace(BEST, precision=RETUNED_PRECISION),
        grid={"width": (512,), "learning_rate": TUNING_RATES},
        seeds=NESTED_SEEDS,
    ),
    Study(
        name="streams",
        question="How much of a seed's luck is the split, the initial weights, the order?",
        report="The report ran each setting once.",
        base=SMALL,
        grid={"weights_seed": tuple(range(5)), "order_seed": tuple(range(5))},
        seeds=CONFIRMING_SEEDS[:5],
    ),
    *(
        Study(
            name=f"precision_{depth}x{width}",
            question="Do products of bfloat16 operands change the accuracy?",
            report="The report does not say in which precision it computes.",
            base=replace(SMALL, depth=depth, width=width, batch_size=batch_size),
            grid={"precision": PRECISIONS},
        )
        for depth, width, batch_size in PRECISION_NETWORKS
    ),
]
STUDIES: dict[str, Study] = {study.name: study for study in _ALL}


def study(name: str) -> Study:
    """Return the study of that name; raise `ConfigError` if there is none."""
    if name not in STUDIES:
        raise ConfigError(unknown_name(name, STUDIES).replace("parameter", "study"))
    return STUDIES[name]
