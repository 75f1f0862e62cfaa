"""Claims with their verdicts as boxes."""

from dataclasses import replace

import pytest

from fmnist_lab.config import ConfigError
from fmnist_lab.verdicts import claims
from fmnist_lab.verdicts.claims import SYMBOLS
from fmnist_lab.verdicts.conclusions import CLAIMS
from fmnist_lab.verdicts.judgement import judge_claims
from fmnist_lab.verdicts.rules import NAMES

each_claim = pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)


@pytest.fixture(scope="module")
def judged(whole_book):
    return claims.judge(runs=whole_book)


@each_claim
def test_a_box_starts_with_the_verdicts_symbol_and_word(claim, judged):
    box = claims.Box(judged[claim.id])
    word = box.judgement.first.name
    start = f"{SYMBOLS[word]} {word}"
    assert repr(box).startswith(start)
    assert claim.id in repr(box).splitlines()[0]
    markup = box._repr_html_()
    assert f'class="verdict verdict-{word.replace(" ", "-")}"' in markup
    assert markup.index(start) < markup.index("The report concludes")
    assert markup.count("<p") == markup.count("</p>")


def test_a_box_is_found_by_its_id(width_runs):
    assert "claim W2" in repr(claims.box("W2", width_runs({128: 0.84})))


def test_several_boxes_stand_in_a_row(width_runs):
    runs = width_runs({128: 0.84, 512: 0.85}, seeds=3)
    row = claims.boxes("W2", "L1", runs=runs)
    alone = [claims.box("W2", runs), claims.box("L1", runs)]
    assert list(row) == alone
    assert repr(row) == f"{alone[0]!r}\n\n{alone[1]!r}"
    assert row._repr_html_() == "".join(box._repr_html_() for box in alone)


def test_a_chapters_name_stands_for_its_claims():
    row = claims.boxes("width", "F1", runs=[])
    assert [box.judgement.claim.id for box in row] == ["W1", "W2", "W3", "W4", "F1"]


def test_a_box_escapes_what_it_shows(width_runs):
    odd = replace(CLAIMS["W2"], says="a < b & c")
    judgement = judge_claims([odd], width_runs({128: 0.84}))["W2"]
    assert "a &lt; b &amp; c" in claims.Box(judgement)._repr_html_()


def test_every_verdict_has_a_symbol_of_its_own():
    assert set(SYMBOLS) == set(NAMES)
    assert len(set(SYMBOLS.values())) == len(NAMES)


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda: claims.box("W9"), "there is no claim 'W9': choose from L1, L2, D1"),
        (lambda: claims.boxes("W1", "W9"), "there is no claim 'W9': choose from L1, L2, D1"),
        (lambda: claims.judge("widht"), "there is no chapter 'widht': did you mean 'width'?"),
    ],
)
def test_an_unknown_name_is_an_error_that_names_it(ask, sentence):
    with pytest.raises(ConfigError, match="there is no") as error:
        ask()
    assert str(error.value).startswith(sentence)
