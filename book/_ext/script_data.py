"""Write what the scripts of the page with the explorer load, into the built site.

`explorer/runs.json` holds the published runs, `expect/expect.json` where those of each setting end.
`trainer/images.bin` holds the first 4,000 training and the first 1,000 validation images of the
package's split by seed 0: 784 bytes an image, then a byte a label, gzipped.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from explorer_data import payload
from sphinx.application import Sphinx

SEED, TRAIN, VALIDATION = 0, 4_000, 1_000


def runs() -> bytes:
    """Return the published runs as the explorer reads them."""
    from fmnist_lab.runs.records import read_published

    return payload(read_published().values()).encode()


def expectations() -> bytes:
    """Return what is to be expected of each setting, as "Is my number normal?" reads it."""
    from fmnist_lab.facts.expected import everything

    every = [asdict(one) for one in everything()]
    return json.dumps(every, separators=(",", ":"), allow_nan=False).encode()


def images() -> bytes:
    """Return the gzipped images and labels, always the same bytes."""
    from fmnist_lab.data import load, split

    data, (train, validation) = load(), split(SEED)
    chosen = np.concatenate([train[:TRAIN], validation[:VALIDATION]])
    levels = np.rint(data.images.numpy()[chosen] * 255).astype(np.uint8)  # (5000, 784)
    labels = data.labels.numpy()[chosen].astype(np.uint8)
    return gzip.compress(levels.tobytes() + labels.tobytes(), mtime=0)


FILES = {
    "explorer/runs.json": runs,
    "expect/expect.json": expectations,
    "trainer/images.bin": images,
}


def write(app: Sphinx, failure: Exception | None) -> None:
    """Write the files beside the scripts that load them (handler of ``build-finished``)."""
    wanted = "explorer" in app.env.found_docs  # the page that loads them
    if failure is None and app.builder.format == "html" and wanted:
        for name, content in FILES.items():  # only now: a build that fails needs none of it
            path = Path(app.outdir, name)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content())


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the handler."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
