"""Processes that read all of one version at the same time: whether its files lie in memory once; Linux only.

Each is started afresh, and reads every record in an order of its own. PSS counts a page that n processes share as 1/n
in each of them, so that the sum over all of them is what they need together.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import headrace as hr
from benchmarks.loaders import ROOT
from benchmarks.loaders.headrace_store import VERSION, batches, fetch
from benchmarks.workloads import Data, chosen

PROCESSES = {"full": 64, "quick": 6}
KINDS = ("Pss", "Pss_Anon", "Pss_File")


def pss(pid: int) -> dict[str, int]:
    """Return a process's share of memory, in bytes."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return {kind: 1024 * int(value) for kind, value in re.findall(r"^(\w+): +(\d+) kB$", text, re.M) if kind in KINDS}


def mapped(pid: int, folder: Path) -> int:
    """Return a process's share of the files below a folder, in bytes."""
    total, counts = 0, False
    with Path(f"/proc/{pid}/smaps").open() as lines:
        for line in lines:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                counts = str(folder) in line
            elif counts and line.startswith("Pss:"):
                total += 1024 * int(line.split()[1])
    return total


def read(records: hr.Dataset, data: Data, number: int) -> int:
    seen = 0
    for batch in batches(records, data, number).stream():
        seen += int(batch["payload"][..., 0].sum(dtype="int64")) + int(batch["label"].sum())
    return seen


def figure(data: Data, count: int) -> dict[str, object]:
    fetch(data)  # which writes it, if need be
    folder = data.workload.folder / "headrace"
    manifest = hr.Store(folder).manifest(data.workload.folder.name, VERSION)
    size = "quick" if data.workload.quick else "full"
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.figures.sharing", "child", size, str(number)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(count)
    ]
    try:
        said = [each.stdout.readline() for each in running if each.stdout]
        before = [pss(each.pid) for each in running]
        for each in running:
            if each.stdin:
                each.stdin.write("read\n")
                each.stdin.flush()
        said += [each.stdout.readline() for each in running if each.stdout]
        after = [pss(each.pid) for each in running]
        shared = sum(mapped(each.pid, folder) for each in running)
    finally:
        for each in running:
            each.communicate()
    if len(set(said[count:])) != 1 or not said[-1].strip():
        raise ValueError("the processes did not all read the same")
    return {
        "processes": count,
        "files": manifest.size,
        "mapped": shared,
        "before": sum(each["Pss"] for each in before),
        "after": sum(each["Pss"] for each in after),
        "own": sum(each["Pss_Anon"] for each in after) - sum(each["Pss_Anon"] for each in before),
    }


if __name__ == "__main__":
    if sys.argv[1] == "child":
        data = Data(chosen("images", sys.argv[2]))
        print("ready", flush=True)
        sys.stdin.readline()
        records = fetch(data)
        print(read(records, data, int(sys.argv[3])), flush=True)
        sys.stdin.readline()
        del records  # what it has mapped is mapped until here
    else:
        print(json.dumps(figure(Data(chosen("images", sys.argv[1])), PROCESSES[sys.argv[1]])))
