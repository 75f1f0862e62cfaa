"""fmnist_lab.__main__: the command line fetches, trains, lists and exports, and says so."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pytest

from fmnist_lab import data
from fmnist_lab.__main__ import main
from fmnist_lab.config import Config
from fmnist_lab.runs import records
from fmnist_lab.sources import DataError
from fmnist_lab.sweeps import crew, studies, study
from fmnist_lab.sweeps.studies import STUDIES
from fmnist_lab.sweeps.study import Study
from fmnist_lab.sweeps.sweep import FailedRuns
from fmnist_lab.sweeps.tuning import TUNING_RATES, Tuning
from fmnist_lab.training import environment, trainer

pytestmark = pytest.mark.usefixtures("home", "published", "no_gpu")

SEEDS = "it must be a whole number from 1 to 1,000, or a list of seeds."
WIDTH = STUDIES["width"]
HINGE = (
    "loss is 'hinge'; allowed are cross_entropy, mse, mae, mse_probabilities, mae_probabilities."
)
HELP = "see python -m fmnist_lab {}--help."
TUNED = "each setting at the learning rate that width_tuning chose for it; only its seeds can be"
RUN_HELP = HELP.format("run ")
SMALL = [
    *("--width", "8", "--depth", "1", "--train-size", "200", "--batch-size", "100"),
    *("--epochs", "2", "--learning-rate", "1e-3"),
]


# --- data


def test_data_says_where_the_verified_data_set_is(say, home):
    code, out, err = say("data")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"Fashion-MNIST is verified: {home / 'data'}",
        "60,000 images to train and validate, 10,000 to test.",
    ]


def test_without_the_data_set_the_one_error_is_all_that_is_said(say, monkeypatch):
    def fail(device="cpu"):
        raise DataError("no source works: do this.")

    monkeypatch.setattr(data, "load", fail)
    assert say("data") == (2, "", "no source works: do this.\n")


# --- what there is


def test_without_a_command_the_help_is_shown(say):
    code, out, err = say()
    assert (code, err) == (0, "")
    assert out.startswith("usage: python -m fmnist_lab ")
    for command in ("data", "list", "run", "export"):
        assert f"\n    {command} " in out


def test_the_version_is_the_packages(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr() == (f"fmnist-lab {version('fmnist-lab')}\n", "")


@pytest.mark.parametrize("command", [["list"], ["run"], ["run", "--list"]])
def test_the_studies_are_listed(say, command):
    assert say(*command)[:2] == say("list")[:2]


def test_list_says_what_each_study_asks_and_what_the_report_says_of_it(say):
    code, out, err = say("list")
    assert (code, err) == (0, "")
    for each in STUDIES.values():
        assert f"{each.name}: {each.question}\n    {each.report}\n" in out
    assert len(out.splitlines()) == 2 * len(STUDIES)


# --- run


def test_run_trains_what_is_missing_and_shows_the_result_and_again_trains_nothing(
    say, trained, home
):
    code, out, err = say("run", "width", *SMALL, "--seeds", 1, "--device", "cpu")
    wanted = replace(
        WIDTH.base,
        width=8, depth=1, train_size=200, batch_size=100, epochs=2, learning_rate=1e-3,
    )  # fmt: skip
    assert code == 0
    assert trained == [wanted]
    assert err.startswith("Training 1 run(s) on cpu: under 10 s.")
    run = records.load(wanted)
    assert run is not None
    assert out.splitlines()[0] == "width"
    assert out.splitlines()[2].split() == ["mean", "count", "mean", "count"]
    assert out.splitlines()[-1].split() == [
        *("8", f"{run.best['validation_accuracy']:.6f}".rstrip("0"), "1", "2.0", "1"),
    ]
    kept = f"Your own runs are kept in {home / 'runs'}.\n"
    assert err.endswith(kept)
    assert say("run", "width", *SMALL, "--seeds", 1) == (0, out, kept)
    assert len(trained) == 1


def test_run_writes_its_runs_as_a_table(say, trained, tmp_path, home):
    file = tmp_path / "runs.csv"
    code, _, err = say("run", "width", *SMALL, "--seeds", 2, "--csv", file)
    assert code == 0
    assert err.splitlines()[-2:] == [
        f"A table of all runs is in {file}.",
        f"Your own runs are kept in {home / 'runs'}.",
    ]
    shown = ["id", "seed", "epochs_run", "validation_accuracy"]
    pd.testing.assert_frame_equal(pd.read_csv(file)[shown], records.find(trained).table()[shown])
    code, _, err = say("run", "width", *SMALL, "--seeds", 2, "--csv", tmp_path / "no" / "folder")
    assert (code, err) == (2, f"{tmp_path / 'no' / 'folder'} fails: No such file or directory.\n")


def test_run_keeps_the_parts_that_the_study_shows(say, trained):
    code, *_ = say("run", "steps", *SMALL[2:], "--seeds", 1)
    assert code == 0
    run = records.load(trained[0])
    assert run is not None
    assert run.step_losses is not None


def test_list_says_what_is_on_record_what_is_missing_and_how_long_that_takes(
    say, of_width, trained, monkeypatch
):
    monkeypatch.setattr(crew, "estimate", lambda config, device: config.width * 1.0)
    monkeypatch.setattr(environment, "usable_cpus", lambda: 2)
    for seed in (0, 2):
        records.save(of_width(128, seed))
    code, out, err = say("run", "width", "--seeds", 3, "--width", 128, 100, "--list")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "width",
        "  width=128: 2 of 3 runs on record, missing seeds 1: at most 2.2 min on one core",
        "  width=100: 0 of 3 runs on record, missing seeds 0, 1, 2: at most 5.1 min on one core",
        "Training 4 run(s) on cpu: at most 3.7 min.",
    ]
    records.save(of_width(128, 1))
    assert say("run", "width", "--seeds", 3, "--width", 128, "--list") == (
        0,
        "width\n  width=128: 3 of 3 runs on record\nNothing is missing.\n",
        "",
    )
    assert trained == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["widht"], "there is no study 'widht': did you mean 'width'?"),
        (["width", "--width", "-5"], "width is -5; it must be a whole number from 1 to 16,384."),
        (["width", "--width", "x"], "width is 'x'; it must be a whole number from 1 to 16,384."),
        (["width", "--depth", "1", "2"], "depth is [1, 2]; give one value, no list."),
        (["width", "--seeds", "0"], f"seeds is 0; {SEEDS}"),
        (["width", "--seeds", "2.5"], f"seeds is 2.5; {SEEDS}"),
        (["width", "--wdth", "8"], f"unrecognized arguments: --wdth 8: {HELP.format('')}"),
        (["width", "--wid", "8"], f"unrecognized arguments: --wid 8: {HELP.format('')}"),
        (["width", "--width"], f"argument --width: expected at least one argument: {RUN_HELP}"),
        (["width", "--device", "gpu"], "device is 'gpu'; this machine allows auto, cpu."),
        (
            ["width", "--learning-rate", "1e-3x", "--loss", "hinge"],
            f"{HINGE}\nlearning_rate is '1e-3x'; it must be a number from 1e-09 to 1.0.",
        ),
        (
            ["width_retuned", "--width", "128", "--learning-rate", "1e-3"],
            f"width_retuned trains {TUNED} changed.",
        ),
        (["width_retuned"], "width_retuned needs the runs of width_tuning: train those first."),
    ],
)  # fmt: skip
@pytest.mark.parametrize("flags", [[], ["--list"]])
def test_what_cannot_be_run_is_said_in_a_sentence_and_the_exit_code(say, arguments, message, flags):
    assert say("run", *arguments, *flags) == (2, "", f"{message}\n")


def test_a_folder_that_is_not_named_is_not_guessed(say):
    """As when a shell's variable is not set."""
    for option in ("--from", "--to"):
        sentence = f"argument {option}: a folder's name is empty: {HELP.format('export ')}\n"
        assert say("export", option, "") == (2, "", sentence)
    sentence = f"argument --from: expected at least one argument: {HELP.format('export ')}\n"
    assert say("export", "--from") == (2, "", sentence)


@pytest.mark.parametrize(("depth", "width"), [(0, 0), (3, 128)])
def test_tuning_of_a_depth_that_nothing_is_known_of_begins_with_every_rate(say, depth, width):
    """With no layers all widths are one setting."""
    code, out, err = say("run", "width_tuning", "--depth", depth, "--list")
    name, *settings, last = out.splitlines()
    assert (code, name, err) == (0, "width_tuning", "")
    assert len(settings) == len(TUNING_RATES)
    assert settings[0].startswith(f"  width={width}, learning_rate=1e-5: 0 of 3 runs on record, m")
    assert last.startswith("Training 39 run(s) on cpu: ")


def test_an_output_that_is_full_or_closed_is_no_traceback(say, capsys, monkeypatch):
    if not Path("/dev/full").exists():
        pytest.skip("needs a disk that is always full")
    with Path("/dev/full").open("w") as full, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", full)
        assert main(["run", "width", "--list"]) == 2
    assert capsys.readouterr().err == "the output fails: No space left on device.\n"
    reader, writer = os.pipe()
    os.close(reader)  # as `| head` does when it has its lines
    with os.fdopen(writer, "w") as closed, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", closed)
        assert main(["run", "width", "--list"]) == 141
    assert capsys.readouterr().err == ""


def test_ctrl_c_while_it_loads_is_answered_as_at_any_time(home, tmp_path):
    (tmp_path / "torch.py").write_text("print('loading', flush=True); import time; time.sleep(60)")
    own = {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    script = "import signal, runpy; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    script += "runpy.run_module('fmnist_lab', run_name='__main__', alter_sys=True)"
    with subprocess.Popen(
        [sys.executable, "-c", script, "run", "width"], env=os.environ | own, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    stopped = "Stopped. Finished runs are kept; run the same command to continue.\n"
    assert (process.returncode, said) == (130, stopped)


def test_ctrl_c_ends_with_a_sentence_and_code_130(say, trained, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "train", interrupt)
    code, out, err = say("run", "width", *SMALL, "--seeds", 1)
    assert (code, out) == (130, "")
    assert err.endswith("Stopped. Finished runs are kept; run the same command to continue.\n")


def test_a_store_that_is_a_file_ends_in_a_sentence(say, tmp_path, monkeypatch):
    store = tmp_path / "store"
    store.write_text("notes")
    monkeypatch.setenv("FMNIST_LAB_HOME", str(store))
    code, _, err = say("run", "width", *SMALL, "--seeds", 1)
    assert code == 2
    assert err.splitlines()[-1].startswith(f"the store {store} cannot be used: ")


@pytest.fixture
def three_studies(monkeypatch, made_up_run):
    """A study, a tuning and one that it tunes; what is trained is made up, best at 1e-3."""
    base = replace(WIDTH.base, depth=1, epochs=2)
    rates = (1e-4, 1e-3, 1e-2)
    plain = Study("plain", "?", "", base, {"width": (8,)}, seeds=(0, 1))
    grid = {"width": (128,), "learning_rate": rates}
    tuning = Tuning("tuning", "?", "", base, grid, seeds=(100, 101), bracketed=True)
    tuned = replace(plain, name="tuned", grid={"width": (128,)}, tuned_by=tuning)
    monkeypatch.setattr(studies, "STUDIES", {s.name: s for s in (plain, tuning, tuned)})
    asked: list[list[Config]] = []
    failing: set[Config] = set()

    def train(configs, **options):
        asked.append(records.missing(configs))
        for config in asked[-1]:
            if config not in failing:
                accuracy = 0.9 - abs(config.learning_rate - 1e-3)
                records.save(made_up_run(config, accuracy=accuracy))
        if failed := failing & {*configs}:
            raise FailedRuns(dict.fromkeys(failed, "no luck"))
        return records.find(configs)

    monkeypatch.setattr(study, "sweep", train)
    return asked, failing


def test_run_all_trains_every_study_and_what_its_tuning_leads_to(say, three_studies):
    code, out, _ = say("run", "--all", "--list")
    *listed, last = out.splitlines()
    assert code == 0
    assert [line.split(",")[0] for line in listed] == [
        "plain", "  width=8: 0 of 2 runs on record",
        "tuning", *["  width=128"] * 3,  # tuned has no settings yet
    ]  # fmt: skip
    assert last.startswith("Training 8 run(s) on cpu: ")
    code, out, err = say("run", "--all")
    assert (code, len(err.splitlines())) == (0, 1)  # where they are
    assert [line for line in out.splitlines() if line in studies.STUDIES] == [*studies.STUDIES]
    asked, _ = three_studies
    assert [len(configs) for configs in asked] == [2, 6, 2]
    assert [config.learning_rate for config in asked[2]] == [1e-3] * 2
    assert say("run", "--all", "--list")[1].endswith("\nNothing is missing.\n")


@pytest.mark.parametrize(("of", "kept"), [("plain", 8), ("tuning", 7)])
def test_run_all_goes_on_after_a_run_that_fails_and_names_it(say, three_studies, of, kept):
    """What is tuned waits for all runs of its tuning."""
    asked, failing = three_studies
    failing.add(studies.STUDIES[of].configs()[0])
    code, _, err = say("run", "--all")
    assert code == 1
    _, first, second = err.splitlines()
    assert first == "1 run(s) failed; all others are trained and kept."
    assert second.endswith(": no luck")
    assert sum(map(len, asked)) == kept + 1 + (of == "plain")


@pytest.mark.parametrize(
    "arguments", [["--width", "8"], ["width", "--all"], ["--all", "--width", "8"]]
)
def test_run_takes_one_study_or_all_of_them(say, arguments):
    sentence = "run takes the name of a study, or --all without options that vary one.\n"
    assert say("run", *arguments) == (2, "", sentence)
