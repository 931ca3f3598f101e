"""Which versions of what are installed."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from typing import TextIO

import headrace

_PACKAGES = ("numpy", "xarray", "zarr", "dask", "torch", "tensorflow", "keras", "pip", "pytest", "ipython", "sphinx")


def show_versions(file: TextIO | None = None) -> None:
    """Print the versions of this module, of Python and of what it works with.

    Args:
        file: Where to; standard output if None.

    >>> show_versions()
    xbatcher information:
      version: v0.4.0, by headrace ...
    """
    lines = [
        "xbatcher information:",
        f"  version: v0.4.0, by headrace {headrace.__version__}",
        "System information:",
        f"  python: {' '.join(sys.version.split())}",
        f"  executable: {sys.executable}",
        f"  machine: {platform.platform()}",
        "Dependency information:",
        *(f"  {name}: {_version(name)}" for name in _PACKAGES),
    ]
    print("\n".join(lines), file=file)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    show_versions()
