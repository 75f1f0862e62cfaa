"""No figure stays open after a test of pictures."""

import matplotlib
import matplotlib.pyplot as plt
import pytest

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _closed_afterwards():
    yield
    plt.close("all")
