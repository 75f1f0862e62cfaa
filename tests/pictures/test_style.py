"""A value is written alike everywhere."""

import pytest

from fmnist_lab.pictures.style import label


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (256, "256"),
        (0.05, "5e-2"),
        (2.05e-5, "2.05e-5"),
        ("cross_entropy", "cross entropy"),
    ],
)
def test_a_value_is_shown_as_it_is_written(value, shown):
    assert label(value) == shown
