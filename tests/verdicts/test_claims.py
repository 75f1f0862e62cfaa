"""Every claim of the report is judged, from the published runs and nothing else."""

from dataclasses import replace
from pathlib import Path

import nbformat
import numpy as np
import pytest

from fmnist_lab.runs import records
from fmnist_lab.sweeps.studies import STUDIES
from fmnist_lab.sweeps.tuning import TUNING_RATES, TUNING_SEEDS
from fmnist_lab.verdicts import claims
from fmnist_lab.verdicts.comparisons import Comparison, above, below
from fmnist_lab.verdicts.conclusions import CLAIMS, WORDS
from fmnist_lab.verdicts.evidence import RETUNED, Arm
from fmnist_lab.verdicts.families import Share
from fmnist_lab.verdicts.judgement import Answer, Claim, Finding, judge_claims
from fmnist_lab.verdicts.measures import ACCURACY
from fmnist_lab.verdicts.rules import NAMES, Verdict, matches
from fmnist_lab.verdicts.statistics import further_run

BOOK = Path(__file__).parents[2] / "book"
# The ids of DESIGN.md, section 8, in the report's order.
IDS = ["L1", "L2", "D1", "D2", "D3", "D4", "W1", "W2", "W3", "W4", "B1", "B2", "B3", "B4", "B5",
       "S1", "R1", "R2", "R3", "M1", "M2", "C1", "C2", "C3", "C4", "G1", "G2", "F1"]  # fmt: skip
# Those with two verdicts, as run and as claimed.
TWICE = ["L1", "L2", "D1", "D2", "D3", "W1", "W2", "W3", "W4", "B1", "B2", "B3", "B4", "B5", "R3",
         "C1", "C2", "C3", "G1", "G2"]  # fmt: skip

each_claim = pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)


def as_run(found, name):
    """Return a claim's first verdict, which must be there."""
    assert found[name].as_run is not None
    return found[name].as_run


def as_claimed(found, name):
    """Return a claim's second verdict, which must be there."""
    assert found[name].as_claimed is not None
    return found[name].as_claimed


# --- the declarations -------------------------------------------------------------------------


def test_every_claim_has_its_words_and_no_words_lack_their_claim():
    assert list(WORDS) == list(CLAIMS)
    assert all(claim.says and claim.reading and claim.figure for claim in CLAIMS.values())


def test_every_claim_of_the_design_is_declared_in_its_order():
    assert list(CLAIMS) == IDS
    assert all(claim.id == name for name, claim in CLAIMS.items())


@each_claim
def test_a_claim_says_what_the_report_concludes_and_what_is_tested(claim):
    assert claim.says.endswith(".")
    assert claim.reading.endswith(".")
    assert claim.parts or claim.claimed


@each_claim
def test_every_run_a_claim_asks_for_belongs_to_a_study(claim):
    for arm in {arm for part in (*claim.parts, *claim.second) for arm in part.arms}:
        study = STUDIES[arm.study]
        assert arm.value in study.values or (arm.value is None and study.best_alone)
        assert arm.learning_rate is None or arm.learning_rate in study.grid["learning_rate"]


@each_claim
def test_a_claims_figure_is_on_the_page_it_is_named_after(claim):
    page, name = claims.link(claim).split(".html#")
    notebook = BOOK / f"{page}.ipynb"
    if not notebook.exists():
        pytest.skip(f"there is no {notebook.name} yet")
    cells = nbformat.read(notebook, as_version=nbformat.NO_CONVERT).cells
    figures = [cell.metadata.get("mystnb", {}).get("figure", {}).get("name") for cell in cells]
    assert name in figures


def test_a_comparison_means_the_same_wherever_it_is_named():
    parts = {
        part.name: part
        for claim in CLAIMS.values()
        for part in claim.parts
        if isinstance(part, Comparison)
    }
    for claim in CLAIMS.values():
        for part in claim.parts:
            assert not isinstance(part, Comparison) or part == parts[part.name]


@pytest.mark.parametrize(("first", "second"), RETUNED.items())
def test_the_retuned_studies_repeat_the_settings_of_the_first(first, second):
    assert STUDIES[second].values == STUDIES[first].values
    retuned, as_run = STUDIES[second].base, STUDIES[first].base
    assert retuned == replace(as_run, precision=retuned.precision)


# --- what the learning rate changes -----------------------------------------------------------


@pytest.fixture
def two_rates(made_up_run):
    """Return a function: runs of the losses at one rate and at their own, to these accuracies."""
    tuning, retuned = STUDIES["loss_tuning"], STUDIES["loss_retuned"]

    def make(as_run, as_claimed):
        best = {"cross_entropy": 1e-3, "mse": 5.62e-4, "mae": 1e-4}
        runs = [
            made_up_run(c, accuracy=0.5 + 0.3 * (c.learning_rate == best[c.loss]))
            for c in tuning.configs()
        ]
        for study, accuracy in ((STUDIES["loss"], as_run), (retuned, as_claimed)):
            for config in study.configs(runs):
                noise = float(np.random.default_rng([config.seed, len(config.loss)]).normal())
                runs.append(made_up_run(config, accuracy=accuracy[config.loss] + 0.0002 * noise))
        return judge_claims([CLAIMS["L1"]], runs)["L1"]

    return make


def test_where_the_verdicts_differ_it_is_said_what_the_rate_changed(two_rates):
    found = two_rates(
        {"cross_entropy": 0.88, "mse": 0.89, "mae": 0.85},
        {"cross_entropy": 0.89, "mse": 0.88, "mae": 0.85},
    )
    assert (found.as_run.name, found.as_claimed.name) == ("not supported", "supported")
    before, after = found.moved
    assert before.name == after.name == "validation accuracy: cross-entropy above MSE"
    said = claims.changed(found)
    assert "points at one learning rate, +" in said
    assert said.endswith("at each setting's own (cross-entropy: 1e-3, MSE: 5.62e-4)")
    assert f"What the rate changed: {said[0].upper()}{said[1:]}." in repr(
        claims.Box(found)
    ).replace("\n  ", " ")


@pytest.mark.parametrize(("rates", "told"), [(5, True), (6, False)])
def test_up_to_five_rates_are_told(two_rates, rates, told):
    found = two_rates(
        {"cross_entropy": 0.88, "mse": 0.89, "mae": 0.85},
        {"cross_entropy": 0.89, "mse": 0.88, "mae": 0.85},
    )
    several = [replace(f, rates=("a: 1e-3",) * rates) for f in found.as_claimed.findings]
    found = replace(found, as_claimed=Answer(tuple(several)))
    assert ("(a: 1e-3, a: 1e-3" in claims.changed(found)) == told


def test_where_they_agree_nothing_is_said(two_rates):
    same = {"cross_entropy": 0.89, "mse": 0.88, "mae": 0.85}
    found = two_rates(same, same)
    assert found.moved is None
    assert claims.changed(found) == ""
    assert "What the rate changed" not in repr(claims.Box(found))


# --- how many runs there are ------------------------------------------------------------------


def test_without_runs_nothing_is_judged():
    for found in claims.judge(runs=[]).values():
        verdicts = [v for v in (found.as_run, found.as_claimed) if v]
        assert {v.name for v in verdicts} == {"not run yet"}
        assert all(v.reason for v in verdicts)
        assert found.runs == 0


def test_one_seed_settles_nothing(whole_book):
    found = claims.judge(runs=[run for run in whole_book if run.config.seed == 0])
    names = {name: item.as_run.name for name, item in found.items() if item.as_run}
    assert set(names.values()) == {"inconclusive"}


def test_runs_are_counted_once(width_runs):
    found = claims.judge(runs=width_runs({128: 0.85, 512: 0.86}, seeds=4))
    assert found["W1"].runs == 8  # four comparisons use width 128
    assert found["L1"].runs == 0


def test_two_verdicts_are_given_where_the_learning_rate_can_be_chosen():
    found = claims.judge(runs=[])
    assert [name for name, item in found.items() if item.as_run and item.as_claimed] == TWICE
    assert [name for name, item in found.items() if not item.as_run] == ["D4", "F1"]


def seeds_at(arm):
    """Return how many seeds an arm is run with, at the report's rate or at its own."""
    studies = [STUDIES[name] for name in (arm.study, RETUNED.get(arm.study)) if name]
    return min(len(s.at_seeds(s.base)) for s in studies)


@each_claim
def test_a_verdict_rests_on_five_seeds_of_a_setting_or_more(claim):
    """A share counts settings; the rate of each is chosen by the seeds that choose any."""
    for part in (*claim.parts, *claim.claimed):
        if not isinstance(part, Share):
            assert min(map(seeds_at, part.arms)) >= 5, part.name


# --- verdicts follow the runs -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("means", "w1", "w4"),  # means of the widths from narrow to wide
    [
        ((0.84, 0.85, 0.86, 0.88, 0.87), "supported", "supported"),
        ((0.84, 0.85, 0.86, 0.87, 0.88), "supported", "not supported"),
        ((0.84, 0.86, 0.85, 0.88, 0.87), "not supported", "supported"),
    ],
)
def test_a_verdict_follows_the_runs(width_runs, means, w1, w4):
    runs = width_runs(dict(zip(STUDIES["width"].values, means, strict=True)))
    found = claims.judge("width", runs)
    assert (as_run(found, "W1").name, as_run(found, "W4").name) == (w1, w4)


def test_a_claim_is_as_weak_as_its_weakest_part(width_runs):
    runs = width_runs({128: 0.84, 512: 0.85, 1024: 0.85, 2096: 0.88, 4192: 0.87})
    found = claims.judge("width", runs)["W1"]
    weakest = min(NAMES.index(finding.verdict.name) for finding in found.first.findings)
    assert found.first.name == NAMES[weakest] == "not supported"
    assert found.first.decisive.name == "validation accuracy: width 1024 above width 512"


def part(name, p=0.5, seeds=None):
    return Finding(f"{name} {p}", Verdict(name, "because", 0.1, 0.0, 0.2, p, 10, seeds))


@pytest.mark.parametrize(
    ("names", "weakest"),
    [
        (["supported", "supported"], "supported"),
        (["supported", "supported but immaterial"], "supported but immaterial"),
        (["supported", "inconclusive"], "inconclusive"),
        (["supported but immaterial", "not run yet"], "not run yet"),
        (["inconclusive", "not run yet"], "not run yet"),
        (["inconclusive", "not supported"], "not supported"),
        (["not run yet", "not supported", "supported"], "not supported"),
    ],
)
def test_the_weakest_test_decides(names, weakest):
    for order in (names, names[::-1]):
        assert Answer(tuple(part(name) for name in order)).name == weakest


def test_among_equals_the_least_certain_test_speaks_for_all():
    found = Answer((part("supported", 0.01), part("supported", 0.04)))
    assert found.decisive.verdict.p == 0.04
    assert found.reason.startswith("supported 0.04: +10.00 points (95 % interval +0.00 to")


@pytest.mark.parametrize(("needs", "seeds"), [((20, 70), 70), ((20, None), None), ((), None)])
def test_all_tests_together_need_the_seeds_of_the_most_demanding(needs, seeds):
    found = Answer((part("supported"), *(part("inconclusive", seeds=n) for n in needs)))
    assert found.seeds_needed == seeds


def test_comparisons_of_a_chapter_are_corrected_together(width_runs):
    widths = {128: 0.84, 512: 0.843, 1024: 0.846, 2096: 0.849, 4192: 0.852}
    runs = width_runs(widths, seeds=4, sd=0.002)
    arms = {width: Arm("width", width) for width in widths}

    def claim(name, a, b, chapter="width"):
        part = above(ACCURACY, arms[a], arms[b])
        return Claim(name, chapter, "", "", "", (part,))

    alone = as_run(judge_claims([claim("A", 512, 128)], runs), "A").decisive.verdict
    pairs = [(512, 128), (1024, 512), (2096, 1024), (4192, 2096)]
    several = [claim(f"{a}", a, b) for a, b in pairs]
    together = as_run(judge_claims(several, runs), "512").decisive.verdict
    assert alone.p < together.p <= 4 * alone.p
    assert "4 tests" in together.why
    # the same comparison in a second claim, or another chapter's, changes nothing
    more = [*several, claim("again", 512, 128), claim("elsewhere", 4192, 128, "depth")]
    assert as_run(judge_claims(more, runs), "512").decisive.verdict == together


def test_published_claims_are_corrected_for_their_chapter(width_runs):
    means = {128: 0.84, 512: 0.85, 1024: 0.86, 2096: 0.87, 4192: 0.88}
    reason = as_run(claims.judge("width", width_runs(means)), "W1").reason
    parts = {part for claim in CLAIMS.values() for part in claim.parts if claim.chapter == "width"}
    assert f"Holm's correction for {len(parts)} tests" in reason  # rivals of one claim count as one


def test_one_hypothesis_under_two_names_counts_once(width_runs):
    runs = width_runs({128: 0.84, 512: 0.85, 2096: 0.86})
    arms = {width: Arm("width", width) for width in (128, 512, 2096)}
    pairs = (above(ACCURACY, arms[512], arms[128]), below(ACCURACY, arms[128], arms[512]))
    same = (*pairs, above(ACCURACY, Arm("depth", 2), arms[128]))  # 2 x 2096 is of both studies
    claim = replace(CLAIMS["W2"], parts=(*same, above(ACCURACY, arms[2096], arms[128])))
    found = as_run(judge_claims([claim], runs), "W2").findings
    assert all("Holm's correction for 2 tests" in each.verdict.why for each in found)


def test_a_figure_the_report_prints_is_corrected_for_its_chapter_too(made_up_run):
    runs = [
        made_up_run(
            replace(STUDIES["best_model"].base, seed=seed),
            best={
                "train_accuracy": 0.95,
                "validation_accuracy": at + 0.01,
                "test_accuracy": at,
            },
        )
        for seed, at in enumerate(0.8886 + 0.0015 * np.linspace(-1.5, 1.5, 10))
    ]
    found = as_run(judge_claims([CLAIMS["M1"], CLAIMS["M2"]], runs), "M1").decisive
    plain = matches(further_run(0.893, [run.best["test_accuracy"] for run in runs], 0.0005))
    assert 0.05 / 3 < plain.p <= 0.05
    assert (plain.name, found.verdict.name) == ("not supported", "inconclusive")
    assert found.name == "test accuracy: 89.30 %"
    assert found.verdict.p == pytest.approx(3 * plain.p)  # of four tests, that of M2 is rejected


# --- what decides nothing ---------------------------------------------------------------------


def test_a_verdict_on_test_images_stands_beside_that_on_validation_images(made_up_run):
    def run(width, seed, test):
        noise = 0.0005 * float(np.random.default_rng([width, seed]).normal())
        best = {
            "train_accuracy": 0.95 + (0.05 if width == 512 else 0),
            "validation_accuracy": (0.85 if width == 512 else 0.84) + noise,
            "test_accuracy": test + noise,
        }
        return made_up_run(replace(STUDIES["width"].base, width=width, seed=seed), best=best)

    runs = [run(width, seed, 0.84) for width in (128, 512) for seed in range(10)]
    found = judge_claims([CLAIMS["W2"]], runs)["W2"]
    assert found.first.name == "supported"
    beside = found.beside["on test images, as run"]
    assert beside.name == "not supported"
    assert beside.decisive.name == "test accuracy: width 128 below width 512"
    text = repr(claims.Box(found)).replace("\n  ", " ")
    assert "On test images, as run: ✘︎ not supported. Test accuracy: width 128 below" in text


def test_the_same_verdict_on_test_images_is_told_in_a_word(width_runs):
    found = claims.judge("width", width_runs({128: 0.84, 512: 0.85}))["W1"]
    text = repr(claims.Box(found))
    assert "On test images, as run: … not run yet too. Validation images decide." in text


def test_claims_about_what_has_no_number_on_test_images_have_no_such_verdict():
    assert not claims.judge("batch_size", [])["B5"].beside


def test_the_first_reading_of_c4_decides_and_the_other_stands_beside_it(made_up_run):
    epochs = {"loss": 60, "depth": 100, "width": 60, "batch_size": 60, "learning_rate": 60}
    runs = [
        made_up_run(
            replace(config, seed=seed),
            epochs=epochs[study] + seed % 2 if study != "depth" else 100,
            stopped_by="epochs" if study == "depth" else "patience",
        )
        for study in epochs
        for config in STUDIES[study].settings()
        for seed in range(10)
    ]
    found = judge_claims([CLAIMS["C4"]], runs)["C4"]
    assert found.first.name == "supported"
    (told,) = found.beside
    assert told == "read otherwise: for every setting, the share is above zero"
    assert found.beside[told].name == "not supported"


# --- the cap on epochs ------------------------------------------------------------------------


@pytest.mark.parametrize(("capped", "told"), [(0, ""), (3, "3 of 20 runs ended at the cap of 100")])
def test_a_verdict_says_how_many_of_its_runs_the_cap_ended(width_runs, capped, told):
    runs = width_runs({128: 0.84, 512: 0.85})
    runs = [
        replace(run, stopped_by="epochs" if n < capped else "patience")
        for n, run in enumerate(runs)
    ]
    found = claims.judge("width", runs)["W2"]
    assert found.first.limit[: len(told)] == told
    assert bool(found.first.limit) == bool(capped)
    text = repr(claims.Box(found)).replace("\n  ", " ")
    assert ("epochs: this compares progress until then." in text) == bool(capped)


def test_the_cap_is_nothing_to_a_number_that_is_known_before(made_up_run, width_runs):
    runs = [replace(run, stopped_by="epochs") for run in width_runs({128: 0.84, 4192: 0.85})]
    assert claims.judge("width", runs)["W1"].first.limit
    first_loss = replace(CLAIMS["W3"], parts=CLAIMS["W3"].parts[:1])
    assert not judge_claims([first_loss], runs)["W3"].first.limit


def test_the_order_of_the_runs_does_not_matter(whole_book):
    assert claims.judge("depth", whole_book[::-1]) == claims.judge("depth", whole_book)


# --- each setting at its own learning rate ----------------------------------------------------


@pytest.fixture
def tuned(made_up_run):
    """Tuning runs of the widths: the wider, the lower the best learning rate."""
    study = STUDIES["width_tuning"].vary(learning_rate=list(TUNING_RATES))  # the whole grid
    best = {width: TUNING_RATES[8 - number] for number, width in enumerate(study.values)}
    runs = [
        made_up_run(config, accuracy=0.9 - 0.01 * abs(np.log10(config.learning_rate / best[width])))
        for config in study.configs()
        for width in [config.width]
    ]
    return best, runs


def test_the_second_verdict_rests_on_runs_at_the_rates_chosen(width_runs, tuned):
    best, tuning = tuned
    means = {128: 0.84, 512: 0.85, 1024: 0.86, 2096: 0.88, 4192: 0.87}
    retuned = [
        run
        for width, mean in means.items()
        for run in width_runs({width: mean}, learning_rate=best[width], precision="bfloat16")
    ]
    fixed = width_runs(dict(zip(means, [0.8, 0.81, 0.82, 0.83, 0.84], strict=True)))
    found = claims.judge("width", [*tuning, *retuned, *fixed])
    assert as_run(found, "W4").name == "not supported"
    assert as_claimed(found, "W4").name == "supported"
    # without the tuning runs nobody can say which rates were chosen
    assert as_claimed(claims.judge("width", [*retuned, *fixed]), "W4").name == "not run yet"


def test_seeds_that_chose_a_rate_do_not_confirm_it(tuned):
    _, tuning = tuned
    assert {run.config.seed for run in tuning} == set(TUNING_SEEDS)
    assert as_claimed(claims.judge("width", tuning), "W4").name == "not run yet"


# --- published runs ---------------------------------------------------------------------------


def test_a_readers_own_runs_do_not_change_the_verdict(width_runs, published, tmp_path, monkeypatch):
    monkeypatch.setenv("FMNIST_LAB_HOME", str(tmp_path))
    runs = width_runs({128: 0.84, 512: 0.85}, seeds=3)
    for run in runs:
        records.save(run)
    assert as_run(claims.judge("width"), "W2").name == "not run yet"
    records.write_lines(published / "width.jsonl", runs)
    records.read_published.cache_clear()
    assert (
        as_run(claims.judge("width"), "W2").name == as_run(claims.judge("width", runs), "W2").name
    )
    assert claims.judge("width")["W2"].runs == len(runs)


def test_the_published_runs_can_be_judged():
    assert list(claims.judge()) == IDS
