"""Write the images that the page's trainer loads, into the built site.

`trainer/images.bin` holds the first 4,000 training and the first 1,000 validation images of the
package's split by seed 0: 784 bytes an image, then a byte a label, gzipped.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
from sphinx.application import Sphinx

SEED, TRAIN, VALIDATION = 0, 4_000, 1_000


def packed() -> bytes:
    """Return the gzipped images and labels, always the same bytes."""
    # Here, because it takes three seconds, which a build that fails does not need.
    from fmnist_lab.data import load, split

    data, (train, validation) = load(), split(SEED)
    chosen = np.concatenate([train[:TRAIN], validation[:VALIDATION]])
    levels = np.rint(data.images.numpy()[chosen] * 255).astype(np.uint8)  # (5000, 784)
    labels = data.labels.numpy()[chosen].astype(np.uint8)
    return gzip.compress(levels.tobytes() + labels.tobytes(), mtime=0)


def write(app: Sphinx, failure: Exception | None) -> None:
    """Write the file beside the trainer's scripts (handler of ``build-finished``)."""
    wanted = "explorer" in app.env.found_docs  # the page that loads it
    if failure is None and app.builder.format == "html" and wanted:
        folder = Path(app.outdir) / "trainer"
        folder.mkdir(exist_ok=True)
        (folder / "images.bin").write_bytes(packed())


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the handler."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
