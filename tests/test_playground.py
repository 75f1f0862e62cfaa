"""fmnist_lab.playground: the panel trains what its controls say, stops, and says what is wrong."""

import csv
import html
import re
import time
from base64 import b64decode
from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes

from fmnist_lab.config import BOUNDS, NAMED, Config, names, number
from fmnist_lab.playground import KEPT, Learnt, Playground
from fmnist_lab.runs import records
from fmnist_lab.runs.predictions import Predictions
from fmnist_lab.runs.run import METRICS
from fmnist_lab.sweeps.sweep import locked
from fmnist_lab.training.trainer import train

SMALL = {"depth": 1, "width": 8, "train_size": 500, "batch_size": 100, "epochs": 3}
PATIENCE = 300  # seconds: a busy machine takes long to train
PNG = b"\x89PNG"


@pytest.fixture
def panel(home, published):
    return Playground()


def choose(panel, **values):
    for name, value in values.items():
        panel.controls[name].value = str(value)


def said(panel) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", panel.status.value))


def trained(panel):
    panel.train.click()
    panel.thread.join(PATIENCE)
    assert not panel.thread.is_alive()
    return panel.runs[-1]


def test_every_hyperparameter_has_a_control_with_what_it_may_be(panel):
    assert set(panel.controls) == set(names())
    for name, control in panel.controls.items():
        if name in NAMED:
            assert control.options == NAMED[name]
        else:
            assert control.tooltip == str(BOUNDS[name])


def test_the_estimate_follows_the_controls(panel):
    assert said(panel).endswith(" on one core.")
    before = said(panel)
    choose(panel, width=4096)
    assert said(panel) != before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("learning_rate", rate) for rate in ("fast", "", "nan", "2")),
        *(("width", width) for width in (999_999, 16_385, 0, "", "1.5")),
        ("epochs", "many"),
    ],
)
def test_a_bad_value_is_answered_in_the_panel_and_trains_nothing(panel, name, value):
    choose(panel, **{name: value})
    shown = repr(number(str(value)))
    assert said(panel) == f"{name} is {shown}; it must be {BOUNDS[name]}."
    panel.train.click()
    assert said(panel) == f"{name} is {shown}; it must be {BOUNDS[name]}."
    assert panel.thread is None


@pytest.mark.parametrize(("name", "ends"), [("width", (1, 16_384)), ("learning_rate", (1e-9, 1))])
def test_the_ends_of_what_a_control_may_be_are_taken(panel, name, ends):
    for end in ends:
        choose(panel, **{name: end})
        assert getattr(panel.config(), name) == end
        assert said(panel).endswith(" on one core.")


def test_it_trains_what_the_controls_say_and_keeps_the_run(panel):
    choose(panel, **SMALL)
    run = trained(panel)
    assert (run.config.width, run.epochs) == (8, 3)
    assert records.load(run.config) == run
    assert "% of the validation images right at epoch" in said(panel)
    assert [image.value[:4] for image in panel.images] == [PNG] * 4
    assert (panel.train.disabled, panel.stop.disabled) == (False, True)


def test_it_shows_its_answers_on_validation_images_and_others_on_request(panel, monkeypatch):
    shown = []
    monkeypatch.setattr(
        "fmnist_lab.pictures.answers", lambda images, found, chosen, ax: shown.append(list(chosen))
    )
    assert panel.others.disabled
    choose(panel, **SMALL)
    trained(panel)
    wrong = panel.learnt.found.always_wrong()
    assert shown == [list(range(15)), list(wrong[:15])]
    panel.others.click()
    assert shown[2] == list(range(15, 30))
    panel.page = 12_000 // 15 - 1
    panel.others.click()
    assert shown[3] == list(range(15))  # after all 12,000, the first again


def test_its_answers_are_those_that_the_run_was_measured_by(panel):
    choose(panel, **SMALL)
    run = trained(panel)
    measured = run.best["validation_accuracy"]  # to six digits
    assert panel.learnt.found.correct.mean() == pytest.approx(measured, abs=1e-6)


@pytest.mark.slow
def test_what_is_on_record_is_shown_and_not_trained_again(panel, monkeypatch):
    choose(panel, **SMALL)
    first = trained(panel)
    monkeypatch.setattr("fmnist_lab.training.trainer.train", None)
    assert trained(panel) == first
    assert len(panel.runs) == 1


@pytest.mark.slow
def test_several_runs_are_compared_best_first(panel):
    for seed in (0, 1):
        choose(panel, **SMALL, seed=seed)
        trained(panel)
    accuracies = re.findall(r"<td>(\d\d\.\d+)</td>", panel.table.value)
    assert len(accuracies) == 2
    assert float(accuracies[0]) >= float(accuracies[1])


def test_runs_that_differ_in_a_technique_are_told_apart(panel, made_up_run, fashion):
    for config in (Config(), Config(dropout=0.5), Config(dropout=0.5, seed=1)):
        panel._show(made_up_run(config, stopped_by="patience"), fashion, stopped=False)
        headings = re.findall(r"<th>(\w+)</th>", panel.table.value)
        assert ("dropout" in headings) == (len(panel.runs) > 1)
    assert "weight_decay" not in headings
    assert "dropout 0.5" in panel.status.value


def test_the_curves_and_the_table_of_the_runs_can_be_saved(panel):
    choose(panel, **SMALL)
    run = trained(panel)
    saved = dict(
        re.findall(r'download="([^"]+)" href="data:[^;]+;base64,([^"]+)"', panel.table.value)
    )
    assert b64decode(saved["curves.png"]) == panel.images[0].value
    (row,) = csv.DictReader(b64decode(saved["runs.csv"]).decode().splitlines())
    assert row["id"] == run.id


@pytest.mark.slow
def test_a_picture_has_the_latest_six_runs(panel, made_up_run, fashion, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "fmnist_lab.pictures.loss_and_accuracy", lambda histories, axes: drawn.append([*histories])
    )
    for seed in range(7):
        run = made_up_run(Config(seed=seed), stopped_by="patience")
        panel._show(run, fashion, stopped=False)
    seeds = [[int(name.split()[-1]) for name in names] for names in drawn]
    assert seeds[5:] == [[0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6]]
    drawn.clear()
    choose(panel, **SMALL | {"epochs": 2})
    trained(panel)
    while_training, after = drawn
    assert while_training[-1] == "training now"
    assert len(while_training) == len(after) == 6


@pytest.mark.parametrize(("neurons", "tiles"), [(8, 8), (48, 48), (49, 48)])
def test_it_shows_the_weights_of_48_neurons_at_most(neurons, tiles, monkeypatch):
    shown = []
    monkeypatch.setattr("fmnist_lab.playground.gallery", lambda images, **_: shown.append(images))
    images, found = torch.zeros(1, 784), Predictions(*np.zeros((3, 1, 1), int))
    Learnt(images, found, torch.randn(neurons, 784)).first_weights(Axes)
    assert len(shown[0]) == tiles


def test_stopping_keeps_the_run_of_as_many_epochs_as_were_trained(panel):
    choose(panel, **SMALL | {"epochs": 5000, "patience": 5000})
    panel.train.click()
    while "Epoch 2" not in said(panel):
        time.sleep(0.01)
    panel.stop.click()
    panel.thread.join(PATIENCE)
    (run,) = panel.runs
    assert run.epochs == run.config.epochs < 5000
    assert run.stopped_by == "epochs"
    assert said(panel).endswith(f"; stopped after epoch {run.epochs}.")
    stopped = panel.images[0].value
    choose(panel, epochs=run.epochs, seed=0)
    again = trained(panel)  # from the record
    assert again == run
    assert said(panel).endswith("; ended at its last epoch.")
    assert stopped[:4] == PNG


def test_a_new_panel_stops_the_training_of_the_one_before_and_finds_its_run(panel):
    choose(panel, **SMALL | {"epochs": 5000, "patience": 5000})
    panel.train.click()
    while "Epoch 2" not in said(panel):
        time.sleep(0.01)
    again = Playground()
    panel.thread.join(PATIENCE)
    assert not panel.thread.is_alive()
    (run,) = panel.runs
    choose(again, **SMALL | {"epochs": run.epochs, "patience": 5000})
    assert trained(again) == run


def test_a_second_press_while_training_changes_nothing(panel):
    choose(panel, **SMALL | {"epochs": 200, "patience": 200})
    panel.train.click()
    thread = panel.thread
    while "Epoch 2" not in said(panel):
        time.sleep(0.01)
    panel.train.click()
    assert panel.thread is thread
    panel.stop.click()
    thread.join(PATIENCE)
    assert len(panel.runs) == 1


FAULTS = [
    (MemoryError("no room for 17 GB"), "MemoryError: no room for 17 GB"),
    (MemoryError(), "MemoryError"),
    (RuntimeError("the first line\nthe second"), "RuntimeError: the first line"),
    (records.RecordError("the store cannot be used."), "the store cannot be used."),
]


def test_a_failure_is_a_sentence_and_the_panel_goes_on(panel, monkeypatch):
    choose(panel, **SMALL)
    for fault, sentence in FAULTS:

        def fail(*arguments, fault=fault, **options):
            raise fault

        with monkeypatch.context() as broken:
            broken.setattr("fmnist_lab.training.trainer.train", fail)
            panel.train.click()
            panel.thread.join(PATIENCE)
        assert said(panel) == sentence
        assert (panel.train.disabled, panel.stop.disabled) == (False, True)
    assert trained(panel).epochs == 3


def test_a_run_that_diverged_at_once_is_shown_as_such(panel, made_up_run, fashion):
    nothing = dict.fromkeys(METRICS)
    run = made_up_run(Config(), best=nothing, best_epoch=0, stopped_by="divergence")
    panel._show(run, fashion, stopped=False)
    assert "never learned anything" in said(panel)
    assert said(panel).endswith("ended by divergence.")
    assert panel.others.disabled
    assert [image.value[:4] for image in panel.images] == [PNG] * 4


def test_stopping_in_the_first_epoch_keeps_no_run_and_says_so(panel):
    choose(panel, **SMALL | {"batch_size": 1, "train_size": 48_000})
    panel.train.click()
    while "Epoch 1 of 3" not in said(panel):
        time.sleep(0.01)
    panel.stop.click()
    assert said(panel) == "Stopping."
    panel.thread.join(PATIENCE)
    assert said(panel) == ("Stopped too early: a run with a schedule needs all epochs, others one.")
    assert not panel.runs
    assert not list((records.home() / "runs").glob("*.json"))
    assert (panel.train.disabled, panel.stop.disabled) == (False, True)


def test_stopping_is_heard_while_another_trains_the_same(panel):
    choose(panel, **SMALL)
    with locked([panel.config()]):
        panel.train.click()
        panel.stop.click()
        panel.thread.join(PATIENCE)
        assert not panel.thread.is_alive()
    assert said(panel).startswith("Stopped too early")


@pytest.mark.slow
def test_stopping_in_the_middle_of_an_epoch_keeps_the_epochs_before(panel, fashion):
    choose(panel, **SMALL | {"batch_size": 1, "train_size": 20_000})
    panel.train.click()
    while "Epoch 3 of 3" not in said(panel):
        time.sleep(0.01)
    panel.stop.click()
    panel.thread.join(PATIENCE)
    (run,) = panel.runs
    *_, last = train([replace(run.config, epochs=2)], fashion, keep=KEPT)
    assert run.agrees(last.finished[0])
    assert run.weights == last.finished[0].weights


def test_what_would_take_days_or_more_memory_than_is_free_is_not_started(panel, monkeypatch):
    monkeypatch.delenv("FMNIST_LAB_ANYWAY", raising=False)
    choose(panel, depth=16, width=16384)
    panel.train.click()
    panel.thread.join(PATIENCE)
    assert "To train it all the same, set FMNIST_LAB_ANYWAY=1" in said(panel)
    assert not panel.runs
