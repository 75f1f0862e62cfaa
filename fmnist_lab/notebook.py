"""What surrounds a notebook's code: the shell that runs it, and whoever watches."""

from __future__ import annotations

import os
import sys
from typing import Any


def shell() -> Any:
    """Return the IPython shell that runs the code, or None outside IPython."""
    loaded = sys.modules.get("IPython")
    return loaded and loaded.get_ipython()


def watched() -> bool:
    """Return whether a person watches a notebook in JupyterLab.

    A widget that nobody watches would be saved with a notebook that papermill or the book's build
    executes, and pull all of its JavaScript into the page.
    """
    return "ipykernel" in sys.modules and "JPY_SESSION_NAME" in os.environ  # set by JupyterLab
