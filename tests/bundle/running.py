"""Runs code in a bundle, where nothing but the bundle and the standard library can be found."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

_BEGIN: Final = "import json, sys; sys.path.insert(0, sys.argv[1]); asked = json.load(sys.stdin)\n"
_END: Final = "\nsys.stderr.write('\\n' + json.dumps(answer))\n"


def run(
    code: str,
    folder: Path,
    asked: Any = None,
    variables: Mapping[str, str] | None = None,
    python: str = sys.executable,
) -> Any:
    """Run code that finds `asked` and leaves `answer`, both JSON; warnings are errors.

    Args:
        code: Python.
        folder: A bundle, or any folder with packages.
        asked: What the code is given.
        variables: The process's environment, besides the credentials.
        python: What runs it.
    """
    environment = {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "made-up",
        "AWS_DEFAULT_REGION": "eu-west-1",
        **(variables or {}),
    }
    line = [python, "-I", "-S", "-B", "-W", "error", "-c", _BEGIN + code + _END, str(folder)]
    done = subprocess.run(
        line, input=json.dumps(asked), env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stderr.splitlines()[-1])
