"""Why a part is not there: its version was deleted meanwhile, or the store is damaged."""

from __future__ import annotations

from headrace.core.errors import DamageError, NotFoundError, StoreError
from headrace.stores.backends.protocol import Backend
from headrace.stores.catalog import Catalog
from headrace.stores.manifest import Manifest


def why(backend: Backend, manifest: Manifest, damage: DamageError) -> StoreError:
    """Return the error to raise where a part of a version is not what it should be.

    Args:
        backend: The place.
        manifest: Of the version, as it was when it was fetched.
        damage: What is wrong.

    Returns:
        That the version was deleted, if it was; else the damage.
    """
    catalog = Catalog(backend)
    id, version = manifest.id, manifest.version
    taken = ""
    for key in (catalog.key(id, version), catalog.kept(id, version, manifest.digest)):
        try:
            if catalog.read(key).digest == manifest.digest:
                return damage
            taken = "; another that was written since has its name: fetch it again"
        except NotFoundError:
            continue
        except StoreError:  # it cannot be told
            return damage
    return NotFoundError(
        f"version {version!r} of {id!r} was deleted from {backend.url} after it was fetched, and what was not read "
        f"before is gone{taken} ({damage})"
    )
