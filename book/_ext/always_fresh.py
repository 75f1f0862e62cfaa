"""Make Sphinx read every page again in every build.

Sphinx rebuilds a page when its source has changed. A page with code also depends on the package and
on the run records, which Sphinx knows nothing about: without this, a warm build would show results
of older code.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


def outdated(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Return the names of all pages that are still there (handler of ``env-get-outdated``)."""
    return sorted(env.found_docs)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the handler."""
    app.connect("env-get-outdated", outdated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
