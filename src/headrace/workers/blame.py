"""Which part of something it is that cannot travel to another process, and where it hangs."""

from __future__ import annotations


def unpicklable(value: object, error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
