"""Where the project's own files are: its catalogues and shipped weights."""

from __future__ import annotations

import sysconfig
from pathlib import Path

from cortexclip.errors import InputError

PACKAGE = Path(__file__).resolve().parents[1]


def root() -> Path:
    """The folder with ``config`` and ``resources``.

    That is the checkout that this package lies in, as when it is installed with ``--editable``, or else the folder
    ``share/cortexclip`` that an ordinary installation puts beside the packages. Raises InputError if there is neither.
    """
    installed = (PACKAGE.parent, Path(sysconfig.get_path("data")))
    folders = [PACKAGE.parents[1], *(folder / "share" / "cortexclip" for folder in installed)]
    for folder in folders:
        if (folder / "config" / "methods.yaml").is_file():
            return folder
    raise InputError(
        f"config/methods.yaml: not found in {', '.join(map(str, folders))}. Install cortexclip from its checkout: "
        "pip install --constraint constraints.txt --editable ."
    )
