"""The picture of how fast the trainer is shows what the results say."""

from fmnist_lab import pictures
from fmnist_lab.facts import benchmark
from tests.pictures.measured import OURS, PRODUCTS, SLOW, one, results


def test_the_picture_shows_every_median_and_marks_ours_apart():
    (ax,) = pictures.speed(benchmark.medians(results(ours=OURS, slow=SLOW, products=PRODUCTS)))
    marks = {
        line.get_marker(): float(line.get_xdata()[0])
        for line in ax.get_lines()
        if line.get_marker() in {"D", "o"}
    }
    assert marks == {"D": 2.0, "o": 8.0}
    assert [text.get_text() for text in ax.texts] == ["2.0 s", "4.0×"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["fmnist-lab", "slow"]
    assert ax.get_xscale() == "log"


def test_the_picture_has_a_line_at_each_floor_in_a_style_of_its_own():
    adam = one("Adam alone", [0.25], floor=True)
    frame = benchmark.medians(results(ours=OURS, products=PRODUCTS, adam=adam))
    (ax,) = pictures.speed(frame)
    floors = {
        float(line.get_xdata()[0]): line.get_linestyle()
        for line in ax.get_lines()
        if list(line.get_ydata()) == [0, 1]
    }
    assert set(floors) == {1.0, 0.25}
    assert len(set(floors.values())) == 2
    (legend,) = ax.figure.legends
    assert {"matrix products alone", "Adam alone"} <= {t.get_text() for t in legend.get_texts()}


def test_nothing_measured_is_an_empty_picture():
    assert pictures.speed(benchmark.medians(results(ours=OURS)).iloc[:0]) == []


def test_there_is_a_panel_a_workload_with_the_same_trainers_side_by_side():
    measured = results(ours=OURS, slow=SLOW)
    for name in ("second", "third"):
        measured["workloads"][name] = measured["workloads"]["small"] | {"title": name}
    panels = pictures.speed(benchmark.medians(measured))
    assert [ax.get_title() for ax in panels] == ["1 × 8, batch 4", "second", "third"]
