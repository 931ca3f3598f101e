"""What is in a store's folder: the reading side, which takes no lock and writes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from headrace.core.errors import NotFoundError, StoreError
from headrace.stores.manifest import Manifest, Part

_SUFFIX = ".json"
_SHOWN = 16  # digits of a digest that tell replaced manifests of one name apart


@dataclass(frozen=True)
class Catalog:
    """The datasets of a store and their versions.

    Args:
        root: The store's folder, absolute. Where it does not exist there are none.
    """

    root: Path

    @property
    def datasets(self) -> Path:
        """Where the manifests lie, in a folder for each dataset."""
        return self.root / "datasets"

    @property
    def objects(self) -> Path:
        """Where the parts lie."""
        return self.root / "objects"

    def path(self, id: str, version: str) -> Path:
        """Return where a version's manifest lies."""
        return self.datasets / id / f"{version}{_SUFFIX}"

    def kept(self, id: str, version: str, digest: str) -> Path:
        """Return where a manifest goes when another takes its name."""
        return self.datasets / id / ".replaced" / f"{version}.{digest[:_SHOWN]}{_SUFFIX}"

    def all_kept(self, id: str, version: str) -> list[Path]:
        """Return the manifests from which this version's name was taken."""
        length = len(f"{version}.{_SUFFIX}") + _SHOWN  # 1 is not 1.x
        found = _manifests(self.datasets / id / ".replaced")
        return [path for path in found if path.name.startswith(f"{version}.") and len(path.name) == length]

    def ids(self) -> list[str]:
        """Return the ids of all datasets that have a version, sorted."""
        return [id for id in _listed(self.datasets) if self.versions(id)]

    def versions(self, id: str) -> list[str]:
        """Return the names of a dataset's versions, sorted; empty if there is no such dataset."""
        return [path.name.removesuffix(_SUFFIX) for path in _manifests(self.datasets / id)]

    def ordered(self, id: str) -> list[tuple[str, Manifest | StoreError]]:
        """Return the versions of a dataset, the newest last; first those whose manifest cannot be read, with why."""
        found = [(name, self._tried(self.path(id, name))) for name in self.versions(id)]
        return sorted(
            ((name, manifest) for name, manifest in found if not isinstance(manifest, NotFoundError)),
            key=lambda pair: pair[1].sequence if isinstance(pair[1], Manifest) else -1,
        )

    def find(self, id: str, version: str | None) -> Manifest:
        """Return a version's manifest; of None, the newest's.

        Raises:
            NotFoundError: There is none; the message says what there is.
            DamageError: The manifest is not what was written, or it cannot be told which is the newest.
        """
        if version is not None:
            try:
                return self.read(self.path(id, version))
            except NotFoundError:
                raise self.missing(id, version) from None
        found = self.ordered(id)
        if not found:
            raise self.missing(id, version)
        name, first = found[0]
        if isinstance(first, StoreError):
            raise type(first)(
                f"cannot tell which version of {id!r} is the newest, because of {name!r}: {first}"
            ) from first
        newest = found[-1][1]
        assert isinstance(newest, Manifest)
        return newest

    def missing(self, id: str, version: str | None) -> NotFoundError:
        """Return the error that says what is not there, and what is."""
        versions = self.versions(id)
        if versions:
            wanted, there, what = version or "", versions, f"version {version!r} of {id!r}"
        else:
            wanted, there, what = id, self.ids(), f"dataset {id!r}"
        shown = ", ".join(map(repr, there[:20])) + (", ..." if len(there) > 20 else "")
        near = get_close_matches(wanted, there, n=1)
        hint = f". Did you mean {near[0]!r}?" if near else ""
        if there:
            return NotFoundError(f"no {what} in {self.root}; there {'is' if len(there) == 1 else 'are'} {shown}{hint}")
        return NotFoundError(
            f"no {what} in {self.root}, which {'is empty' if self.root.exists() else 'does not exist'}"
        )

    def everything(self, ids: Iterable[str] | None = None) -> Iterator[tuple[Path, Manifest | StoreError]]:
        """Yield every manifest, those of replaced versions too; for one that cannot be read, why not."""
        for id in _listed(self.datasets) if ids is None else ids:
            folder = self.datasets / id
            for path in (*_manifests(folder), *_manifests(folder / ".replaced")):
                manifest = self._tried(path)
                if not isinstance(manifest, NotFoundError):
                    yield path, manifest

    def _tried(self, path: Path) -> Manifest | StoreError:
        try:
            return self.read(path)
        except StoreError as error:
            return error

    def last(self, id: str) -> int:
        """Return the highest sequence among a dataset's versions, replaced ones too; 0 if there are none."""
        found = (manifest for _, manifest in self.everything([id]))
        return max((manifest.sequence for manifest in found if isinstance(manifest, Manifest)), default=0)

    def read(self, path: Path) -> Manifest:
        """Read a manifest.

        Raises:
            NotFoundError: There is no such file.
            DamageError: It is not what was written.
            StoreError: It cannot be read.
        """
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise NotFoundError(f"there is no {path}") from error
        except OSError as error:
            raise StoreError(f"cannot read {path}: {error.strerror}") from error
        return Manifest.decode(content, str(path))

    def misfits(self, part: Part) -> list[str]:
        """Return what is wrong with a part, as far as sizes tell: a line for each file."""
        problems = []
        folder = self.objects / part.digest
        for name, sum in part.files.items():
            try:
                found = os.stat(folder / name).st_size
            except FileNotFoundError:
                problems.append(f"{folder / name} is missing")
            except OSError as error:
                problems.append(f"{folder / name} cannot be looked at: {error.strerror}")
            else:
                if found != sum.bytes:
                    problems.append(f"{folder / name} has {found} bytes, expected {sum.bytes}")
        return problems


def _manifests(folder: Path) -> list[Path]:
    return [folder / name for name in _listed(folder) if name.endswith(_SUFFIX)]


def _listed(folder: Path) -> list[str]:
    """Return the names in a folder that are not hidden, sorted; none where there is no folder."""
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StoreError(f"cannot read {folder}: {error.strerror}") from error
