"""Read a folder of ``.npy`` files, one record each: a source is two methods, and a fingerprint if you can give one."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import headrace as hr


@dataclass(frozen=True)
class NpyFolder:
    """One record per file, all of one shape and dtype: the column ``values``, shape ``(records, *shape)``."""

    paths: tuple[Path, ...] = field(repr=False)

    @classmethod
    def of(cls, folder: Path) -> NpyFolder:
        """Take all files, sorted by name, so that a number means the same file everywhere."""
        return cls(tuple(sorted(folder.glob("*.npy"))))

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, indices: NDArray[np.int64], /) -> hr.Batch:
        """Return the records asked for; each call reads its files anew, so the columns are the caller's."""
        return hr.Batch({"values": np.stack([np.load(self.paths[index]) for index in indices])})

    def fingerprint(self) -> str:
        """Change when a file does: names, sizes and times, without reading the files."""
        digest = hashlib.sha256()
        for path in self.paths:
            stat = path.stat()
            digest.update(f"{path.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
        return digest.hexdigest()


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(20):
            np.save(folder / f"{number:03}.npy", np.full((2, 4), number, np.float32))

        ds = hr.Dataset(NpyFolder.of(folder))
        print(ds)
        for batch in ds.shuffle(seed=0).batch(8):
            print(batch["values"].shape, batch["values"][:, 0, 0].astype(int).tolist())


if __name__ == "__main__":
    main()
