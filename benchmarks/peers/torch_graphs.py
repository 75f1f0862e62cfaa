"""An expert's loop on a GPU: the step of PyTorch's modules, recorded once and replayed."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.work import Work, wait

from .torch_loops import Expert


class Graphs(Expert):
    """Replays one CUDA graph per step: gathering, autograd and the fused Adam."""

    def __init__(self, work: Work):
        super().__init__(work)
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=self.optimizer.defaults["lr"],
            fused=True, capturable=True,
        )  # fmt: skip
        before = [parameter.detach().clone() for parameter in self.network.parameters()]
        rest = len(self.images) % self.batch
        self.recorded = {size: self.record(size) for size in {self.batch, rest} - {0}}
        with torch.no_grad():  # the warm-up trained
            for parameter, start in zip(self.network.parameters(), before, strict=True):
                parameter.copy_(start)
            for state in self.optimizer.state.values():
                for tensor in state.values():
                    tensor.zero_()

    def step(self, rows: Tensor) -> None:
        """Train on the images at `rows`."""
        self.optimizer.zero_grad(set_to_none=True)
        with self.rounding:
            logits = self.network(self.images[rows])
            loss = functional.cross_entropy(logits, self.labels[rows])
        loss.backward()
        self.optimizer.step()

    def record(self, size: int) -> tuple[Tensor, torch.cuda.CUDAGraph]:
        """Return the graph of a step on a number of images, and the tensor of their indices."""
        rows = torch.zeros(size, dtype=torch.int64, device=self.device)
        side = torch.cuda.Stream()  # capture needs a warm-up on its own stream
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.step(rows)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.step(rows)
        return rows, graph

    def epoch(self) -> None:
        for part in torch.randperm(len(self.images), device=self.device).split(self.batch):
            rows, graph = self.recorded[len(part)]
            rows.copy_(part)
            graph.replay()
        wait(self.device)
