"""What a chunk that cannot be read is answered with: which variable, which chunk, where it lies, and why."""

from __future__ import annotations

from headrace.core.errors import DamageError, DeniedError, HeadraceError, StoreError, UnreachableError

_NO_ANSWER = ("error sending request", "timed out", "timeout", "connection", "could not connect", "connect error")


def unread(variable: str, place: tuple[int, ...], where: str, error: BaseException) -> HeadraceError:
    """Return the error of a chunk that could not be fetched.

    Args:
        variable: Its name.
        place: Of the chunk, on the grid of chunks.
        where: It lies.
        error: What was raised.
    """
    if isinstance(error, StoreError):
        return error
    said = f"variable {variable!r}, chunk {place}, cannot be read from {where}: {type(error).__name__}: {error}"
    if isinstance(error, PermissionError) or type(error).__name__ in ("PermissionDeniedError", "UnauthenticatedError"):
        return DeniedError(f"{said}. Make sure that it may be read.")
    if isinstance(error, TimeoutError | ConnectionError) or any(word in str(error).lower() for word in _NO_ANSWER):
        return UnreachableError(f"{said}. Try again when the place answers.")
    return StoreError(said)


def damaged(variable: str, place: tuple[int, ...], where: str, error: BaseException) -> HeadraceError:
    """Return the error of a chunk that was fetched, and cannot be decoded."""
    if isinstance(error, StoreError):
        return error
    return DamageError(
        f"variable {variable!r}, chunk {place}: what lies at {where} is damaged, or was not written as its metadata "
        f"say: {type(error).__name__}: {error}. Write the chunk again, or bring it back from a copy."
    )
