"""The pages' scripts, run by node outside a browser."""

import json
import shutil
import subprocess
from typing import Any

import pytest

from tests.built import BOOK

NODE = shutil.which("node")
SCRIPTS = BOOK / "_extra"


def in_node(script: str, call: str, cases: Any) -> Any:
    """Return what `call` says about each case, as `one`; `it` is a script's module."""
    if NODE is None:
        pytest.skip("no node: the pages' scripts cannot be run outside a browser")
    code = f"""
        import {{ readFileSync }} from "node:fs";
        import * as it from "{(SCRIPTS / script).as_uri()}";
        const cases = JSON.parse(readFileSync(0, "utf8"));
        console.log(JSON.stringify(cases.map((one) => {call})));"""
    command = [NODE, "--input-type=module", "--eval", code]
    done = subprocess.run(command, input=json.dumps(cases), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
