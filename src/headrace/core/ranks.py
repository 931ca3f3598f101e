"""Which process of a distributed run this is, as torch, JAX or the launcher that started it say.

Nothing is imported for the answer: what has been initialised is loaded already, and launchers leave their numbers in
the environment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from headrace.core.errors import ArgumentError

_NO_TASKS = 0xFFFF_FF00  # SLURM numbers the steps of batch scripts and of interactive shells from the top down


@dataclass(frozen=True)
class Ranks:
    """A place among the processes of a run.

    Args:
        index: This process, in ``range(count)``.
        count: How many there are.
        origin: Who says so, for messages: ``"torch.distributed"``, ``"RANK and WORLD_SIZE"``, ``"a single process"``.
    """

    index: int
    count: int
    origin: str


def rank_and_world(environment: Mapping[str, str] | None = None) -> Ranks:
    """Return this process's place, by the first of these that knows it.

    1. ``torch.distributed``, where a process group has been initialised;
    2. JAX, where ``jax.distributed.initialize`` was called;
    3. ``RANK`` and ``WORLD_SIZE``: torchrun, Accelerate, Lightning, DeepSpeed;
    4. ``OMPI_COMM_WORLD_RANK`` and ``_SIZE``: mpirun of Open MPI;
    5. ``PMI_RANK`` and ``PMI_SIZE``: MPICH and Intel MPI;
    6. ``SLURM_PROCID`` and ``SLURM_STEP_NUM_TASKS`` (or ``SLURM_NTASKS``), within ``srun``. A batch script or an
       interactive shell, which SLURM gives a number of tasks too, is a single process.

    Otherwise it is process 0 of 1.

    Args:
        environment: The variables; None for those of this process.

    >>> rank_and_world({"RANK": "1", "WORLD_SIZE": "4"})
    Ranks(index=1, count=4, origin='RANK and WORLD_SIZE')
    >>> rank_and_world({"SLURM_NTASKS": "4"})
    Ranks(index=0, count=1, origin='a single process')

    Raises:
        ArgumentError: Only one variable of a pair is there, one is no number, or the rank is not below the count.
    """
    known = os.environ if environment is None else environment
    for ask in (_torch, _jax):
        if (found := ask()) is not None:
            return found
    for look in _LAUNCHERS:
        if (found := look(known)) is not None:
            return found
    return Ranks(0, 1, "a single process")


def _torch() -> Ranks | None:
    distributed: Any = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    return Ranks(distributed.get_rank(), distributed.get_world_size(), "torch.distributed")


def _jax() -> Ranks | None:
    jax: Any = sys.modules.get("jax")
    is_initialized = getattr(getattr(jax, "distributed", None), "is_initialized", None)
    if is_initialized is None or not is_initialized():
        return None
    return Ranks(jax.process_index(), jax.process_count(), "jax.distributed")


def _pair(rank: str, world: str) -> Callable[[Mapping[str, str]], Ranks | None]:
    """Return what looks for two variables, neither of which means anything without the other."""

    def look(known: Mapping[str, str]) -> Ranks | None:
        if rank not in known and world not in known:
            return None
        for name, other in ((rank, world), (world, rank)):
            if name not in known:
                raise ArgumentError(
                    f"the environment has {other}={known[other]!r}, but no {name}, so this process's place among the "
                    f"others is not known: set both, or neither, or write shard(index, count)"
                )
        return _checked(known, rank, world)

    return look


def _slurm(known: Mapping[str, str]) -> Ranks | None:
    step = known.get("SLURM_STEP_ID", known.get("SLURM_STEPID", ""))
    if not step or "SLURM_PROCID" not in known or (step.isdecimal() and int(step) >= _NO_TASKS):
        return None
    for world in ("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"):
        if world in known:
            return _checked(known, "SLURM_PROCID", world)
    return None


def _checked(known: Mapping[str, str], rank: str, world: str) -> Ranks:
    index, count = (_number(known, name) for name in (rank, world))
    if not index < count:
        raise ArgumentError(
            f"the environment has {rank}={index} and {world}={count}, but ranks count from 0, so that each is below "
            "the number of processes: are both from the same launcher?"
        )
    return Ranks(index, count, f"{rank} and {world}")


def _number(known: Mapping[str, str], name: str) -> int:
    text = known[name].strip()
    if not (text.isascii() and text.isdecimal()):
        raise ArgumentError(f"the environment has {name}={known[name]!r}, where a whole number from 0 up is expected")
    return int(text)


_LAUNCHERS = (
    _pair("RANK", "WORLD_SIZE"),
    _pair("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    _pair("PMI_RANK", "PMI_SIZE"),
    _slurm,
)
