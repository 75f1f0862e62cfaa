"""environment.yml, pyproject.toml and CITATION.cff say the same."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())

# conda-forge has its own name for some distributions.
CONDA_NAMES = {
    "matplotlib": "matplotlib-base",
    "torch": "pytorch",
    "playwright": "playwright-python",
}
IN_ENVIRONMENT = ["book", "cluster", "test"]


def parse(requirement: str) -> tuple[str, str]:
    """Split ``name>=1,<2`` into name and version rule."""
    match = re.fullmatch(r"([A-Za-z0-9_.-]+?)(\[[a-z,]+\])?\s*([<>=!~].*)?", requirement)
    assert match, f"cannot read the requirement {requirement!r}"
    return match[1].lower(), (match[3] or "").replace(" ", "")


def of_pip() -> dict[str, str]:
    extras = PROJECT["optional-dependencies"]
    lines = PROJECT["dependencies"] + [line for extra in IN_ENVIRONMENT for line in extras[extra]]
    rules = {CONDA_NAMES.get(name, name): rule for name, rule in map(parse, lines)}
    del rules[PROJECT["name"]]  # an extra that brings another
    return rules


def of_conda() -> dict[str, str]:
    lines = [line for line in CONDA["dependencies"] if isinstance(line, str)]
    return dict(map(parse, lines))


def test_conda_installs_what_pip_installs_in_the_same_versions():
    assert of_conda() == of_pip() | {"python": PROJECT["requires-python"], "pip": ""}


def test_the_tests_install_the_cluster_extra_too():
    assert f"{PROJECT['name']}[cluster]" in PROJECT["optional-dependencies"]["test"]


def test_conda_adds_by_pip_the_package_of_this_folder_and_nothing_else():
    assert [line for line in CONDA["dependencies"] if not isinstance(line, str)] == [
        {"pip": ["-e ."]}
    ]


@pytest.mark.parametrize("name", ["jupyter", "ipy", "nb", "papermill", "myst", "playwright"])
def test_the_core_installs_no_part_of_jupyter(name):
    assert not [line for line in PROJECT["dependencies"] if line.startswith(name)]


def test_the_book_is_built_by_version_1_of_jupyter_book():
    assert "<2" in of_pip()["jupyter-book"]


def test_the_citation_names_this_version():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == PROJECT["version"]


def test_a_push_to_main_cancels_no_deployment_that_has_begun():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    cancelled = workflow["concurrency"]["cancel-in-progress"]
    assert cancelled == "${{ github.ref != 'refs/heads/main' }}"
