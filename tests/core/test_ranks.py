"""Ranks: of real process groups, and as each launcher leaves them in the environment of a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headrace.core.errors import ArgumentError
from headrace.core.ranks import Ranks, rank_and_world

ALONE = Ranks(0, 1, "a single process")
FAMILIES = ("RANK", "WORLD", "OMPI", "PMI", "SLURM")

LAUNCHERS: dict[str, tuple[dict[str, str], tuple[int, int]]] = {
    "torchrun": ({"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}, (3, 4)),
    "Open MPI": ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, (1, 2)),
    "MPICH": ({"PMI_RANK": "0", "PMI_SIZE": "3"}, (0, 3)),
    "srun": (
        {"SLURM_PROCID": "5", "SLURM_NTASKS": "16", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "8"},
        (5, 8),
    ),
    "srun of an older SLURM": ({"SLURM_PROCID": "5", "SLURM_NTASKS": "8", "SLURM_STEPID": "2"}, (5, 8)),
    "salloc, then a plain shell": ({"SLURM_NTASKS": "8", "SLURM_JOB_ID": "17"}, (0, 1)),
    "a batch script without srun": ({"SLURM_NTASKS": "8", "SLURM_PROCID": "0"}, (0, 1)),
    "a batch script that is a step": (
        {"SLURM_NTASKS": "8", "SLURM_PROCID": "0", "SLURM_STEP_ID": str(0xFFFFFFFB), "SLURM_STEP_NUM_TASKS": "8"},
        (0, 1),
    ),
    "salloc with an interactive step": (
        {"SLURM_NTASKS": "8", "SLURM_PROCID": "0", "SLURM_STEP_ID": str(0xFFFFFFFA)},
        (0, 1),
    ),
    "torchrun within srun": (
        {"RANK": "3", "WORLD_SIZE": "4", "SLURM_PROCID": "1", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2"},
        (3, 4),
    ),
    "mpirun within SLURM": (
        {"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "4", "SLURM_NTASKS": "4", "SLURM_PROCID": "0"},
        (2, 4),
    ),
    "nobody": ({"PATH": "/bin", "SLURM_CONF": "/etc/slurm.conf"}, (0, 1)),
}


@pytest.mark.parametrize(("environment", "expected"), LAUNCHERS.values(), ids=LAUNCHERS)
def test_each_launcher_is_understood(environment: dict[str, str], expected: tuple[int, int]) -> None:
    found = rank_and_world(environment)
    assert (found.index, found.count) == expected


MISTAKES: dict[str, tuple[dict[str, str], str]] = {
    "a rank alone": ({"RANK": "1"}, r"RANK='1', but no WORLD_SIZE.*set both, or neither, or write shard"),
    "a count alone": ({"WORLD_SIZE": "2"}, "WORLD_SIZE='2', but no RANK"),
    "an MPI rank alone": ({"OMPI_COMM_WORLD_RANK": "1"}, "no OMPI_COMM_WORLD_SIZE"),
    "a rank that is the count": ({"RANK": "2", "WORLD_SIZE": "2"}, "RANK=2 and WORLD_SIZE=2.*count from 0"),
    "a count of none": ({"RANK": "0", "WORLD_SIZE": "0"}, "RANK=0 and WORLD_SIZE=0"),
    "a rank of another launcher": (
        {"SLURM_PROCID": "5", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2"},
        "SLURM_PROCID=5 and SLURM_STEP_NUM_TASKS=2",
    ),
    "a word": ({"RANK": "one", "WORLD_SIZE": "2"}, "RANK='one', where a whole number"),
    "a number below 0": ({"RANK": "-1", "WORLD_SIZE": "2"}, "RANK='-1', where a whole number from 0 up"),
    "nothing": ({"RANK": "", "WORLD_SIZE": "2"}, "RANK='', where a whole number"),
    "half a number": ({"PMI_RANK": "0", "PMI_SIZE": "1.5"}, "PMI_SIZE='1.5'"),
    "a digit of another script": ({"RANK": "٣", "WORLD_SIZE": "4"}, "where a whole number"),
}


@pytest.mark.parametrize(("environment", "says"), MISTAKES.values(), ids=MISTAKES)
def test_an_environment_that_contradicts_itself_is_refused(environment: dict[str, str], says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        rank_and_world(environment)


ASK = "from headrace.core.ranks import rank_and_world\nfound = rank_and_world()\nprint(found.index, found.count)"


def test_a_process_reads_its_own_environment_and_loads_no_framework() -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(FAMILIES)}
    code = f"{ASK}\nimport sys\nassert not sys.modules.keys() & {{'torch', 'jax', 'socket'}}"
    for environment, (index, count) in ({}, (0, 1)), LAUNCHERS["torchrun"]:
        done = subprocess.run(
            [sys.executable, "-c", code], env={**clean, **environment}, capture_output=True, text=True, check=True
        )
        assert done.stdout.startswith(f"{index} {count}\n")


GROUP = """
import sys
import torch.distributed as distributed
rank = int(sys.argv[2])
from headrace.core.ranks import rank_and_world
before = rank_and_world()
distributed.init_process_group("gloo", init_method="file://" + sys.argv[1], rank=rank, world_size=2)
during = rank_and_world()
distributed.destroy_process_group()
assert before == rank_and_world() and before.count == 1, before
print(during.index, during.count, during.origin)
"""


@pytest.mark.torch
def test_processes_of_a_group_of_torch_are_numbered_by_it(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(FAMILIES)}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", GROUP, str(tmp_path / "meeting"), str(rank)], env=clean, stdout=-1, text=True
        )
        for rank in range(2)
    ]
    try:
        said = [process.communicate(timeout=60)[0].strip() for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    assert said == ["0 2 torch.distributed", "1 2 torch.distributed"]


@pytest.mark.torch
def test_torch_without_a_group_says_nothing() -> None:
    torch: Any = pytest.importorskip("torch")
    assert not torch.distributed.is_initialized()
    assert rank_and_world({}) == ALONE
    assert rank_and_world({"RANK": "1", "WORLD_SIZE": "2"}) == Ranks(1, 2, "RANK and WORLD_SIZE")
