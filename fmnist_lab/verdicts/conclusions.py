"""The report's conclusions, each with the reading that is tested and the runs it is tested on.

A claim holds if all of its parts do. To add one, add an entry to `_ALL`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fmnist_lab.sweeps.studies import DEPTH_TUNING, F1, STUDIES, WIDTH_TUNING

from .comparisons import (
    above,
    below,
    gains_more,
    level,
    not_below,
    rate_falling,
    rising_per_doubling,
)
from .evidence import Arm
from .families import AnyAbove, BestOf, Printed, mostly_between
from .judgement import Claim
from .measures import (
    ACCURACY,
    FIRST_LOSS,
    GAP,
    LAST_GAP,
    LOWEST,
    ROUGHNESS,
    SAVED,
    SECONDS,
    SPIKINESS,
    TEST_ACCURACY,
    TRAIN_ACCURACY,
    reaching,
)
from .statistics import MATERIAL


def arms(study: str) -> dict[Any, Arm]:
    """Return a study's settings by value."""
    return {value: Arm(study, value) for value in STUDIES[study].values}


def best(arm: Arm, of: dict[Any, Arm]) -> tuple[Arm, ...]:
    """Return a setting and then its rivals."""
    return arm, *(rival for rival in of.values() if rival != arm)


LOSS, DEPTH, WIDTH = arms("loss"), arms("depth"), arms("width")
BATCH, RATE = arms("batch_size"), arms("learning_rate")
CE, MSE, MAE = LOSS["cross_entropy"], LOSS["mse"], LOSS["mae"]
SHOWN = {depth: arm for depth, arm in DEPTH.items() if depth}  # the report shows no depth of 0
ALL_SHOWN = [arm for of in (LOSS, SHOWN, WIDTH, BATCH, RATE) for arm in of.values()]
LATER = {name: Arm(f"{name}_4192_retuned", None) for name in F1}
THE_BEST = Arm("best_model", 4192)
# Accuracies that runs pass well before they end, so that speed is not confused with the end: every
# batch size passes 85 % within the cap; of the learning rates, 2.05e-5 passes 80 % early.
TO_85, TO_80 = reaching(0.85), reaching(0.80)
PRINTED = 0.0005  # half a unit of the last digit of 89.9 %
ON_THESE = replace(ACCURACY, on_test=None)  # a figure printed for validation images is of no others
LARGER_GAPS = (
    above(GAP, WIDTH[4192], WIDTH[2096]),
    *(above(GAP, DEPTH[4], DEPTH[d]) for d in (2, 3)),
)

_ALL = [
    Claim(
        id="L1", chapter="loss", figure="fig-loss-accuracy", retuned=True,
        second_look=True,
        says="Cross-entropy reaches a higher accuracy than MSE and than MAE.",
        reading="Validation accuracy at the best epoch, against both; MSE and MAE compare logits "
        "with the one-hot target, one of two readings (the chapter shows the other).",
        parts=(above(ACCURACY, CE, MSE), above(ACCURACY, CE, MAE)),
    ),
    Claim(
        id="L2", chapter="loss", figure="fig-loss-gap", retuned=True,
        says="Cross-entropy leaves a smaller gap between training and validation than MSE and MAE.",
        reading="Training minus validation accuracy at the best epoch, below both.",
        parts=(below(GAP, CE, MSE), below(GAP, CE, MAE)),
    ),
    Claim(
        id="D1", chapter="depth", figure="fig-depth-accuracy", retuned=True,
        second_look=True,
        says="Two or three hidden layers are best; more bring little.",
        reading="Two and three layers each end above one, and not materially below four.",
        parts=(
            *(above(ACCURACY, DEPTH[d], DEPTH[1]) for d in (2, 3)),
            *(not_below(ACCURACY, DEPTH[d], DEPTH[4]) for d in (2, 3)),
        ),
    ),
    Claim(
        id="D2", chapter="depth", figure="fig-depth-curves", retuned=True,
        second_look=True,
        says="One layer converges in fewer epochs, but ends slightly lower.",
        reading="Against two and three layers: fewer epochs to a validation accuracy of 85 %, and "
        "a lower one at the best epoch. How slight is not tested.",
        parts=(
            *(below(TO_85, DEPTH[1], DEPTH[d]) for d in (2, 3)),
            *(above(ACCURACY, DEPTH[d], DEPTH[1]) for d in (2, 3)),
        ),
    ),
    Claim(
        id="D3", chapter="depth", figure="fig-depth-loss", retuned=True,
        says="Four layers start to overfit earlier.",
        reading="The validation loss is lowest, and rises from there, at an earlier epoch with "
        "four layers than with one, two or three. A run at the cap has not got there: its epoch is "
        "a lower bound, and seeds on which both did say nothing.",
        parts=tuple(below(LOWEST, DEPTH[4], DEPTH[d]) for d in (1, 2, 3)),
    ),
    Claim(
        id="D4", chapter="depth", figure="fig-depth-tuning",
        says="Deeper networks need lower, more carefully chosen learning rates.",
        reading="The best learning rate, a mean of those tried weighted by the validation accuracy "
        "they reach, falls from one layer to four. How careful the choice must be is not tested.",
        claimed=(rate_falling(ACCURACY, "depth_tuning", tuple(SHOWN)),),
    ),
    Claim(
        id="W1", chapter="width", figure="fig-width-accuracy", retuned=True,
        second_look=True,
        says="Networks 1024 to 4192 wide end at a higher accuracy than narrower ones.",
        reading="Validation accuracy at the best epoch: each of 1024, 2096 and 4192 above each of "
        "128 and 512, and rising per doubling over all five.",
        parts=(
            *(above(ACCURACY, WIDTH[a], WIDTH[b]) for a in (1024, 2096, 4192) for b in (128, 512)),
            rising_per_doubling(ACCURACY, tuple(WIDTH.values())),
        ),
    ),
    Claim(
        id="W2", chapter="width", figure="fig-width-accuracy", retuned=True,
        says="Networks narrower than 512 underfit.",
        reading="128, the only narrower width, fits even its training images worse than 512 does, "
        "and the validation images too; both at the best epoch.",
        parts=tuple(below(m, WIDTH[128], WIDTH[512]) for m in (TRAIN_ACCURACY, ACCURACY)),
    ),
    Claim(
        id="W3", chapter="width", figure="fig-width-loss", retuned=True,
        second_look=True,
        says="A width of 4192 learns fastest at first, but needs more regularisation.",
        reading="The lowest training loss over the first epoch of all widths, and the largest gap "
        "between training and validation accuracy after the last.",
        parts=(
            BestOf(FIRST_LOSS, best(WIDTH[4192], WIDTH), -1),
            BestOf(LAST_GAP, best(WIDTH[4192], WIDTH)),
        ),
    ),
    Claim(
        id="W4", chapter="width", figure="fig-width-accuracy", retuned=True,
        second_look=True,
        says="The best width is about 2096.",
        reading="Validation accuracy at the best epoch: 2096 above each of the other four. A width "
        "that is as good speaks against it; cost is not weighed.",
        parts=(BestOf(ACCURACY, best(WIDTH[2096], WIDTH)),),
    ),
    Claim(
        id="B1", chapter="batch_size", figure="fig-batch-size-loss", retuned=True,
        second_look=True,
        says="Batches of 1 and 8 make training noisy and unstable.",
        reading="The validation loss is rougher from epoch to epoch (median absolute second "
        "difference) than with batches of 256.",
        parts=tuple(above(ROUGHNESS, BATCH[b], BATCH[256]) for b in (1, 8)),
    ),
    Claim(
        id="B2", chapter="batch_size", figure="fig-batch-size-curves", retuned=True,
        second_look=True,
        says="Batches of 256 and 512 converge more smoothly, but need more epochs.",
        reading="Against 64, the next smaller batch of the report's figure: a smoother validation "
        "loss, and more epochs to a validation accuracy of 85 %.",
        parts=(
            *(below(ROUGHNESS, BATCH[b], BATCH[64]) for b in (256, 512)),
            *(above(TO_85, BATCH[b], BATCH[64]) for b in (256, 512)),
        ),
    ),
    Claim(
        id="B3", chapter="batch_size", figure="fig-batch-size-curves", retuned=True,
        says="Batches of 64 and 128 balance stability and speed of convergence.",
        reading="More stable than the next smaller batch (a smoother validation loss than 16) and "
        "faster than the next larger (256 needs more epochs to 85 %).",
        parts=(
            *(below(ROUGHNESS, BATCH[b], BATCH[16]) for b in (64, 128)),
            *(above(TO_85, BATCH[256], BATCH[b]) for b in (64, 128)),
        ),
    ),
    Claim(
        id="B4", chapter="batch_size", figure="fig-batch-size-seconds", retuned=True,
        says="A batch of about 256 is best, counting cost and accuracy.",
        reading="Not materially less accurate than any other batch size, and trained in less time "
        "than every other: a run's epochs times the time of one, measured in one sitting on idle "
        "cores. Another machine may rank them otherwise.",
        parts=(
            BestOf(ACCURACY, best(BATCH[256], BATCH), margin=MATERIAL),
            BestOf(SECONDS, best(BATCH[256], BATCH), -1),
        ),
    ),
    Claim(
        id="B5", chapter="batch_size", figure="fig-batch-size-curves", retuned=True,
        says="Very large batches slow convergence down.",
        reading="1024 needs more epochs to a validation accuracy of 85 % than 256 and 512. Counted "
        "in steps or seconds, which the chapter shows, the answer may differ.",
        parts=tuple(above(TO_85, BATCH[1024], BATCH[b]) for b in (256, 512)),
    ),
    Claim(
        id="S1", chapter="batch_size", figure="fig-batch-size-steps",
        says="Drawn against steps the loss is spiky, drawn against epochs it is smooth.",
        reading="At batch 16, the training loss's jolts (median absolute second difference) are "
        "larger from step to step than from epoch to epoch.",
        parts=(level(SPIKINESS, [Arm("steps", 16)], "batch size 16"),),
    ),
    Claim(
        id="R1", chapter="learning_rate", figure="fig-learning-rate-curves",
        says="Learning rates of 2e-6 and below converge slowly.",
        reading="2.05e-6 needs more epochs to a validation accuracy of 80 % than 2.05e-5 and "
        "2.05e-4; a run that never gets there counts with the cap, a lower bound.",
        parts=tuple(above(TO_80, RATE[2.05e-6], RATE[r]) for r in (2.05e-5, 2.05e-4)),
    ),
    Claim(
        id="R2", chapter="learning_rate", figure="fig-learning-rate-loss",
        says="Learning rates of 5e-2 and above are unstable or diverge.",
        reading="5e-2 has a rougher validation loss from epoch to epoch than 2.05e-3, the next "
        "smaller, and ends less accurate. Divergence is not needed; a run lost in its first "
        "epoch counts as guessing.",
        parts=(
            above(ROUGHNESS, RATE[5e-2], RATE[2.05e-3]),
            below(ACCURACY, RATE[5e-2], RATE[2.05e-3]),
        ),
    ),
    Claim(
        id="R3", chapter="learning_rate", figure="fig-learning-rate-accuracy",
        says="Learning rates of 2e-5 to 3e-5 are best for most configurations.",
        reading="As run: on 1 × 128, 2.05e-5 ends above the four other rates within 100 epochs. As "
        "claimed: of the widths and depths tuned, more than half have their best rate there; the "
        "grid's 1.78e-5 and 3.16e-5, half a step away, count. These settings are counted and not "
        "tested: they are no sample of others.",
        parts=(BestOf(ACCURACY, best(RATE[2.05e-5], RATE)),),
        claimed=(mostly_between(2e-5, 3e-5, WIDTH_TUNING, DEPTH_TUNING),),
    ),
    Claim(
        id="M1", chapter="best_model", figure="fig-best-model-accuracy",
        says="The best configuration reaches 89.9 % (elsewhere 89.7 %) on validation images and "
        "89.3 % on test images.",
        reading="Each printed figure lies where 95 % of single runs of that configuration would; "
        "both validation figures are tested.",
        parts=tuple(
            Printed(measure, (THE_BEST,), figure, PRINTED)
            for measure, figure in ((ON_THESE, 0.899), (ON_THESE, 0.897), (TEST_ACCURACY, 0.893))
        ),
    ),
    Claim(
        id="M2", chapter="best_model", figure="fig-best-model-curves",
        says="The best configuration overfits.",
        reading="As the report argues: training accuracy above validation accuracy, both at the "
        "best epoch.",
        parts=(level(GAP, [THE_BEST], "the best configuration"),),
    ),
    Claim(
        id="C1", chapter="claims", figure="fig-width-accuracy", retuned=True,
        says="Width matters more than depth.",
        reading="Seed by seed, the best width gains more on 128 (at two layers) than the best "
        "depth gains on one layer (at 2096 neurons), over the report's ranges. Noise lifts both "
        "gains alike. Per doubling or per parameter would be other questions.",
        parts=(gains_more(ACCURACY, tuple(WIDTH.values()), tuple(SHOWN.values())),),
    ),
    Claim(
        id="C2", chapter="claims", figure="fig-depth-gap", retuned=True,
        second_look=True,
        says="Very deep networks overfit unless they are regularised.",
        reading="Four layers, the deepest shown, against one and two: a larger gap after the last "
        "epoch. How far the validation loss has risen by then says little, for patience ends a run "
        "five epochs after its lowest.",
        parts=tuple(above(LAST_GAP, DEPTH[4], DEPTH[d]) for d in (1, 2)),
    ),
    Claim(
        id="C3", chapter="claims", figure="fig-depth-accuracy", retuned=True,
        says="Two layers of 4192 match deeper networks and train faster.",
        reading="Against three and four layers of 2096: accuracy not materially lower, and less "
        "training time: a run's epochs times the time of one, measured as for B4.",
        parts=(
            *(not_below(ACCURACY, WIDTH[4192], DEPTH[d]) for d in (3, 4)),
            *(below(SECONDS, WIDTH[4192], DEPTH[d]) for d in (3, 4)),
        ),
    ),
    Claim(
        id="C4", chapter="claims", figure="fig-method-patience",
        says="Stopping with patience saves computation.",
        reading="Averaged over all settings of the report's figures, the share of the 100 epochs "
        "allowed that patience left untrained. The cap is ours; what accuracy the epochs saved "
        "would have brought is not measured.",
        parts=(level(SAVED, ALL_SHOWN, "all settings"),),
        other="of every setting, the share is above zero",
        other_parts=tuple(level(SAVED, [arm], str(arm)) for arm in ALL_SHOWN),
    ),
    Claim(
        id="G1", chapter="claims", figure="fig-width-gap", retuned=True,
        says="Larger networks, of four layers or 4000 neurons, have larger gaps.",
        reading="Training minus validation accuracy at the best epoch: 2 × 4192 above 2 × 2096, "
        "and 4 × 2096 above 2 × 2096 and 3 × 2096.",
        parts=LARGER_GAPS,
    ),
    Claim(
        id="G2", chapter="claims", figure="fig-depth-gap", retuned=True,
        says="Two or three layers of 2000 to 3000 keep the gap small at a high accuracy.",
        reading="2 × 2096 and 3 × 2096: a smaller gap than the larger networks of G1, and an "
        "accuracy not materially below theirs.",
        parts=(
            *LARGER_GAPS,
            not_below(ACCURACY, WIDTH[2096], WIDTH[4192]),
            *(not_below(ACCURACY, DEPTH[d], DEPTH[4]) for d in (2, 3)),
        ),
    ),
    Claim(
        id="F1", chapter="best_model", figure="fig-best-model-curves",
        says="Dropout, batch normalisation or another optimiser would improve the results.",
        reading="Each of the three against the report's best configuration, seed by seed, at a "
        "learning rate and a strength that tuning seeds chose: a higher validation accuracy. Of "
        "AdamW with weight decay, SGD with momentum and Muon the best counts, corrected for the "
        "choice.",
        claimed=(
            *(above(ACCURACY, LATER[name], WIDTH[4192]) for name in ("dropout", "batch_norm")),
            AnyAbove(ACCURACY, (WIDTH[4192], *(LATER[n] for n in ("adamw", "sgd", "muon")))),
        ),
    ),
]  # fmt: skip
CLAIMS: dict[str, Claim] = {claim.id: claim for claim in _ALL}
