"""The table of all claims."""

import re

import pytest

from fmnist_lab.config import Config
from fmnist_lab.pictures.verdicts import Ledger, Log
from fmnist_lab.verdicts.conclusions import CLAIMS
from fmnist_lab.verdicts.judgement import judge_claims
from fmnist_lab.verdicts.log import LOG


@pytest.fixture(scope="module")
def made_up(made_up_run):
    """Cross-entropy far above MSE on three seeds; MAE on one."""
    accuracy = {"cross_entropy": 0.9, "mse": 0.8, "mae": 0.7}
    runs = [
        made_up_run(Config(loss=loss, seed=seed), accuracy=accuracy[loss] + 0.001 * seed**2 * sign)
        for loss, sign in (("cross_entropy", 1), ("mse", -1), ("mae", 1))
        for seed in range(1 if loss == "mae" else 3)
    ]
    return judge_claims(list(CLAIMS.values()), runs)


def rows(found):
    return re.findall(r"<tr><th scope=\"row\">(\w+)</th>(.*?)</tr>", Ledger(found)._repr_html_())


def test_every_claim_has_one_row_in_the_reports_order(made_up):
    assert [name for name, _ in rows(made_up)] == list(CLAIMS)


def test_a_row_holds_the_conclusion_the_numbers_the_verdict_and_a_link(made_up):
    cells = dict(rows(made_up))["L1"]
    assert CLAIMS["L1"].says in cells
    assert "one run" in cells
    assert "7 runs" in cells
    assert '<b class="verdict-inconclusive">? inconclusive</b>' in cells
    assert 'href="loss.html#fig-loss-accuracy"' in cells


def test_one_run_is_not_told_as_several(made_up_run):
    found = judge_claims([CLAIMS["L1"]], [made_up_run(Config(loss="mse"))])
    assert "<p>1 run</p>" in dict(rows(found))["L1"]


def test_a_claim_with_two_verdicts_names_them(made_up):
    cells = dict(rows(made_up))["W1"]
    assert cells.count("<i>as run:</i> <b") == cells.count("<i>as claimed:</i> <b") == 1


def test_a_claim_that_one_rate_cannot_decide_says_so(made_up):
    cells = dict(rows(made_up))["D4"]
    assert "<i>as claimed:</i>" in cells
    assert "<i>as run:</i>" not in cells


def test_what_was_not_measured_is_a_dash(made_up):
    assert "<td>–</td>" in dict(rows(made_up))["F1"]


def test_words_are_escaped(made_up):
    assert not re.search(r"&(?!amp;|lt;|gt;|quot;|#x27;)", Ledger(made_up)._repr_html_())


def test_the_numbers_stand_beside_the_why_and_not_in_it(made_up):
    cells = dict(rows(made_up))["L1"]
    verdict = made_up["L1"].first.decisive.verdict
    assert cells.count(verdict.numbers) == 1
    assert verdict.why[1:] in cells
    assert verdict.reason == f"{verdict.numbers}: {verdict.why}"


def test_what_decides_nothing_is_named_in_its_row(made_up):
    cells = dict(rows(made_up))
    assert "<i>read otherwise: for every setting, the share is above zero:</i> …" in cells["C4"]
    assert "<i>on test images, as run:</i> ?" in cells["L2"]
    assert "method.html#log-of-verdicts" in cells["C4"]
    assert "method.html#log-of-verdicts" not in cells["L2"]


def test_every_entry_of_the_log_has_a_row_and_a_line():
    markup = Log()._repr_html_()
    assert markup.count("<tr>") == len(LOG) + 1
    assert "M1 as run: not supported → inconclusive" in markup
    assert len(repr(Log()).splitlines()) == len(LOG)


def test_a_terminal_gets_a_line_a_claim(made_up):
    lines = repr(Ledger(made_up)).splitlines()
    assert len(lines) == len(CLAIMS) + 1
    assert lines[1].startswith("L1 ? inconclusive")
