"""What the README says can be done as it stands."""

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
def test_the_book_folder_links_to_the_top_level_settings(name):
    link = ROOT / "book" / name
    assert link.is_symlink()
    assert link.resolve() == ROOT / name
