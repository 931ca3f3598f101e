"""What is in a store: the reading side, which takes no lock and writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeVar

from headrace.core.errors import DamageError, NotFoundError, StoreError
from headrace.stores.backends.protocol import Backend
from headrace.stores.manifest import Manifest
from headrace.stores.tags import Tag

T = TypeVar("T")

DATASETS, OBJECTS = "datasets/", "objects/"
_SUFFIX = ".json"
_SHOWN = 16  # digits of a digest that tell replaced manifests of one name apart
_AT_ONCE = 16  # manifests that are asked for side by side


@dataclass(frozen=True)
class Catalog:
    """The datasets of a store and their versions.

    ::

        datasets/<id>/<version>.json                     a version's manifest
        datasets/<id>/.replaced/<version>.<digest>.json  one that lost its name to another
        datasets/<id>/.tags/<tag>.json                   another name of a version, which can be moved
        datasets/<id>/.sequence/<number>                 a place among the versions, claimed by who publishes one

    Args:
        backend: Where the store lies. Where that does not exist there are none.
    """

    backend: Backend

    @property
    def shown(self) -> str:
        """Where the store lies, as messages say it."""
        return self.backend.url

    def key(self, id: str, version: str) -> str:
        """Return the name of a version's manifest."""
        return f"{DATASETS}{id}/{version}{_SUFFIX}"

    def kept(self, id: str, version: str, digest: str) -> str:
        """Return where a manifest goes when another takes its name."""
        return f"{DATASETS}{id}/.replaced/{version}.{digest[:_SHOWN]}{_SUFFIX}"

    def claim(self, id: str, sequence: int) -> str:
        """Return the name of the claim to a place among a dataset's versions."""
        return f"{DATASETS}{id}/.sequence/{sequence:010d}"

    def tag_key(self, id: str, tag: str) -> str:
        """Return where a tag is noted."""
        return f"{DATASETS}{id}/.tags/{tag}{_SUFFIX}"

    def has(self, id: str, version: str) -> bool:
        """Say whether there is a version of this very name, tags left aside."""
        return self.backend.look(self.key(id, version)) is not None

    def all_kept(self, id: str, version: str) -> list[str]:
        """Return the keys of the manifests from which this version's name was taken."""
        length = len(f"{version}.{_SUFFIX}") + _SHOWN  # 1 is not 1.x
        found = ((key, name) for key, name in self._names(f"{DATASETS}{id}/.replaced/"))
        return [key for key, name in found if name.startswith(f"{version}.") and len(name) == length]

    def ids(self) -> list[str]:
        """Return the ids of all datasets that have a version, sorted."""
        return sorted({id for id, _ in self._all()})

    def versions(self, id: str) -> list[str]:
        """Return the names of a dataset's versions, sorted; empty if there is no such dataset."""
        return sorted(name.removesuffix(_SUFFIX) for _, name in self._names(f"{DATASETS}{id}/"))

    def tags(self, id: str) -> dict[str, str]:
        """Return the version under each tag of a dataset, sorted by tag.

        Raises:
            DamageError: A tag is not what was written.
        """
        found = {}
        for key, name in self._names(f"{DATASETS}{id}/.tags/"):
            tag = self._tag(key)
            if tag is not None:
                found[name.removesuffix(_SUFFIX)] = tag.version
        return found

    def tagged(self, id: str, tag: str) -> str | None:
        """Return the version under a tag; None where there is no such tag."""
        found = self._tag(self.tag_key(id, tag))
        return None if found is None else found.version

    def _tag(self, key: str) -> Tag | None:
        try:
            return self._come(key, Tag.decode)
        except NotFoundError:
            return None

    def _names(self, folder: str) -> Iterator[tuple[str, str]]:
        """Yield key and last part of each manifest or tag right below a folder."""
        for entry in self.backend.list(folder):
            name = entry.key.removeprefix(folder)
            if _is_plain(name):
                yield entry.key, name

    def _all(self) -> Iterator[tuple[str, str]]:
        """Yield dataset and version of each manifest that has a name."""
        for entry in self.backend.list(DATASETS):
            id, _, name = entry.key.removeprefix(DATASETS).partition("/")
            if _is_plain(name) and not id.startswith("."):
                yield id, name.removesuffix(_SUFFIX)

    def ordered(self, id: str) -> list[tuple[str, Manifest | StoreError]]:
        """Return the versions of a dataset, the newest last; first those whose manifest cannot be read, with why."""
        names = self.versions(id)
        found = zip(names, self._read_all([self.key(id, name) for name in names]), strict=True)
        return sorted(
            ((name, manifest) for name, manifest in found if not isinstance(manifest, NotFoundError)),
            key=lambda pair: _place(pair[1]),
        )

    def find(self, id: str, version: str | None) -> Manifest:
        """Return a version's manifest, by its name or by a tag; of None, the newest's.

        Raises:
            NotFoundError: There is none; the message says what there is.
            DamageError: The manifest is not what was written, or it cannot be told which is the newest.
        """
        if version is not None:
            try:
                return self.read(self.key(id, version))
            except NotFoundError:
                return self._by_tag(id, version)
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

    def _by_tag(self, id: str, tag: str) -> Manifest:
        version = self.tagged(id, tag)
        if version is None:
            raise self.missing(id, tag) from None
        try:
            return self.read(self.key(id, version))
        except NotFoundError as error:
            raise NotFoundError(
                f"the tag {tag!r} of {id!r} names version {version!r}, which was deleted: move the tag"
            ) from error

    def missing(self, id: str, version: str | None) -> NotFoundError:
        """Return the error that says what is not there, and what is."""
        versions = self.versions(id)
        if versions:
            wanted, what = version or "", f"version {version!r} of {id!r}"
            there = [*versions, *self.tags(id)]
        else:
            wanted, there, what = id, self.ids(), f"dataset {id!r}"
        shown = ", ".join(map(repr, there[:20])) + (", ..." if len(there) > 20 else "")
        near = get_close_matches(wanted, there, n=1)
        hint = f". Did you mean {near[0]!r}?" if near else ""
        if there:
            return NotFoundError(f"no {what} in {self.shown}; there {'is' if len(there) == 1 else 'are'} {shown}{hint}")
        return NotFoundError(f"no {what} in {self.shown}, which has no datasets: is it the right place?")

    def everything(self, ids: Iterable[str] | None = None) -> Iterator[tuple[str, Manifest | StoreError]]:
        """Yield the key and content of every manifest, of replaced versions too; where it cannot be read, why not."""
        folders = [DATASETS] if ids is None else [f"{DATASETS}{id}/" for id in ids]
        keys = [entry.key for folder in folders for entry in self.backend.list(folder) if _is_manifest(entry.key)]
        for key, manifest in zip(keys, self._read_all(keys), strict=True):
            if not isinstance(manifest, NotFoundError):
                yield key, manifest

    def _read_all(self, keys: list[str]) -> Iterator[Manifest | StoreError]:
        if len(keys) < 2:
            return map(self._tried, keys)
        with ThreadPoolExecutor(min(_AT_ONCE, len(keys)), "headrace-catalog") as pool:
            return iter(list(pool.map(self._tried, keys)))

    def _tried(self, key: str) -> Manifest | StoreError:
        try:
            return self.read(key)
        except StoreError as error:
            return error

    def last(self, id: str) -> int:
        """Return the highest sequence among a dataset's versions, replaced and claimed ones too; 0 without any."""
        found = (manifest for _, manifest in self.everything([id]))
        published = max((manifest.sequence for manifest in found if isinstance(manifest, Manifest)), default=0)
        folder = f"{DATASETS}{id}/.sequence/"
        claims = (entry.key.removeprefix(folder) for entry in self.backend.list(folder))
        return max(published, *(int(name) for name in claims if name.isdecimal()), 0)

    def read(self, key: str) -> Manifest:
        """Read a manifest.

        Raises:
            NotFoundError: There is no such object.
            DamageError: It is not what was written.
            StoreError: It cannot be read.
        """
        manifest = self._come(key, Manifest.decode)
        folder = key.removeprefix(DATASETS).partition("/")[0]
        if manifest.id != folder:  # else its name would be trusted in place of where it lies
            raise DamageError(f"{self.shown}/{key} is the manifest of {manifest.id!r}, and lies in another's folder")
        return manifest

    def _come(self, key: str, decode: Callable[[bytes, str], T]) -> T:
        """Read an object; once more if it comes damaged, since most such faults are of the way."""
        with suppress(DamageError):
            return decode(bytes(self.backend.get(key)), f"{self.shown}/{key}")
        return decode(bytes(self.backend.get(key)), f"{self.shown}/{key}")


def _is_plain(name: str) -> bool:
    return name.endswith(_SUFFIX) and "/" not in name and not name.startswith(".")


def _is_manifest(key: str) -> bool:
    id, _, name = key.removeprefix(DATASETS).partition("/")
    return not id.startswith(".") and (_is_plain(name) or _is_plain(name.removeprefix(".replaced/")))


def _place(manifest: Manifest | StoreError) -> tuple[int, str, str]:
    """Return what versions are sorted by; two of one sequence, as a listing that lags may allow, by time and name."""
    if isinstance(manifest, StoreError):
        return (-1, "", "")
    return (manifest.sequence, manifest.created, manifest.version)
