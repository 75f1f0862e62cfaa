"""What the README says works as it is written."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def shell_blocks() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_it_has_two_commands_of_one_line_each():
    assert [len(block.splitlines()) for block in shell_blocks()] == [1, 1]


@pytest.mark.parametrize(
    ("number", "part"), [(1, "jupyter-book build book/"), (2, "/pytest")], ids=["book", "tests"]
)
def test_ci_runs_the_commands_of_the_readme(number, part):
    function = re.search(
        r"^readme_command\(\) \{.*?^\}", (ROOT / ".ci/run").read_text(), re.M | re.S
    )
    assert function
    found = subprocess.run(
        ["bash", "-euc", f"{function[0]}\nreadme_command {number}"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout == shell_blocks()[number - 1]
    assert part in found.stdout


@pytest.mark.parametrize("target", re.findall(r"\]\((?!https?:)([^)#]+)\)", README))
def test_every_file_it_links_to_exists(target):
    assert (ROOT / target).exists()


@pytest.mark.parametrize("name", ["_config.yml", "_toc.yml"])
def test_the_top_level_settings_are_links_to_those_of_the_book(name):
    link = ROOT / name
    assert link.is_symlink()
    assert link.resolve() == ROOT / "book" / name


def test_nothing_that_the_book_is_built_from_is_a_link():
    """A checkout without symbolic links, as on Windows, has files with their targets' names."""
    tracked = ["git", "ls-files", "--stage", "--", "book", "fmnist_lab"]
    files = subprocess.run(tracked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert " book/_toc.yml" in files.replace("\t", " ")
    assert not [line for line in files.splitlines() if line.startswith("120000")]
