"""fmnist_lab.__main__: runs are exported in the published form."""

from dataclasses import replace

import numpy as np
import pytest

from fmnist_lab.runs import records
from fmnist_lab.runs.run import Run, pack
from fmnist_lab.sources import DIGEST
from fmnist_lab.sweeps import studies
from fmnist_lab.sweeps.studies import STUDIES

pytestmark = pytest.mark.usefixtures("home", "published", "no_gpu")


def count(study: str) -> int:
    return len(STUDIES[study].configs())


def lines(path) -> list[Run]:
    return records.read_lines(path)


@pytest.mark.slow
def test_exporting_ones_own_store_writes_a_sorted_file_a_study(say, of_width, tmp_path):
    for width, seed in ((512, 1), (128, 10), (128, 9), (100, 0), (512, 0)):
        records.save(of_width(width, seed))
    to = tmp_path / "to"
    code, out, err = say("export", "--to", to)
    assert (code, out, err) == (0, "width: 3 of 50 runs\n", "")  # neither seed 10 nor width 100
    assert sorted(path.name for path in to.iterdir()) == ["SHA256SUMS", "width.jsonl"]
    found = [(run.config.width, run.config.seed) for run in lines(to / "width.jsonl")]
    assert found == [(128, 9), (512, 0), (512, 1)]


@pytest.mark.slow
def test_what_is_exported_is_what_a_chapter_reads(say, of_width, tmp_path, published, monkeypatch):
    run = of_width(128, 3)
    records.save(run)
    say("export")
    records.read_published.cache_clear()
    monkeypatch.setenv("FMNIST_LAB_HOME", str(tmp_path / "another reader"))
    assert sorted(path.name for path in published.iterdir()) == ["SHA256SUMS", "width.jsonl"]
    assert records.load(run.config) == run


@pytest.mark.slow
def test_runs_of_folders_are_merged_with_those_published(say, of_width, tmp_path, published):
    records.write_lines(published / "width.jsonl", [of_width(128, 0), of_width(128, 1)])
    records.write_lines(tmp_path / "a" / "x.jsonl", [of_width(128, 1, accuracy=0.75)])
    records.write_lines(tmp_path / "b" / "deep" / "y.jsonl", [of_width(4192, 0)])
    conflict = of_width(128, 1)
    code, out, err = say("export", "width", "--from", tmp_path / "a", tmp_path / "b")
    assert (code, out) == (2, "width: 3 of 50 runs\n")
    sentence = (
        f"run {conflict.id} contradicts the one on record, which is kept: {conflict.config}.\n"
    )
    assert err == sentence
    assert [r.best["test_accuracy"] for r in lines(published / "width.jsonl")] == [0.5, 0.5, 0.5]
    records.read_published.cache_clear()
    say("export", "width", "--newer", "--from", tmp_path / "a", tmp_path / "b")
    found = lines(published / "width.jsonl")
    assert [(r.config.width, r.config.seed) for r in found] == [(128, 0), (128, 1), (4192, 0)]
    assert [r.best["test_accuracy"] for r in found] == [0.5, 0.75, 0.5]
    content = (published / "width.jsonl").read_bytes()
    records.read_published.cache_clear()
    assert say("export", "width", "--newer", "--from", tmp_path / "b", tmp_path / "a")[0] == 0
    assert (published / "width.jsonl").read_bytes() == content


def test_what_is_damaged_foreign_or_of_no_study_is_left_out_and_named(say, of_width, tmp_path):
    source, to = tmp_path / "source", tmp_path / "to"
    good, stray = of_width(128, 0), of_width(100, 0)
    foreign, changed = of_width(128, 1, data="f" * 16), of_width(128, 2)
    records.write_lines(source / "good.jsonl", [good, stray, foreign])
    text = records.encode(changed).replace('"seed":2', '"seed":3')
    (source / "changed.jsonl").write_text(text)
    (source / "cut.json").write_text('{"run":')
    code, out, err = say("export", "--from", source, "--to", to)
    assert (code, out) == (2, "width: 1 of 50 runs\n")
    assert lines(to / "width.jsonl") == [good]
    sentences = err.splitlines()
    assert len(sentences) == 4
    path = source / "changed.jsonl"
    assert sentences[0] == f"{path} is damaged: its checksum does not match."
    assert sentences[1].startswith(f"{source / 'cut.json'} is damaged: ")
    assert sentences[2] == (
        f"run {foreign.id} was trained on other data (ffffffffffffffff, not {DIGEST})."
    )
    assert sentences[3] == f"run {stray.id} belongs to no study: {stray.config}."


def test_a_run_of_a_study_that_is_not_exported_now_is_no_stranger(say, of_width, tmp_path):
    loss = replace(of_width(), config=replace(STUDIES["loss"].base, loss="mae"))
    records.write_lines(tmp_path / "runs.jsonl", [of_width(), loss])
    to = tmp_path / "to"
    assert say("export", "width", "--from", tmp_path, "--to", to) == (
        0,
        "width: 1 of 50 runs\n",
        "",
    )
    assert sorted(path.name for path in to.iterdir()) == ["SHA256SUMS", "width.jsonl"]


def test_a_published_run_with_its_parts_is_not_replaced_by_one_that_lacks_them(
    say, made_up_run, tmp_path, published
):
    step_losses = pack(np.array([2.5, 1.5], np.float16))
    full = made_up_run(STUDIES["steps"].configs()[0], step_losses=step_losses)
    records.write_lines(published / "steps.jsonl", [full])
    bare = replace(full, step_losses=None, best_epoch=1)
    records.write_lines(tmp_path / "new" / "runs.jsonl", [bare])
    out = f"batch_size: 1 of {count('batch_size')} runs\nsteps: 1 of {count('steps')} runs\n"
    assert say("export", "--newer", "--from", tmp_path / "new") == (0, out, "")
    assert lines(published / "steps.jsonl") == [full]
    assert lines(published / "batch_size.jsonl") == [bare]


def test_a_tuned_study_is_exported_together_with_the_runs_that_tune_it(
    say, made_up_run, tmp_path, monkeypatch
):
    tuning, tuned = studies.WIDTH_TUNING, STUDIES["width_retuned"]
    tuning = replace(tuning, grid={"width": (128,), "learning_rate": (1e-3, 1e-2)}, seeds=(100,))
    tuned = replace(tuned, grid={"width": (128,)}, seeds=(0, 1), tuned_by=tuning)
    few = {"width_tuning": tuning, "width_retuned": tuned}
    monkeypatch.setattr(studies, "STUDIES", few)
    settings = [replace(tuning.base, width=128, learning_rate=rate) for rate in (1e-3, 1e-2)]
    runs = [
        made_up_run(replace(settings[0], seed=100), accuracy=0.5),
        made_up_run(replace(settings[1], seed=100), accuracy=0.75),
        made_up_run(replace(settings[1], seed=0)),
    ]
    source, to = tmp_path / "source", tmp_path / "to"
    records.write_lines(source / "runs.jsonl", runs)
    assert say("export", "--from", source, "--to", to) == (
        0,
        "width_tuning: 2 of 2 runs\nwidth_retuned: 1 of 2 runs\n",
        "",
    )
    records.write_lines(source / "runs.jsonl", runs[1:])
    assert say("export", "--from", source, "--to", to) == (
        2,
        "width_tuning: 1 of 2 runs\n",
        f"run {runs[2].id} belongs to no study: {runs[2].config}.\n",
    )


def test_a_folder_without_runs_is_an_error(say, tmp_path):
    code, out, err = say("export", "--from", tmp_path / "absent")
    assert (code, out) == (2, "")
    assert err.startswith(f"{tmp_path / 'absent'} holds no runs: ")


def test_a_damaged_published_file_is_named_and_left_as_it_is(say, of_width, published):
    records.save(of_width())
    (published / "width.jsonl").write_text("no run\n")
    code, out, err = say("export")
    assert (code, out) == (2, "")
    assert err.startswith(f"{published / 'width.jsonl'} is damaged: ")
    assert (published / "width.jsonl").read_text() == "no run\n"
