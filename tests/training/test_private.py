"""The calls into PyTorch that are not public: fmnist_lab.training.stack makes each in one place."""

import pytest
import torch

from fmnist_lab.training.stack import fused_adam, relu_backward


def schema(name: str, overload: str) -> str:
    packet = getattr(torch.ops.aten, name, None)
    return str(getattr(packet, overload)._schema) if hasattr(packet, overload) else "is gone"


@pytest.mark.parametrize(
    ("name", "overload", "arguments", "instead"),
    [
        (
            "_fused_adam_",
            "default",
            (
                "Tensor(a!)[] self, Tensor(b!)[] grads, Tensor(c!)[] exp_avgs, "
                "Tensor(d!)[] exp_avg_sqs, Tensor(e!)[] max_exp_avg_sqs, Tensor[] state_steps, *, "
                "float lr, float beta1, float beta2, float weight_decay, float eps, bool amsgrad, "
                "bool maximize"
            ),
            "stack.fused_adam needs torch.optim.Adam(fused=True) instead",
        ),
        (
            "threshold_backward",
            "grad_input",
            "Tensor grad_output, Tensor self, Scalar threshold, *, Tensor(a!) grad_input",
            "stack.relu_backward needs a product with (outputs > 0) instead",
        ),
    ],
)
def test_a_private_call_takes_what_we_give_it(name, overload, arguments, instead):
    found = schema(name, overload)
    assert arguments in found, f"PyTorch changed {name} ({found}): {instead}."


def test_the_fused_call_is_the_public_optimiser():
    generator = torch.Generator().manual_seed(0)
    flat = torch.randn(1000, generator=generator)
    parameter = torch.nn.Parameter(flat.clone())
    adam = torch.optim.Adam([parameter], lr=0.01, fused=True)
    moments, steps = (torch.zeros(1000), torch.zeros(1000)), torch.zeros(())
    for _ in range(3):
        parameter.grad = torch.randn(1000, generator=generator)
        adam.step()
        fused_adam(flat, parameter.grad, *moments, steps.add_(1), 0.01)
    assert torch.equal(flat, parameter.detach())


def test_relu_passes_a_gradient_where_its_output_is_positive():
    gradient = torch.tensor([1.0, -2.0, torch.inf, 4.0])
    relu_backward(gradient, torch.tensor([3.0, 0.0, 0.0, 0.5]))
    assert gradient.tolist() == [1.0, 0.0, 0.0, 4.0]
