"""Keras 3 on JAX (the driver sets KERAS_BACKEND)."""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt

from benchmarks.work import (
    BETA1,
    BETA2,
    CLASSES,
    EPSILON,
    LEARNING_RATE,
    PIXELS,
    Floats,
    Trainer,
    Work,
)


class Keras(Trainer):
    """Trains one epoch per call of `fit`."""

    def __init__(self, work: Work):
        keras.utils.set_random_seed(work.seed)
        self.work = work
        width, depth = work.workload.width, work.workload.depth
        hidden = [keras.layers.Dense(width, "relu") for _ in range(depth)]
        self.model = keras.Sequential(
            [keras.Input((PIXELS,)), *hidden, keras.layers.Dense(CLASSES)]
        )
        self.model.compile(
            keras.optimizers.Adam(LEARNING_RATE, beta_1=BETA1, beta_2=BETA2, epsilon=EPSILON),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )

    def epoch(self) -> None:
        batch = self.work.workload.batch
        self.model.fit(self.work.pixels, self.work.labels, batch_size=batch, verbose=0)

    def steps(self) -> int:
        return int(self.model.optimizer.iterations)

    def parameters(self) -> int:
        return self.model.count_params()

    def logits(self, pixels: npt.NDArray[np.float32]) -> Floats:
        return self.model.predict(pixels, batch_size=len(pixels), verbose=0)
