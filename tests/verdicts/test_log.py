"""The log of readings, rules and looks agrees with the verdicts shown."""

import subprocess
from datetime import date
from pathlib import Path

import pytest

from fmnist_lab.verdicts.claims import Box
from fmnist_lab.verdicts.conclusions import CLAIMS
from fmnist_lab.verdicts.log import LOG, changed_on
from fmnist_lab.verdicts.rules import NAMES

LAST = {(moved.claim, moved.how): moved for entry in LOG for moved in entry.moved}
each_entry = pytest.mark.parametrize("entry", LOG, ids=lambda entry: entry.what[:30])


def test_the_last_entry_of_a_verdict_is_the_verdict_shown(found):
    shown = {(name, how): found[name].answers[how].name for name, how in LAST}
    assert shown == {key: moved.after for key, moved in LAST.items()}


def test_a_verdict_begins_where_its_last_entry_left_it():
    before: dict[tuple[str, str], str] = {}
    for moved in (moved for entry in LOG for moved in entry.moved):
        assert moved.claim in CLAIMS
        assert {moved.before, moved.after} <= set(NAMES)
        assert before.get((moved.claim, moved.how), moved.before) == moved.before
        before[moved.claim, moved.how] = moved.after


def test_entries_are_dated_in_order():
    dates = [date.fromisoformat(entry.date) for entry in LOG]
    assert dates == sorted(dates)


@each_entry
def test_an_entry_names_a_commit_of_its_day(entry):
    command = ["git", "show", "-s", "--format=%as", entry.commit]
    told = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent)
    if not entry.commit or told.returncode:  # a copy without its history
        pytest.skip("no commit to look at")
    assert told.stdout.strip() == entry.date


def test_a_box_says_when_its_verdict_changed_and_links_to_the_log(found):
    assert changed_on("C4") == ["2026-11-24", "2026-11-28"]
    assert changed_on("L2") == []
    assert "Changed: on 2026-11-24 and 2026-11-28" in repr(Box(found["C4"])).replace("\n  ", " ")
    assert 'href="method.html#log-of-verdicts"' in Box(found["C4"])._repr_html_()
    assert "Changed" not in repr(Box(found["L2"]))
    assert "log-of-verdicts" not in Box(found["L2"])._repr_html_()
