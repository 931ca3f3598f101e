"""Parts that lie on this machine's disk: mapped where they are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from headrace.core.errors import DamageError
from headrace.stores.backends.disk import Files
from headrace.stores.layout import Layout
from headrace.stores.manifest import Part
from headrace.stores.mapped import Table, open_columns


@dataclass(frozen=True)
class OnDisk:
    """The parts of a store in a folder.

    Args:
        objects: The folder of all parts, absolute: each has a folder of its own, named by its digest.
    """

    objects: Path

    @property
    def place(self) -> Files:
        """The folder of the store."""
        return Files(self.objects.parent)

    def check(self, parts: Iterable[Part]) -> None:
        """Make sure that all files are there and of the right size; their content is not read.

        Raises:
            DamageError: Some are not; all of them are named.
        """
        problems = [problem for part in parts for problem in self.misfits(part)]
        if problems:
            raise DamageError("; ".join(problems))

    def misfits(self, part: Part) -> Iterator[str]:
        """Yield what is wrong with a part, as far as sizes tell: a line for each file."""
        folder = self.objects / part.digest
        for name, sum in part.files.items():
            try:
                found = os.stat(folder / name).st_size
            except FileNotFoundError:
                yield f"{folder / name} is missing"
            except OSError as error:
                yield f"{folder / name} cannot be looked at: {error.strerror}"
            else:
                if found != sum.bytes:
                    yield f"{folder / name} has {found} bytes, expected {sum.bytes}"

    def clean(self, parts: Iterable[Part]) -> None:
        """Do nothing: there are no copies."""

    def open(self, part: Part, layout: Layout) -> Table:
        """Map a part's columns."""
        self.check([part])
        return open_columns(self.objects / part.digest, layout, part.length, allow_pickle=True)

    def expect(self, parts: Sequence[Part], who: object = None) -> None:
        """Do nothing: the parts are at hand."""
