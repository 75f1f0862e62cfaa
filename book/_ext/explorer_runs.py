"""Write the published runs that the explorer loads, into the built site."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx


def write(app: Sphinx, failure: Exception | None) -> None:
    """Write the file beside the explorer's script (handler of ``build-finished``)."""
    wanted = "explorer" in app.env.found_docs  # the page that loads it
    if failure is None and app.builder.format == "html" and wanted:
        # Here, because it takes three seconds, which a build that fails does not need.
        from fmnist_lab.pictures.explorer import payload
        from fmnist_lab.runs.records import read_published

        folder = Path(app.outdir) / "explorer"
        folder.mkdir(exist_ok=True)
        (folder / "runs.json").write_text(payload(read_published().values()))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the handler."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
