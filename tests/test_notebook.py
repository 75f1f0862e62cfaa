"""fmnist_lab.notebook: whether a person watches."""

import sys
import types

import pytest

from fmnist_lab.notebook import watched


@pytest.mark.parametrize(
    ("kernel", "session", "person"),
    [(False, None, False), (False, "width.ipynb", False), (True, None, False), (True, "w", True)],
)
def test_a_person_watches_a_kernel_that_jupyterlab_started(kernel, session, person, monkeypatch):
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    if kernel:
        monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    if session:
        monkeypatch.setenv("JPY_SESSION_NAME", session)
    assert watched() is person
