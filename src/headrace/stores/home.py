"""What the face of a store asks of where it lies: a folder on this machine, or a place far away."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from headrace.stores.building.stages import About
from headrace.stores.catalog import Catalog
from headrace.stores.leases.turns import Turns
from headrace.stores.manifest import Manifest
from headrace.stores.sending import Sending
from headrace.stores.shelves import Shelf
from headrace.stores.versions.garbage import Garbage


class Home(Protocol):
    """Where a store lies: its reading side, its parts, and the few steps that change it."""

    @property
    def catalog(self) -> Catalog:
        """The reading side: what there is."""
        ...

    @property
    def shelf(self) -> Shelf:
        """The parts, for readers."""
        ...

    @property
    def desk(self) -> Path:
        """The folder on this machine below or beside which parts are prepared; it need not exist."""
        ...

    @property
    def part_bytes(self) -> int | None:
        """About how large parts become, where a user does not say; None for one part."""
        ...

    @property
    def turns(self) -> Turns:
        """Who builds a missing version."""
        ...

    def staging(self, about: About | None = None) -> AbstractContextManager[Path]:
        """Give a folder of one's own, on this machine, to prepare parts in.

        It is gone when the block is left; after an error it stays if there is something to go on with.

        Args:
            about: What is written, for who can go on with what a dead writer of the same has left.

        Raises:
            StoreError: Nothing can be written there.
        """
        ...

    def sending(self, stage: Path) -> AbstractContextManager[Sending | None]:
        """Give what parts that are finished are told, to be sent beside the writing; None where they stay here."""
        ...

    def check(self, id: str, version: str, taking: bool) -> None:
        """Make sure that a name may be given, before much is written for it.

        Raises:
            ExistsError: The version is there, and may not be replaced.
            ArgumentError: A name is one that is there but for upper and lower case.
        """
        ...

    def publish(self, stage: Path, draft: Manifest, taking: bool = False, sending: Sending | None = None) -> Manifest:
        """Make a version appear, in one step.

        Args:
            stage: The folder whose sub-folders are those of its parts that were made now, by digest.
            draft: The manifest, to be completed by its sequence and parents.
            taking: Whether the name may be taken from a version that has it.
            sending: What has sent some of the parts already.

        Returns:
            The manifest as published.

        Raises:
            ExistsError: The version is there, and may not be replaced.
            StoreError: It cannot be written.
        """
        ...

    def collect(self, grace: float, dry_run: bool) -> Garbage:
        """Take away the parts that no version refers to, if they are older than so many seconds.

        Raises:
            StoreError: A manifest cannot be read, or a part cannot be taken away.
        """
        ...

    def delete(self, id: str, version: str) -> None:
        """Take away a version, with those whose name it took.

        Raises:
            NotFoundError: There is no such version.
            StoreError: It cannot be taken away.
        """
        ...
