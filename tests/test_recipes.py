"""Recipes: how tutorials train, compared with plain PyTorch; and the published trials."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from benchmarks import recipes
from fmnist_lab.data import Data, generator
from fmnist_lab.runs.recipes import FOLDER, RECIPES, read, trials
from fmnist_lab.runs.records import DamagedError
from fmnist_lab.sources import DIGEST

SEED = 3


@pytest.fixture(scope="module")
def small() -> Data:
    draw = torch.Generator().manual_seed(0)
    images, tests = torch.rand(130, 784, generator=draw), torch.rand(50, 784, generator=draw)
    labels = torch.randint(0, 10, (180,), generator=draw)
    return Data(images, labels[:130], tests, labels[130:], "0" * 16)


def by_pytorch(recipe: recipes.Recipe, data: Data) -> tuple[nn.Sequential, list[float]]:
    """Train one network as a tutorial does; return it with its test accuracies."""
    draw, inputs, layers = generator(SEED, "weights"), 784, list[nn.Module]()
    for layer in recipe.layers:
        if isinstance(layer, int):
            weights, biases = recipes.weights(recipe, inputs, layer, draw)
            layers.append(linear := nn.Linear(inputs, layer))
            linear.weight.data, linear.bias.data = weights.T.contiguous(), biases[0]
            inputs = layer
        else:
            layers.append(nn.ReLU())
    network, accuracies = nn.Sequential(*layers), []
    optimizer: torch.optim.Optimizer
    if recipe.optimizer == "adam":
        optimizer = torch.optim.Adam(network.parameters(), recipe.learning_rate, eps=recipe.epsilon)
    else:
        optimizer = torch.optim.SGD(network.parameters(), recipe.learning_rate, recipe.momentum)
    mean, deviation = recipe.standardised
    first, end = recipe.validation
    used = [n for n in range(len(data.images)) if not first <= n < end]
    order = generator(SEED, "order")
    for _ in range(recipe.epochs):
        drawn = torch.randperm(len(used), generator=order).tolist()
        rows = [used[n] for n in drawn] if recipe.shuffled else used
        for start in range(0, len(rows), recipe.batch_size):
            batch = rows[start : start + recipe.batch_size]
            logits = network((data.images[batch] - mean) / deviation)
            loss = nn.CrossEntropyLoss()(logits, data.labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        right = network((data.test_images - mean) / deviation).argmax(1) == data.test_labels
        accuracies.append(right.double().mean().item())
    return network, accuracies


TRAINED = [*RECIPES, *recipes.VARIANTS]


@pytest.mark.parametrize("name", [name for name in TRAINED if "dropout" not in name])
def test_a_network_among_others_trains_as_alone_in_pytorchs_own_words(name, small, monkeypatch):
    recipe = replace(recipes.Recipe.of(name), epochs=2)
    recipe = replace(recipe, validation=(0, 30) if recipe.validation[1] else (0, 0))
    monkeypatch.setattr(recipes.Recipe, "of", lambda name: recipe)
    found = recipes.train(name, [1, SEED, 5], small)[1]
    assert found.history["test_accuracy"] == pytest.approx(by_pytorch(recipe, small)[1], abs=1e-5)


@pytest.mark.parametrize("name", recipes.VARIANTS)
def test_a_variant_changes_the_one_setting_that_it_is_named_for(name):
    base, _, changed = name.partition("-")
    variant, recipe = (recipes.Recipe.of(one).settings() for one in (name, base))
    assert {key for key in recipe if recipe[key] != variant[key]} == {changed}


def test_dropout_drops_while_it_trains_and_not_while_it_is_asked(small, monkeypatch):
    dropping = replace(recipes.Recipe.of("d2l_scratch"), layers=(32, "relu", 0.5, 10), epochs=2)
    monkeypatch.setattr(recipes.Recipe, "of", lambda name: dropping)
    first, again = (recipes.train("dropping", [SEED], small)[0] for _ in range(2))
    assert first.history == again.history  # its masks follow from the seed
    whole = replace(dropping, layers=(32, "relu", 10))
    monkeypatch.setattr(recipes.Recipe, "of", lambda name: whole)
    assert recipes.train("dropping", [SEED], small)[0].history != first.history


def test_accuracy_by_batch_counts_a_short_last_batch_as_much_as_a_whole_one(small, monkeypatch):
    recipe = replace(recipes.Recipe.of("no_activation"), epochs=1)  # batches of 32 and 18 of 50
    monkeypatch.setattr(recipes.Recipe, "of", lambda name: recipe)
    (found,) = recipes.train("any", [SEED], small)
    network, _ = by_pytorch(recipe, small)
    right = (network(small.test_images).argmax(1) == small.test_labels).double()
    wanted = (right[:32].mean() + right[32:].mean()) / 2
    assert found.history["test_accuracy_by_batch"] == [pytest.approx(wanted.item(), abs=1e-5)]


PUBLISHED = sorted(path.stem for path in FOLDER.glob("*.jsonl"))


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_trials_are_whole_stacks_of_seeds_and_repeat_their_recipe(name):
    """So that their number never follows from a result."""
    found, recipe = trials(name), recipes.Recipe.of(name)
    seeds = recipes.SEEDS[: recipes.STACK] if name in recipes.VARIANTS else recipes.SEEDS
    assert [trial.seed for trial in found] == [*seeds][: len(found)]
    assert len(found) % recipes.STACK == 0
    for trial in found:
        assert (trial.recipe, trial.data, trial.settings) == (name, DIGEST, recipe.settings())
        lengths = {len(accuracies) for accuracies in trial.history.values()}
        assert lengths == {recipe.epochs}
        assert all(0 <= a <= 1 for accuracies in trial.history.values() for a in accuracies)
        assert ("validation_accuracy" in trial.history) == (recipe.validation != (0, 0))


def test_a_recipe_that_is_not_run_yet_has_no_trials():
    assert trials("nobody ran this") == []


@pytest.mark.parametrize("change", [b"1", b"{}\n", b"no JSON"])
def test_a_damaged_file_of_trials_is_named_in_one_sentence(tmp_path, change):
    path = tmp_path / "tensorflow.jsonl"
    line = (FOLDER / "tensorflow.jsonl").read_bytes().splitlines(keepends=True)[0]
    path.write_bytes(line.replace(b'"seed":0', b'"seed":7') if change == b"1" else change)
    with pytest.raises(DamagedError, match="is damaged: ") as fault:
        read(path)
    assert "\n" not in str(fault.value)


@pytest.mark.slow
def test_the_command_publishes_what_is_missing_and_goes_on_where_it_stopped(
    tmp_path, small, monkeypatch, capsys
):
    monkeypatch.setattr("fmnist_lab.data.load", lambda: small)
    recipe = replace(recipes.Recipe.of("no_activation"), epochs=1)
    monkeypatch.setattr(recipes.Recipe, "of", lambda name: recipe)
    recipes.main(["no_activation", "--to", str(tmp_path)])
    path = tmp_path / "no_activation.jsonl"
    whole = path.read_bytes()
    assert [trial.seed for trial in read(path)] == [*recipes.SEEDS]
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:20]))
    recipes.main(["no_activation", "--to", str(tmp_path)])
    assert capsys.readouterr().err.endswith("no_activation: 30 of 30\n")
    assert [trial.seed for trial in read(path)] == [*recipes.SEEDS]
    with pytest.raises(SystemExit):
        recipes.main(["no_activaton"])
    assert "there is no recipe 'no_activaton'" in capsys.readouterr().err
