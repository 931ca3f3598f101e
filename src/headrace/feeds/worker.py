"""What a dataset needs to know in a worker of torch's DataLoader."""

from __future__ import annotations

from typing import Any

from headrace.feeds.need import torch_for


def worker_and_count() -> tuple[int, int]:
    """Return which worker of how many this process is; (0, 1) outside of one."""
    info = torch_for("to_torch").utils.data.get_worker_info()
    return (0, 1) if info is None else (info.id, info.num_workers)


def shared_number() -> Any:
    """Return a tensor of one number, 0, that workers see change."""
    torch = torch_for("to_torch")
    return torch.zeros((), dtype=torch.int64).share_memory_()


def stay(tensor: Any) -> Any:
    """Return a tensor where it is."""
    return tensor
