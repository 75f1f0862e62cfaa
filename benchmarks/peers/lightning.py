"""PyTorch Lightning."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import lightning
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.work import LEARNING_RATE, Floats, Trainer, Work
from fmnist_lab.training.model import initial_network

from .torch_loops import tensor_loader


class Network(lightning.LightningModule):
    """The report's network with its loss and optimiser."""

    def __init__(self, work: Work):
        super().__init__()
        self.network = initial_network(work.workload.depth, work.workload.width, work.seed)
        # One optimiser for all calls of `fit`, each of which asks for one.
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=LEARNING_RATE)

    def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
        images, labels = batch
        return functional.cross_entropy(self.network(images), labels)

    def configure_optimizers(self) -> Any:
        return self.optimizer


class Lightning(Trainer):
    """Trains one epoch per call of `Trainer.fit`, without loggers, checkpoints or progress bar."""

    def __init__(self, work: Work):
        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        warnings.filterwarnings("ignore", module="lightning")  # asks for more loader workers
        torch.manual_seed(work.seed)  # for the shuffles
        self.model, self.loader = Network(work), tensor_loader(work)
        self.epochs = 0
        self.trainer = lightning.Trainer(
            accelerator="cpu", devices=1, max_epochs=0, logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip

    def epoch(self) -> None:
        self.epochs += 1
        self.trainer.fit_loop.max_epochs = self.epochs  # `fit` continues where it ended
        self.trainer.fit(self.model, self.loader)

    def steps(self) -> int:
        state = self.model.optimizer.state
        return int(next(iter(state.values()))["step"]) if state else 0

    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.model.parameters())

    @torch.no_grad()
    def logits(self, pixels: npt.NDArray[np.float32]) -> Floats:
        return self.model.network(torch.from_numpy(pixels)).numpy()
