"""The calls into PyTorch that are not public: fmnist_lab.training makes each in one place."""

import pytest
import torch

from fmnist_lab.config import Config
from fmnist_lab.training.layers import ReLU, Signal
from fmnist_lab.training.model import FashionClassifier
from fmnist_lab.training.optimizers import Adam
from fmnist_lab.training.stack import Stack


def schema(name: str, overload: str) -> str:
    packet = getattr(torch.ops.aten, name, None)
    return str(getattr(packet, overload)._schema) if hasattr(packet, overload) else "is gone"


ADAM = (
    "Tensor(a!)[] self, Tensor(b!)[] grads, Tensor(c!)[] exp_avgs, "
    "Tensor(d!)[] exp_avg_sqs, Tensor(e!)[] max_exp_avg_sqs, Tensor[] state_steps, *, "
    "{} lr, float beta1, float beta2, float weight_decay, float eps, bool amsgrad, bool maximize"
)
SGD = (
    "Tensor(a!)[] self, Tensor(b!)[] grads, Tensor(c!)[] momentum_buffer_list, *, "
    "float weight_decay, float momentum, {} lr, float dampening, bool nesterov, bool maximize, "
    "bool is_first_step"
)
ADAM_INSTEAD = "optimizers.Adam needs torch.optim.Adam(fused=True) instead"
SGD_INSTEAD = "optimizers.SGD needs torch.optim.SGD(fused=True) instead"


@pytest.mark.parametrize(
    ("name", "overload", "arguments", "instead"),
    [
        ("_fused_adam_", "default", ADAM.format("float"), ADAM_INSTEAD),
        ("_fused_adamw_", "default", ADAM.format("float"), ADAM_INSTEAD),
        ("_fused_sgd_", "default", SGD.format("float"), SGD_INSTEAD),
        ("_fused_adam_", "tensor_lr", ADAM.format("Tensor"), ADAM_INSTEAD),
        ("_fused_adamw_", "tensor_lr", ADAM.format("Tensor"), ADAM_INSTEAD),
        ("_fused_sgd_", "tensor_lr", SGD.format("Tensor"), SGD_INSTEAD),
        (
            "threshold_backward",
            "grad_input",
            "Tensor grad_output, Tensor self, Scalar threshold, *, Tensor(a!) grad_input",
            "layers.ReLU needs a product with (outputs > 0) instead",
        ),
    ],
)
def test_a_private_call_takes_what_we_give_it(name, overload, arguments, instead):
    found = schema(name, overload)
    assert arguments in found, f"PyTorch changed {name} ({found}): {instead}."


def test_the_fused_call_is_the_public_optimiser():
    generator = torch.Generator().manual_seed(0)
    flat = torch.randn(7850, generator=generator)
    parameter = torch.nn.Parameter(flat.clone())
    adam = torch.optim.Adam([parameter], lr=0.01, fused=True)
    parameter.grad = torch.empty(7850)
    network = FashionClassifier(784, 0, 0, 10)
    stack = Stack.holding(flat, network, 1, flat)
    step = list(Adam(stack, Config()).step(flat, parameter.grad, 0.01))
    for _ in range(3):
        parameter.grad.normal_(generator=generator)
        adam.step()
        for operation in step:
            operation()
    assert torch.equal(flat, parameter.detach())


def test_relu_passes_a_gradient_where_its_output_is_positive():
    gradient = torch.tensor([1.0, -2.0, torch.inf, 4.0])
    signal = Signal(torch.tensor([3.0, 0.0, 0.0, 0.5]), gradient)
    for operation in ReLU(signal, signal).backward():
        operation()
    assert gradient.tolist() == [1.0, 0.0, 0.0, 4.0]
