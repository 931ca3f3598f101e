"""Whether somebody looks at what is written to standard error."""

from __future__ import annotations

import sys


def is_watched() -> bool:
    """Say whether a person would see a progress bar: on a terminal, or in a notebook.

    That a notebook's kernel is installed, or was loaded by some library, does not make this process one.
    """
    kernel = getattr(sys.modules.get("ipykernel.kernelapp"), "IPKernelApp", None)
    if kernel is not None and kernel.initialized():
        return True
    return bool(sys.stderr and sys.stderr.isatty())
