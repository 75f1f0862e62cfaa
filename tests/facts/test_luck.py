"""fmnist_lab.facts.luck: the streams that a seed's luck comes from, and its intervals."""

import numpy as np
import pytest
from matplotlib import pyplot as plt

from fmnist_lab import facts, pictures
from fmnist_lab.runs import records
from fmnist_lab.sweeps.studies import STUDIES

STREAMS = STUDIES["streams"]


@pytest.fixture
def recorded(home, published, made_up_run):
    """Return a function that saves the runs, each with the accuracy of its three seeds."""

    def save(accuracy, but=0):
        for config in STREAMS.configs()[but:]:
            value = accuracy(config.seed, config.weights_seed, config.order_seed)
            records.save(made_up_run(config, accuracy=value))

    return save


def test_each_stream_gets_the_share_it_was_given(recorded):
    # Variances of levels 0 to 4 (2.5), in points: 2.5 of the split, four times that of the order.
    recorded(lambda split, weights, order: 0.8 + 0.01 * split + 0.02 * order)
    parts = facts.parts_of_luck()["validation images"]
    assert parts["variance"].to_dict() == pytest.approx(
        {name: {"split": 2.5, "order": 10}.get(name, 0) for name in parts.index}, abs=1e-9
    )
    told = facts.streams({"validation images": parts})
    assert told["split"].startswith("20 % (")
    assert told["initial_weights"].startswith("0 % (")
    assert told["order"].startswith("80 % (")
    assert told["together"] == pytest.approx(0)


def test_an_interval_for_other_images_is_wider_by_the_splits_part_alone(recorded):
    t = 2.262157  # of nine degrees of freedom, both sides together 5 %
    recorded(lambda split, weights, order: 0.8 + 0.01 * weights)
    without = facts.streams(facts.parts_of_luck())
    assert without["here"] == pytest.approx(t * np.sqrt(2.5 / 10))
    assert without["elsewhere"] == without["here"]
    assert without["all_shared"] == pytest.approx(t * np.sqrt(2.5 / 10 + 2.5 / 4))


def test_where_the_split_is_all_the_luck_both_corrections_agree(recorded):
    recorded(lambda split, weights, order: 0.8 + 0.01 * split)
    found = facts.streams(facts.parts_of_luck())
    assert found["elsewhere"] == pytest.approx(found["all_shared"])
    assert found["elsewhere"] > found["here"]


@pytest.mark.parametrize("lacking", [1, 125])
def test_while_a_run_lacks_there_are_no_parts_and_the_page_can_say_so(recorded, lacking):
    recorded(lambda split, weights, order: 0.8 + 0.01 * split, but=lacking)
    parts = facts.parts_of_luck()
    assert all(table["share"].isna().all() for table in parts.values())
    found = facts.streams(parts)
    assert (found["crossed"], found["to_cross"]) == (125 - lacking, 125)
    ax = pictures.parts_of_luck(parts)
    assert [text.get_text() for text in ax.get_yticklabels()] == list(parts["test images"].index)
    assert not any(np.isfinite(line.get_xdata()).any() for line in ax.get_lines())
    plt.close("all")


def test_the_picture_has_a_mark_a_part_and_kind_of_image_with_its_interval(recorded):
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.01, (5, 5, 5))
    recorded(lambda *seeds: 0.8 + noise[seeds])
    parts = facts.parts_of_luck()
    ax = pictures.parts_of_luck(parts)
    for container, table in zip(ax.containers, parts.values(), strict=True):
        marks, _, (bars,) = container.lines
        assert marks.get_xdata() == pytest.approx(100 * table["share"])
        ends = np.array([segment[:, 0] for segment in bars.get_segments()])
        assert ends == pytest.approx(100 * table[["low", "high"]].to_numpy())
    plt.close("all")
