"""Names that are free for a version, and what becomes of the one that had a name before."""

from __future__ import annotations

from contextlib import suppress

from headrace.core.errors import ArgumentError, ExistsError, StoreError
from headrace.stores import names
from headrace.stores.catalog import Catalog
from headrace.stores.manifest import Manifest


def check_free(catalog: Catalog, id: str, version: str, taking: bool) -> None:
    """Make sure that a name may be given.

    Args:
        catalog: Of the store.
        id: The dataset.
        version: The name.
        taking: Whether it may be taken from a version that has it.

    Raises:
        ExistsError: The version is there, and may not be replaced; or a tag has the name.
        ArgumentError: A name is one that is there but for upper and lower case.
    """
    if not taking and catalog.has(id, version):
        raise taken(id, version)
    tagged = catalog.tagged(id, version)
    if tagged is not None:  # else the tag would name another version from then on
        raise ExistsError(
            f"{version!r} is a tag of {id!r}, which names version {tagged!r}: choose another, or untag(...) it first"
        )
    for what, name, there in (("id", id, catalog.ids()), ("version", version, catalog.versions(id))):
        other = names.clash(name, there)
        if other:
            raise ArgumentError(
                f"{what} {name!r} differs from {other!r} in upper and lower case only, "
                "which some file systems take for one: choose another, so that the store can be copied anywhere"
            )


def taken(id: str, version: str) -> ExistsError:
    """Return the error that says that a name is another's."""
    return ExistsError(
        f"version {version!r} of {id!r} is there already, and versions never change: "
        "choose another name, or move this one to the new data with replace=True"
    )


def parents_of(catalog: Catalog, draft: Manifest) -> tuple[str, ...]:
    """Return the parents of a version, and the digest of the manifest that it replaces, where it can be read."""
    with suppress(StoreError):
        replaced = catalog.read(catalog.key(draft.id, draft.version)).digest
        return tuple(dict.fromkeys((*draft.parents, replaced)))
    return draft.parents
