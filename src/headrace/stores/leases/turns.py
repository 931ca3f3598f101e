"""Turns at building a version: what they promise, and how a version is built in one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from headrace.core.errors import ExistsError, StoreError


class LostError(StoreError):
    """The turn has gone to another, who builds or has built what was to be built."""


class Turn(Protocol):
    """The right to build a version, as long as nobody else is given it."""

    @property
    def fence(self) -> int:
        """A number that is higher than that of everyone who had a turn at this version before."""
        ...

    def say(self, text: str) -> None:
        """Let those who wait know how far it is, such as ``"34% of 50,000 records"``.

        It costs next to nothing, however often it is called: what is said reaches them now and then.
        """
        ...

    def check(self) -> None:
        """Make sure that the turn is still ours: to be called before publishing.

        Raises:
            LostError: Another was given it, because we seemed dead.
            StoreError: The store cannot be asked.
        """
        ...


class Turns(Protocol):
    """Gives turns at building the versions of one store."""

    def turn(
        self, id: str, version: str, done: Callable[[], bool], told: Callable[[str], None] | None = None
    ) -> AbstractContextManager[Turn | None]:
        """Wait until a version is ours to build, or is there.

        Args:
            id: The dataset's name.
            version: The version's.
            done: Says whether the version is there. It is asked now and then, and once more when the turn is ours.
            told: What is told, at most once a second, who builds, how long we saw them do it and how far they are.

        Returns:
            A context manager that gives the turn, or None when the version came to be there. The turn ends with the
            block, however it is left.

        Raises:
            StoreError: Nothing can be written here, we would wait for ourselves, or it took longer than we would wait.
        """
        ...


def build_once(
    turns: Turns,
    id: str,
    version: str,
    done: Callable[[], bool],
    build: Callable[[Turn], object],
    told: Callable[[str], None] | None = None,
) -> bool:
    """Build a version unless it is there, or another builds it meanwhile.

    Args:
        turns: Gives turns at building.
        id: The dataset's name.
        version: The version's.
        done: Says whether the version is there.
        build: Makes and publishes it. It calls the turn's ``check`` right before it publishes; when the turn was lost,
            or the version is there (:class:`~headrace.core.errors.ExistsError`), what the other made is as good.
        told: What is told of others' progress while we wait.

    Returns:
        Whether it was built here.

    Raises:
        StoreError: As by :meth:`Turns.turn`. What ``build`` raises is raised, and the next who waits has a turn.
    """
    while not done():
        with turns.turn(id, version, done, told) as turn:
            if turn is None:
                return False
            try:
                build(turn)
            except LostError:
                continue  # wait for the one who has it
            except ExistsError:
                if not done():
                    raise
                return False
            return True
    return False


def key_of(id: str, version: str) -> str:
    """Return the name under which turns at a version are kept: of any name, one that is a file's everywhere.

    >>> key_of("digits", "1.0")
    'f43691bd7bdfd5a731da12045165255a'
    """
    return hashlib.sha256(json.dumps([id, version]).encode()).hexdigest()[:32]
