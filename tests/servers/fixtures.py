"""Servers as fixtures: each is started once in a test session, by the first test that asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import places
from tests.servers.faults import FaultProxy
from tests.servers.places import Place


@pytest.fixture(scope="session")
def _buckets() -> Iterator[tuple[Place, Place]]:
    with places.buckets() as both:
        yield both


@pytest.fixture(scope="session")
def s3(_buckets: tuple[Place, Place]) -> Place:
    """S3, by moto."""
    return _buckets[0]


@pytest.fixture(scope="session")
def gcs(_buckets: tuple[Place, Place]) -> Place:
    """The face of GCS before the same moto: its protocol as far as a client needs it, no proof of GCS itself."""
    return _buckets[1]


@pytest.fixture(scope="session")
def azure() -> Iterator[Place]:
    """Azure's blob storage, by Azurite."""
    with places.azurite() as place:
        yield place


@pytest.fixture(scope="session")
def redis() -> Iterator[Place]:
    """Redis."""
    with places.redis() as place:
        yield place


@pytest.fixture
def s3_faults(s3: Place) -> Iterator[FaultProxy]:
    """A proxy before S3, which can be told what shall go wrong."""
    assert s3.endpoint is not None
    with FaultProxy.before(s3.endpoint) as proxy:
        yield proxy
