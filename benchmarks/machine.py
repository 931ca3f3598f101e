"""What the figures were measured on: machine, versions, date."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
from pathlib import Path

from benchmarks.loaders import LOADERS, ROOT, Entry

PACKAGES = {
    "headrace_store": ("headrace",),
    "numpy_loop": ("numpy",),
    "torch_records": ("torch",),
    "grain_map": ("grain",),
    "hf_numpy": ("datasets", "pyarrow"),
    "mosaic_mds": ("mosaicml-streaming",),
    "wds_tar": ("webdataset",),
    "lmdb_pickle": ("lmdb",),
    "lance_safe": ("pylance",),
    "nodes_augment": ("torchdata",),
    "spdl_augment": ("spdl-core",),
    "pescador_zmq": ("pescador", "pyzmq"),
    "tf_slices": ("tensorflow-cpu",),
    "xbatcher_patches": ("xbatcher", "xarray", "dask"),
    "zarr_chunks": ("zarr", "numcodecs"),
    "headrace_zarr_rust": ("zarrs",),
    "tensorstore_chunks": ("tensorstore",),
    "ffcv_beton": ("ffcv", "numpy", "torch"),
}
ASK = """
import importlib.metadata, json, sys
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        found[name] = "not installed"
print(json.dumps(found))
"""


def describe() -> list[str]:
    """Return lines about the machine, the interpreter and the day."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return [
        f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB of memory",
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        f"{datetime.date.today():%Y-%m-%d}; load when the run began: {os.getloadavg()[0]:.1f}",
    ]


def versions() -> dict[str, str]:
    """Return the installed version of every package that is measured, by name."""
    found: dict[str, str] = {}
    for name, packages in PACKAGES.items():
        entry = LOADERS[name]
        where = f" ({entry.environment})" if entry.environment else ""
        for package, version in _installed(entry, packages).items():
            found[package + where] = version
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    if commit.returncode == 0:
        found["headrace"] += f" (commit {commit.stdout.strip()})"
    return found


def _installed(entry: Entry, packages: tuple[str, ...]) -> dict[str, str]:
    if entry.python is None:
        return dict.fromkeys(packages, "not installed")
    answer = subprocess.run([entry.python, "-c", ASK, *packages], capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(answer.stdout)
    return found


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
