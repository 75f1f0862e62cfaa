"""The playground: a panel in JupyterLab that trains a network, watches it and looks inside.

Needs ipywidgets (extra `book`), which nothing else here imports.
"""

from __future__ import annotations

import html
import threading
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any, ClassVar

import ipywidgets as widgets
import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from . import pictures
from .config import BOUNDS, NAMED, Config, ConfigError, PlainError, names, number, written
from .data import Data, split
from .pictures.images import gallery
from .pictures.style import STYLE
from .runs import records
from .runs.predictions import Predictions
from .runs.run import HISTORY, Run
from .runs.runs import Runs
from .sweeps.crew import Crew, Worker, at_most, insisted
from .sweeps.progress import settings_text
from .sweeps.sweep import loaded, locked
from .training import environment, trainer
from .training.evaluation import CHUNK
from .training.model import network_of

History = dict[str, list[float | None]]

START = Config(learning_rate=1e-3, batch_size=256, epochs=20)
KEPT = frozenset({"predictions", "weights"})
SHOWN = 15  # images
NEURONS, ACROSS = 48, 12  # weights
COMPARED = 6  # runs that one picture can tell apart
SIZE = 8, 5  # inches of a picture
TABS = ("Curves", "Predictions", "Mistakes", "First-layer weights", "Runs")
# How a run ended, in words.
ENDED = {"patience": "by patience", "epochs": "at its last epoch", "divergence": "by divergence"}


class Playground(widgets.VBox):
    """Controls for one configuration; what it takes, a live curve, and a look into what it learned.

    Training runs in its own thread, so the notebook stays free. A stopped training ends before its
    next batches and is kept, like any other, as the run of a configuration with as many epochs as
    were finished. Running the cell again makes a new panel, which stops the old one's training.
    """

    _latest: ClassVar[Playground | None] = None
    _stop: threading.Event

    def __init__(self) -> None:
        before, Playground._latest = Playground._latest, self
        if before is not None:
            before._stop.set()
        mpl.rcParams.update(STYLE)  # as with a page's first figure
        self.runs = Runs()  # trained or found here, the latest last
        self.page = 0  # of the validation images
        self.learnt: Learnt | None = None  # by the latest run
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
        for place in range(len(self.images)):
            self._draw(place, partial(words, sentence="Nothing has been trained yet."))
        self.others = widgets.Button(description="Other images", disabled=True)
        self.others.on_click(lambda button: self.turn())
        self.table = widgets.HTML()
        curves, answers, *looks = self.images
        shown = [curves, widgets.VBox([answers, self.others]), *looks, self.table]
        tabs = widgets.Tab(shown, titles=TABS)
        grid = widgets.GridBox(
            list(self.controls.values()),
            layout=widgets.Layout(grid_template_columns="repeat(auto-fit, minmax(300px, 1fr))"),
        )
        super().__init__([grid, widgets.HBox([self.train, self.stop]), self.status, tabs])
        self._estimate()

    def config(self) -> Config | None:
        """Return what the controls say, or tell in the panel what is wrong with it."""
        try:
            return Config.from_dict({name: number(c.value) for name, c in self.controls.items()})
        except ConfigError as fault:
            self._say(str(fault))
            return None

    def busy(self) -> bool:
        """Return whether a training is running."""
        return self.thread is not None and self.thread.is_alive()

    def start(self) -> None:
        """Train what the controls say, unless it is on record; one training at a time."""
        if self.busy() or (config := self.config()) is None:
            return
        self._stop.clear()
        self.train.disabled, self.stop.disabled = True, False
        self.thread = threading.Thread(target=self._work, args=(config,), daemon=True)
        self.thread.start()

    def end(self) -> None:
        """Stop training after the batches that are under way."""
        if self.busy():
            self.stop.disabled = True
            self._say("Stopping.")
            self._stop.set()

    def _work(self, config: Config) -> None:
        try:
            self._say("Loading the images.")
            fashion = loaded("cpu")
            with locked([config], self._stop):  # who trains the same elsewhere is waited for
                run = records.load(config, KEPT) or self._trained(config, fashion)
            if run is None:
                self._say("Stopped too early: a run with a schedule needs all epochs, others one.")
            else:
                self._say(f"Drawing what {settings_text(run.config)} has learned.")
                self._show(run, fashion, stopped=run.config != config)
        except PlainError as fault:
            self._say(str(fault))
        except Exception as fault:  # whatever it is, the panel says it and can be used again
            self._say(": ".join([type(fault).__name__, *str(fault).splitlines()[:1]]))
        finally:
            self.train.disabled, self.stop.disabled = False, True

    def _trained(self, config: Config, fashion: Data) -> Run | None:
        """Return the run that the panel trains, None if it is stopped too early to keep."""
        if not insisted():
            Crew([Worker.here("cpu")]).admit([config])
        history: History = {name: [] for name in HISTORY}
        with environment.threads(config):
            self._say(f"Epoch 1 of {config.epochs} at most.")
            for epoch in trainer.train([config], fashion, keep=KEPT, stop=self._stop):
                if epoch.finished:
                    records.save(epoch.finished[0])
                    return epoch.finished[0]
                if not epoch.metrics:
                    self._say(f"Stopped after epoch {epoch.number}: measuring how good it is.")
                    continue
                self._say(f"Epoch {epoch.number + 1} of {config.epochs} at most.")
                for name, value in epoch.metrics[config.seed].items():
                    history[name].append(value)
                self._curves(self.runs[-COMPARED + 1 :], history)
        return None

    def _show(self, run: Run, fashion: Data, stopped: bool) -> None:
        self.stop.disabled = True
        self.runs = Runs([*(other for other in self.runs if other.id != run.id), run])
        self._curves(self.runs[-COMPARED:])
        known = Learnt.of(run, fashion) if run.weights is not None else None
        self.page, self.learnt = 0, known
        self.others.disabled = known is None
        diverged = partial(words, sentence="It diverged before it had learned anything.")
        draws: Sequence[Callable[[Axes], None]] = [diverged] * 3
        if known is not None:
            draws = [known.answers, known.mistakes, known.first_weights]
        for place, draw in enumerate(draws, 1):
            self._draw(place, draw)
        self.table.value = compared(self.runs) + self._files()
        accuracy = run.best["validation_accuracy"]
        best = "never learned anything" if accuracy is None else f"{100 * accuracy:.2f} %"
        ended = f"stopped after epoch {run.epochs}" if stopped else f"ended {ENDED[run.stopped_by]}"
        self._say(f"{settings_text(run.config)}: {best} of the validation images right at epoch "
                  f"{run.best_epoch}; {ended}.")  # fmt: skip

    def _files(self) -> str:
        """Return links that save the picture of the curves and all that is known about the runs."""
        table = self.runs.table().to_csv(index=False).encode()
        files = {"curves.png": ("image/png", self.images[0].value), "runs.csv": ("text/csv", table)}
        return " ".join(
            f'<a download="{name}" href="data:{kind};base64,{b64encode(content).decode()}">'
            f"Save {name}</a>"
            for name, (kind, content) in files.items()
        )

    def turn(self) -> None:
        """Show the next validation images, after the last the first."""
        if self.learnt is not None:
            self.page += 1
            self._draw(1, partial(self.learnt.answers, page=self.page))

    def _curves(self, runs: Sequence[Run], now: History | None = None) -> None:
        histories = {settings_text(run.config): run.history for run in runs}
        if now is not None:
            histories["training now"] = now
        self._draw(0, lambda *drawn: pictures.loss_and_accuracy(histories, drawn), panels=2)

    def _draw(self, place: int, draw: Callable[..., Any], panels: int = 1) -> None:
        figure = Figure(figsize=SIZE, dpi=110, layout="constrained")
        draw(*figure.subplots(1, panels, squeeze=False).flat)
        content = BytesIO()
        figure.savefig(content, format="png")
        self.images[place].value = content.getvalue()

    def _say(self, sentence: str) -> None:
        told = f'<p role="status" style="white-space: pre-line">{html.escape(sentence)}</p>'
        self.status.value = told

    def _estimate(self) -> None:
        """Say how long the training would take, or what is wrong with a control's value."""
        if (config := self.config()) is not None and not self.busy():
            known = records.load(config, KEPT) is not None
            seconds = Worker.here("cpu").seconds([config])
            self._say("On record: nothing to train." if known else
                      f"It takes {at_most(seconds)} on one core.")  # fmt: skip


def control(name: str) -> Any:
    """Return the control of a hyperparameter, with what it may be as its hint."""
    value, style = getattr(START, name), {"description_width": "110px"}
    label = {"description": name.replace("_", " "), "style": style}
    if name in NAMED:
        return widgets.Dropdown(options=NAMED[name], value=value, **label)
    # A text: 1e-3 is what people write. A box of whole numbers would change what is out of range
    # without a word.
    hint = str(BOUNDS[name])
    return widgets.Text(value=written(value), tooltip=hint, continuous_update=False, **label)


@dataclass(frozen=True)
class Learnt:
    """What a run's network says about its validation images, and its first layer."""

    images: Tensor  # (12000, 784)
    found: Predictions
    weights: Tensor  # (neurons, 784), of the first layer

    @classmethod
    def of(cls, run: Run, fashion: Data) -> Learnt:
        """Ask the network with the weights of the run's best epoch, which it must have kept."""
        chosen = split(run.config.seed)[1]
        images, labels = fashion.images[chosen], fashion.labels[chosen]
        network = network_of(run.config, run.best_weights())
        with torch.no_grad(), environment.threads(run.config):
            logits = torch.cat([network(part) for part in images.split(CHUNK)])
        sure, classes = torch.softmax(logits, 1).max(1, keepdim=True)
        found = Predictions(labels.numpy(), classes.T.numpy(), sure.T.numpy())
        return cls(images, found, network.linears()[0].weight.detach())

    def answers(self, ax: Axes, page: int = 0) -> None:
        """Show a page of the images, in the random order of the split."""
        chosen = (page * SHOWN + np.arange(SHOWN)) % len(self.images)
        pictures.answers(self.images, self.found, chosen, ax)

    def mistakes(self, ax: Axes) -> None:
        """Show the images that the network is surest of and gets wrong."""
        pictures.answers(self.images, self.found, self.found.always_wrong()[:SHOWN], ax)

    def first_weights(self, ax: Axes) -> None:
        """Show the first layer's weights, a tile per neuron; grey is zero."""
        weights = self.weights[:NEURONS]
        scale = weights.abs().amax(1, keepdim=True).clamp_min(1e-12)
        gallery(0.5 + weights / scale / 2, columns=ACROSS, ax=ax)


def words(ax: Axes, sentence: str) -> None:
    """Show a sentence instead of a picture."""
    ax.set_axis_off()
    ax.text(0.5, 0.5, sentence, ha="center")


def compared(runs: Runs) -> str:
    """Return the runs as an HTML table, the best first: what all have, and what they differ in."""
    frame = runs.table().sort_values("validation_accuracy", ascending=False)
    main = ["loss", "depth", "width", "batch_size", "learning_rate", "precision", "seed"]
    others = [name for name in names() if name not in main and frame[name].nunique() > 1]
    shown = frame[main + others].assign(
        epochs=frame["epochs_run"], accuracy=(100 * frame["validation_accuracy"]).round(2)
    )
    return shown.to_html(index=False)
