"""skorch: PyTorch behind scikit-learn's interface."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from skorch import NeuralNetClassifier

from benchmarks.work import LEARNING_RATE, Floats, Trainer, Work
from fmnist_lab.training.model import initial_network


class Skorch(Trainer):
    """Trains one epoch per call of `partial_fit`, without validation split or output."""

    def __init__(self, work: Work):
        self.work = work
        torch.manual_seed(work.seed)  # for the shuffles
        self.model = NeuralNetClassifier(
            initial_network(work.workload.depth, work.workload.width, work.seed),
            criterion=torch.nn.CrossEntropyLoss, optimizer=torch.optim.Adam, lr=LEARNING_RATE,
            batch_size=work.workload.batch, max_epochs=1, train_split=None, verbose=0,
            iterator_train__shuffle=True,
        ).initialize()  # fmt: skip

    def epoch(self) -> None:
        self.model.partial_fit(self.work.pixels, self.work.labels)

    def steps(self) -> int:
        state = self.model.optimizer_.state
        return int(next(iter(state.values()))["step"]) if state else 0

    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.model.module_.parameters())

    def logits(self, pixels: npt.NDArray[np.float32]) -> Floats:
        return self.model.forward(pixels).numpy()
