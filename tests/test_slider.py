"""The first page's slider passes through what was measured."""

import math
from functools import cache
from typing import Any

import numpy as np
import page_data
import pytest
from playwright.sync_api import expect

from fmnist_lab.sweeps.studies import study
from tests.node import in_node


@cache
def rates() -> dict[str, Any]:
    return page_data.rates()


@pytest.mark.parametrize("name", ["width", "depth"])
def test_the_slider_passes_through_what_was_measured(name):
    networks = rates()[name]
    cases, wanted = [], []
    for network in networks:
        first, own = network["rates"]
        points = [(first, network["ends"][0][0]), *network["path"], (own, network["ends"][1][0])]
        for rate, accuracy in points:
            cases.append([network, math.log(rate / first) / math.log(own / first)])
            wanted.append({"rate": pytest.approx(rate), "accuracy": pytest.approx(accuracy)})
    assert in_node("rates/rates.js", "it.between(...one)", cases) == wanted


def test_the_sliders_ends_are_the_means_of_both_studies():
    for name, networks in rates().items():
        assert [network["name"] for network in networks] == [
            str(value) for value in study(name).values if value
        ]
        for n, part in enumerate((study(name), study(f"{name}_retuned"))):
            means = 100 * part.recorded().table().groupby(name)["validation_accuracy"].mean()
            for network in networks:
                assert network["ends"][n][0] == pytest.approx(means[int(network["name"])])


@pytest.mark.browser
def test_the_slider_moves_by_keyboard_and_says_how_far_apart_networks_are(page, address):
    page.goto(f"{address}/intro.html")
    slider, told = page.get_by_label("Learning rate"), page.locator("#rate-slider [data-part=told]")
    for key, n in (("Home", 0), ("End", 1)):
        slider.press(key)
        apart = {
            name: np.ptp([network["ends"][n][0] for network in networks])
            for name, networks in rates().items()
        }
        wanted = (
            f"the widths lie {apart['width']:.1f} points apart and the depths {apart['depth']:.1f}."
        )
        expect(told).to_contain_text(wanted)
        assert slider.get_attribute("aria-valuetext") == told.inner_text()
        assert page.locator("#rate-slider circle.hollow").count() == 0
    slider.press("ArrowLeft")
    expect(told).to_contain_text("With each network 99 % of the way to its own learning rate")
    assert page.locator("#rate-slider circle.hollow").count() == 9
