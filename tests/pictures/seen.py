"""What a reader sees of a picture: its lines, entries, texts and labels."""

import numpy as np


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def heights(ax):
    return {name: np.asarray(line.get_ydata(), float) for name, line in lines(ax).items()}


def drawn(ax, number=0):
    line = ax.get_lines()[number]
    return np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)


def entries(ax):
    legend = ax.get_legend()
    return [text.get_text() for text in legend.get_texts()] if legend else []


def texts(ax):
    return [text.get_text() for text in ax.texts]


def labels(axis):
    return [tick.get_text() for tick in axis.get_ticklabels()]


def canvas(ax):
    (image,) = ax.images
    return np.asarray(image.get_array())
