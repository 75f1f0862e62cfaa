"""scikit-learn's `MLPClassifier`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.neural_network import MLPClassifier

from benchmarks.work import BETA1, BETA2, CLASSES, EPSILON, LEARNING_RATE, Floats, Trainer, Work


class ScikitLearn(Trainer):
    """Trains one epoch per call of `partial_fit`."""

    def __init__(self, work: Work):
        self.work = work
        self.model = MLPClassifier(
            [work.workload.width] * work.workload.depth,
            batch_size=work.workload.batch, alpha=0.0, learning_rate_init=LEARNING_RATE,
            beta_1=BETA1, beta_2=BETA2, epsilon=EPSILON, random_state=work.seed,
        )  # fmt: skip

    def epoch(self) -> None:
        self.model.partial_fit(self.work.pixels, self.work.labels, classes=range(CLASSES))

    def steps(self) -> int:
        return self.model._optimizer.t if hasattr(self.model, "_optimizer") else 0

    def parameters(self) -> int:
        return sum(part.size for part in (*self.model.coefs_, *self.model.intercepts_))

    def logits(self, pixels: npt.NDArray[np.float32]) -> Floats:
        return np.log(self.model.predict_proba(pixels).clip(1e-30))
