"""The playground: a panel in JupyterLab that trains one network, watches it and looks into it.

Needs ipywidgets (extra `book`), which nothing else here imports.
"""

from __future__ import annotations

import html
import threading
from collections.abc import Callable, Sequence
from functools import partial
from io import BytesIO
from typing import Any, ClassVar

import ipywidgets as widgets
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .config import BOUNDS, NAMED, Config, ConfigError, names, number, scientific
from .data import CLASSES, Data, split
from .pictures import gallery
from .pictures.style import look, percent
from .runs import records
from .runs.run import HISTORY, Run
from .runs.runs import Runs
from .sweeps.crew import Crew, Worker, insisted
from .sweeps.progress import duration, settings_text
from .sweeps.sweep import loaded, locked
from .training import environment, trainer
from .training.model import network_of

START = Config(learning_rate=1e-3, batch_size=256, epochs=20)
KEPT = frozenset({"predictions", "weights"})
SHOWN, COLUMNS = 15, 5  # mistakes
NEURONS, ACROSS = 48, 12  # weights
COMPARED = 6  # runs that one picture can tell apart
TABS = ("Curves", "Mistakes", "First-layer weights", "Runs")


class Playground(widgets.VBox):
    """Controls for one configuration; what it takes, a live curve, and a look into what it learnt.

    Training goes on in a thread of its own, so the notebook stays free. What is stopped ends
    before its next batches, and is kept, like any other, as the run of a configuration with as
    many epochs as were finished.
    Running its cell again makes a new panel, which stops the training of the one before.
    """

    _latest: ClassVar[Playground | None] = None
    _stop: threading.Event

    def __init__(self) -> None:
        before, Playground._latest = Playground._latest, self
        if before is not None:
            before._stop.set()
        self.runs = Runs()  # trained or found here, the latest last
        self.thread: threading.Thread | None = None
        self._stop = threading.Event()
        self.controls = {name: control(name) for name in names()}
        for one in self.controls.values():
            one.observe(lambda change: self._estimate(), "value")
        self.train = widgets.Button(description="Train", button_style="primary")
        self.stop = widgets.Button(description="Stop", disabled=True)
        self.train.on_click(lambda button: self.start())
        self.stop.on_click(lambda button: self.end())
        self.status = widgets.HTML()
        self.images = [widgets.Image(format="png") for _ in TABS[:-1]]
        self.table = widgets.HTML()
        tabs = widgets.Tab([*self.images, self.table], titles=TABS)
        grid = widgets.GridBox(
            list(self.controls.values()),
            layout=widgets.Layout(grid_template_columns="repeat(auto-fit, minmax(300px, 1fr))"),
        )
        super().__init__([grid, widgets.HBox([self.train, self.stop]), self.status, tabs])
        self._estimate()

    def config(self) -> Config:
        """Return what the controls say. Raises `ConfigError`, naming every fault."""
        return Config.from_dict({name: number(one.value) for name, one in self.controls.items()})

    def start(self) -> None:
        """Train what the controls say, unless it is on record; one training at a time."""
        if self.thread is not None and self.thread.is_alive():
            return
        try:
            config = self.config()
        except ConfigError as fault:
            self._say(str(fault))
            return
        self._stop.clear()
        self.train.disabled, self.stop.disabled = True, False
        self.thread = threading.Thread(target=self._work, args=(config,), daemon=True)
        self.thread.start()

    def end(self) -> None:
        """Stop training after the batches that are under way."""
        if self.thread is not None and self.thread.is_alive():
            self.stop.disabled = True
            self._say("Stopping.")
            self._stop.set()

    def _work(self, config: Config) -> None:
        try:
            self._say("Loading the images.")
            fashion = loaded("cpu")
            with locked([config]):  # who trains the same elsewhere is waited for
                run = records.load(config, KEPT) or self._trained(config, fashion)
            if run is None:
                self._say("Stopped before the first epoch was finished: there is no run to keep.")
            else:
                self._say(f"Drawing what {settings_text(run.config)} has learnt.")
                self._show(run, fashion)
        except ConfigError as fault:
            self._say(str(fault))
        except Exception as fault:  # whatever it is, the panel says it and can be used again
            self._say(f"{type(fault).__name__}: {str(fault).splitlines()[0]}")
        finally:
            self.train.disabled, self.stop.disabled = False, True

    def _trained(self, config: Config, fashion: Data) -> Run | None:
        """Return the run of what the panel trains, None if it is stopped in the first epoch."""
        if not insisted():
            Crew([Worker.here("cpu")]).admit([config])
        history: dict[str, list[float | None]] = {name: [] for name in HISTORY}
        with environment.threads(config):
            self._say(f"Epoch 1 of {config.epochs} at most.")
            for epoch in trainer.train([config], fashion, keep=KEPT, stop=self._stop):
                if epoch.finished:
                    records.save(epoch.finished[0])
                    return epoch.finished[0]
                if not epoch.metrics:
                    self._say(f"Stopped after epoch {epoch.number}: reading what was learnt.")
                    continue
                self._say(f"Epoch {epoch.number + 1} of {config.epochs} at most.")
                for name, value in epoch.metrics[config.seed].items():
                    history[name].append(value)
                self._draw(0, partial(curves, compared=self.runs[-COMPARED + 1 :], now=history))
        return None

    def _show(self, run: Run, fashion: Data) -> None:
        self.runs = Runs([*(other for other in self.runs if other.id != run.id), run])
        self._draw(0, partial(curves, compared=self.runs[-COMPARED:]))
        self._draw(1, partial(mistakes, run=run, fashion=fashion))
        self._draw(2, partial(first_weights, run=run))
        self.table.value = compared(self.runs)
        accuracy = run.best["validation_accuracy"]
        best = "never learnt anything" if accuracy is None else f"{100 * accuracy:.2f} %"
        ended = {"patience": "by patience", "epochs": "at its last epoch"}.get(run.stopped_by)
        self._say(f"{settings_text(run.config)}: {best} of the validation images right at epoch "
                  f"{run.best_epoch}; ended {ended or 'by divergence'}.")  # fmt: skip

    def _draw(self, place: int, draw: Callable[[Axes], Any]) -> None:
        figure = Figure(figsize=(7.5, 5), dpi=110, layout="constrained")
        draw(figure.add_subplot())
        content = BytesIO()
        figure.savefig(content, format="png")
        self.images[place].value = content.getvalue()

    def _say(self, sentence: str) -> None:
        told = f'<p role="status" style="white-space: pre-line">{html.escape(sentence)}</p>'
        self.status.value = told

    def _estimate(self) -> None:
        """Say how long the training would take, or what is wrong with a control's value."""
        try:
            config = self.config()
        except ConfigError as fault:
            self._say(str(fault))
            return
        if self.thread is None or not self.thread.is_alive():
            known = records.load(config, KEPT) is not None
            seconds = Worker.here("cpu").seconds([config])
            self._say("On record: nothing to train." if known else
                      f"{duration(seconds)} at most on one core.")  # fmt: skip


def control(name: str) -> Any:
    """Return the control of a hyperparameter, with what it may be as its hint."""
    value, style = getattr(START, name), {"description_width": "110px"}
    told = {"description": name.replace("_", " "), "style": style}
    if name in NAMED:
        return widgets.Dropdown(options=NAMED[name], value=value, **told)
    bounds = BOUNDS[name]
    hint = {"tooltip": str(bounds), "continuous_update": False}
    if name == "learning_rate":  # a text: 1e-3 is what people write
        return widgets.Text(value=scientific(value), **told, **hint)
    return widgets.BoundedIntText(
        value=value, min=int(bounds.low), max=int(bounds.high), **told, **hint
    )


def curves(
    ax: Axes, compared: Sequence[Run], now: dict[str, list[float | None]] | None = None
) -> None:
    """Draw validation accuracy by epoch of earlier runs, and of the one that trains now."""
    lines = [(settings_text(run.config), run.history["validation_accuracy"]) for run in compared]
    if now is not None:
        lines.append(("training now", now["validation_accuracy"]))
    for n, (name, values) in enumerate(lines):
        ax.plot(range(1, len(values) + 1), values, label=name, **look(n))
    percent(ax.yaxis)
    ax.set(xlabel="epoch", ylabel="validation accuracy")
    ax.legend(fontsize=8, frameon=False, loc="lower right")


def mistakes(ax: Axes, run: Run, fashion: Data) -> None:
    """Show the validation images that a run is surest of and gets wrong."""
    if run.weights is None:
        ax.set_axis_off()
        return
    chosen = split(run.config.seed)[1]
    network = network_of(run.config.depth, run.config.width, run.best_weights())
    with torch.no_grad():
        sure, answers = torch.softmax(network(fashion.images[chosen]), 1).max(1)
    wrong = (answers != fashion.labels[chosen]).nonzero().flatten()
    surest = wrong[sure[wrong].argsort(descending=True)][:SHOWN]
    words = [
        f"{CLASSES[fashion.labels[chosen[n]]]}\n{CLASSES[answers[n]]}, {100 * sure[n]:.0f} %"
        for n in surest
    ]
    gallery(fashion.images[chosen[surest]], columns=COLUMNS, captions=words, ax=ax)


def first_weights(ax: Axes, run: Run) -> None:
    """Show the first layer's weights, a tile a neuron; grey is zero."""
    if run.weights is None:
        ax.set_axis_off()
        return
    network = network_of(run.config.depth, run.config.width, run.best_weights())
    weights = network.linears()[0].weight.detach()[:NEURONS]  # (neurons, 784)
    scale = weights.abs().amax(1, keepdim=True).clamp_min(1e-12)
    gallery(0.5 + weights / scale / 2, columns=ACROSS, ax=ax)


def compared(runs: Runs) -> str:
    """Return the runs as an HTML table, the best first."""
    frame = runs.table().sort_values("validation_accuracy", ascending=False)
    shown = frame[["loss", "depth", "width", "batch_size", "learning_rate", "precision", "seed"]]
    shown = shown.assign(
        epochs=frame["epochs_run"], accuracy=(100 * frame["validation_accuracy"]).round(2)
    )
    return shown.to_html(index=False)
