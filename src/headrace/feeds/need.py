"""torch, loaded when it is needed, or the command that installs it."""

from __future__ import annotations

from typing import Any

from headrace.core.errors import MissingExtraError


def torch_for(purpose: str) -> Any:
    """Return the torch module.

    Raises:
        MissingExtraError: It is not installed; says what needed it.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError.of("torch", "torch", purpose) from error
    return torch
