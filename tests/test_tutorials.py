"""Tutorials in their own kind of code: they train by a recipe's settings, and share no more."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from benchmarks import tutorials
from benchmarks.recipes import Recipe
from fmnist_lab.runs.recipes import RECIPES, read, trials
from fmnist_lab.sources import DIGEST

PUBLISHED = sorted(path.stem for path in tutorials.PEERS.glob("*.jsonl"))


class Pictures(TensorDataset):
    """Pictures as torchvision has them: `data` of bytes, `targets`, and tensors by number."""

    def __init__(self, count: int):
        draw = torch.Generator().manual_seed(count)
        self.targets = torch.arange(count) % 10
        self.data = torch.randint(0, 20, (count, 28, 28), generator=draw).to(torch.uint8)
        self.data[torch.arange(count), 2 * self.targets] += 200  # a bright row tells the class
        super().__init__(self.data[:, None] / 255, self.targets)


@pytest.fixture
def keras(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    return pytest.importorskip("keras")


@pytest.fixture
def small(monkeypatch):
    sets = {True: Pictures(1_000), False: Pictures(500)}
    monkeypatch.setattr(tutorials, "fashion", sets.__getitem__)
    recipes = {name: replace(Recipe.of(name), epochs=2) for name in RECIPES}
    monkeypatch.setattr(Recipe, "of", recipes.__getitem__)
    monkeypatch.setitem(tutorials.BENCHMARK["benchmark_100"], "max_iter", 30)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kanbefair_32", "d2l_dropout", "tensorflow", "benchmark_100"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Stochastic Optimizer")
def test_each_library_learns_and_repeats_its_seed(name, small, keras):
    first, again = (tutorials.trial(name, 1) for _ in range(2))
    assert first.history == again.history
    assert first.history["test_accuracy"][-1] > 0.2  # of 10 classes
    assert len(first.history["test_accuracy"]) == (2 if name in RECIPES else 1)


@pytest.mark.parametrize(
    "name", [name for name, train in tutorials.TUTORIALS.items() if train is tutorials.by_keras]
)
def test_what_keras_leaves_unsaid_is_what_the_recipe_says(name, keras):
    recipe, optimizer = Recipe.of(name), keras.optimizers.get(RECIPES[name]["optimizer"])
    assert float(optimizer.learning_rate) == pytest.approx(recipe.learning_rate)
    assert getattr(optimizer, "epsilon", recipe.epsilon) == recipe.epsilon
    layer = keras.layers.Dense(128)
    layer.build((None, 784))
    weights, biases = (np.asarray(part) for part in layer.weights)
    assert abs(weights).max() == pytest.approx((2 * recipe.scale / (784 + 128)) ** 0.5, rel=1e-3)
    assert recipe.initial == "xavier"
    assert not biases.any()
    assert recipe.batch_size == 32


BY_PYTORCH = [name for name, by in tutorials.TUTORIALS.items() if by is tutorials.by_pytorch]


@pytest.mark.parametrize("name", BY_PYTORCH)
def test_pytorchs_layers_start_with_the_weights_that_the_recipe_says(name):
    recipe = Recipe.of(name)
    layers = [layer for layer in tutorials.network(recipe) if isinstance(layer, torch.nn.Linear)]
    assert [layer.out_features for layer in layers] == [
        width for width in recipe.layers if isinstance(width, int)
    ]
    for layer in layers:
        bound = 2 * recipe.scale / (layer.in_features + layer.out_features)
        variance = {
            "pytorch": 1 / layer.in_features / 3, "normal": recipe.scale**2, "xavier": bound / 3
        }[recipe.initial]  # fmt: skip
        # A hundred weights at least: three standard errors of their variance are within 0.45.
        assert layer.weight.var().item() == pytest.approx(variance, rel=0.45)
        if recipe.initial != "normal":
            assert abs(layer.weight).max().item() <= (3 * variance) ** 0.5
        assert layer.bias.any() == (recipe.initial == "pytorch")


def test_images_are_the_bits_of_to_tensor_then_standardised(monkeypatch):
    from PIL import Image
    from torchvision.transforms import ToTensor

    pictures = Pictures(256)
    pictures.data[:, 0, 0] = torch.arange(256)  # every byte there is
    monkeypatch.setattr(tutorials, "fashion", lambda train: pictures)
    wanted = torch.stack([ToTensor()(Image.fromarray(one.numpy())) for one in pictures.data])
    plain, standardised = (
        torch.cat([images for images, _ in tutorials.loader(False, Recipe.of(name))])
        for name in ("mxnet", "kanbefair_32")
    )
    assert torch.equal(plain, wanted)
    assert torch.allclose(standardised, (wanted - 0.2860) / 0.3530)


@pytest.mark.parametrize("name", ["mxnet", "knet"])
def test_batches_are_those_that_a_data_loader_draws_image_by_image(name, small):
    recipe = Recipe.of(name)
    one_by_one = TensorDataset(*tutorials.fashion(True).tensors)
    loaders = (
        tutorials.loader(True, recipe),
        DataLoader(one_by_one, recipe.batch_size, shuffle=recipe.shuffled),
    )
    found, wanted = ([*map(tuple, (torch.manual_seed(1), each)[1])] for each in loaders)
    assert len(found) == len(wanted) == len(one_by_one) // recipe.batch_size
    for batch, other in zip(found, wanted, strict=True):
        assert all(map(torch.equal, batch, other))


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_peers_have_the_seeds_fixed_before_and_their_recipes_settings(name):
    found = trials(f"peers/{name}")
    first, second = [*tutorials.SEEDS], [*tutorials.SECOND_LOOK.get(name, ())]
    assert [trial.seed for trial in found] in (first, first + second)
    wanted = tutorials.BENCHMARK.get(name) or Recipe.of(name).settings()
    for trial in found:
        assert (trial.recipe, trial.data, trial.settings) == (name, DIGEST, wanted)
        epochs = {len(accuracies) for accuracies in trial.history.values()}
        assert epochs == {wanted.get("epochs", 1)}


def test_the_command_trains_what_is_missing_and_no_seed_twice(tmp_path, monkeypatch, capsys):
    trained = []

    def train(name: str, seed: int) -> tutorials.History:
        trained.append(seed)
        return {"test_accuracy": [0.5]}

    monkeypatch.setattr(tutorials, "PEERS", tmp_path)
    monkeypatch.setitem(tutorials.TUTORIALS, "no_activation", train)
    monkeypatch.setitem(tutorials.LIBRARIES, train, ["torchvision"])
    tutorials.main(["no_activation"])
    path = tmp_path / "no_activation.jsonl"
    whole = path.read_bytes()
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:3]))
    tutorials.main(["no_activation"])
    assert trained == [0, 1, 2, 3, 4, 3, 4]
    assert [trial.seed for trial in read(path)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("no_activaton", "there is no tutorial 'no_activaton': choose from tensorflow, "),
        ("no_activation", "no_activation.jsonl is damaged: "),
        ("tensorflow", "No module named 'keras': pip install -e '.[bench]' brings it."),
    ],
)
def test_what_cannot_be_trained_is_said_in_a_sentence(
    name, sentence, tmp_path, monkeypatch, capsys
):
    def train(name: str, seed: int) -> tutorials.History:
        raise ModuleNotFoundError("No module named 'keras'")

    monkeypatch.setattr(tutorials, "PEERS", tmp_path)
    monkeypatch.setitem(tutorials.TUTORIALS, "tensorflow", train)
    (tmp_path / "no_activation.jsonl").write_text("x\n")
    with pytest.raises(SystemExit):
        tutorials.main([name])
    assert sentence in capsys.readouterr().err
