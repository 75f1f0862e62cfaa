"""Who takes part: the trainers by name, what each is, and the floors under them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .work import Workload


@dataclass(frozen=True)
class Entry:
    """Where a trainer is defined, and what readers learn about it."""

    where: str  # module:class, imported in its own process only
    label: str
    what: str
    floor: bool = False  # part of the work, not a trainer
    seeds: str = "together"  # or "in turn", or in "processes", one per core: how it trains several


SINGLE = {
    "ours": Entry("ours:Ours", "fmnist-lab", "this book's trainer"),
    "jax": Entry(
        "peers.jax:Jax", "JAX, expert", "jit, lax.scan over the steps of an epoch, Adam by hand"
    ),
    "expert": Entry(
        "peers.torch_loops:Expert", "PyTorch, expert",
        "tensors sliced by a permutation, autograd, Adam(fused=True)",
    ),
    "keras": Entry("peers.keras:Keras", "Keras", "Sequential.fit on JAX, arrays in memory"),
    "tensors": Entry(
        "peers.torch_loops:Tensors", "PyTorch, tensors", "TensorDataset, DataLoader, autograd, Adam"
    ),
    "lightning": Entry(
        "peers.lightning:Lightning", "Lightning",
        "the same DataLoader; no logger, checkpoints or progress bar",
    ),
    "sklearn": Entry("peers.sklearn:ScikitLearn", "scikit-learn", "MLPClassifier.partial_fit"),
    "skorch": Entry("peers.skorch:Skorch", "skorch", "NeuralNetClassifier.partial_fit"),
    "tutorial": Entry(
        "peers.torch_loops:Tutorial", "PyTorch, tutorial",
        "torchvision's data set with ToTensor, DataLoader without workers, autograd, Adam",
    ),
}  # fmt: skip

SEEDS = {
    "ours": Entry(
        "ours:Ours", "fmnist-lab, processes", "one process per core, as a sweep does",
        seeds="processes",
    ),
    "ours_stack": Entry("ours:Ours", "fmnist-lab, stack", "all seeds in one stack"),
    "ours_in_turn": Entry(
        "ours:Ours", "fmnist-lab, in turn", "one seed after another", seeds="in turn"
    ),
    "jax": Entry("peers.jax:JaxSeeds", "JAX, expert", "vmap over the seeds"),
    "expert": replace(SINGLE["expert"], what="one seed after another", seeds="in turn"),
}  # fmt: skip

# With products of bfloat16 operands and, in the same turns, our own trainer in float32.
ROUNDED = {
    "ours": SINGLE["ours"],
    "ours_float32": Entry("ours:OursInFloat32", "fmnist-lab, float32", "the same in float32"),
    "jax": SINGLE["jax"],
    "expert": replace(SINGLE["expert"], what=f"{SINGLE['expert'].what}, torch.autocast"),
}

# On a GPU: all seeds in one stack, as a sweep trains them there.
ON_GPU = {
    **{name: SINGLE[name] for name in ("ours", "jax", "expert", "tensors")},
    "graphs": Entry(
        "peers.torch_graphs:Graphs", "PyTorch, CUDA graph",
        "the expert's step, autograd and Adam included, recorded once and replayed",
    ),
}  # fmt: skip
SEEDS_ON_GPU = {
    "ours": SEEDS["ours_stack"],
    **{name: SEEDS[name] for name in ("ours_in_turn", "jax", "expert")},
    "graphs": replace(ON_GPU["graphs"], what="one seed after another", seeds="in turn"),
}

FLOORS = {
    "products": Entry(
        "floors:Products", "matrix products alone", "torch.mm into existing buffers", True
    ),
    "adam": Entry(
        "floors:Adam", "Adam alone", "PyTorch's fused update of one tensor, once per step", True
    ),
}

SEEDS_FLOORS = {
    name: replace(floor, seeds="processes", what=f"{floor.what}; on all cores")
    for name, floor in FLOORS.items()
}


def entries(workload: Workload) -> dict[str, Entry]:
    """Return who takes part in a workload, the floors last."""
    if workload.device != "cpu":
        return (ON_GPU if workload.seeds == 1 else SEEDS_ON_GPU) | FLOORS
    if workload.precision == "bfloat16":
        return ROUNDED | FLOORS
    return SINGLE | FLOORS if workload.seeds == 1 else SEEDS | SEEDS_FLOORS
