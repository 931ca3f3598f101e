"""Every back end keeps the laws, against a real server."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from headrace.core.errors import HeadraceWarning
from headrace.stores.backends import fsspec
from headrace.stores.backends.opening import open_backend
from headrace.stores.backends.protocol import Backend
from headrace.testing.backends import BackendTests
from tests.servers.places import Place


def opened(place: Place) -> Backend:
    return open_backend(place.fresh(), place.endpoint, place.options)


class TestFolder(BackendTests):
    large = 3 << 20

    @pytest.fixture
    def backend(self, tmp_path: Path) -> Backend:
        return open_backend(tmp_path / "new" / "store")


class TestMemory(BackendTests):
    travels = False
    large = 3 << 20

    @pytest.fixture
    def backend(self) -> Backend:
        return open_backend(f"memory://{uuid.uuid4()}")


@pytest.mark.servers
class TestS3(BackendTests):
    @pytest.fixture
    def backend(self, s3: Place) -> Backend:
        return opened(s3)


@pytest.mark.servers
class TestGcs(BackendTests):
    @pytest.fixture
    def backend(self, gcs: Place) -> Backend:
        return opened(gcs)


@pytest.mark.servers
class TestAzure(BackendTests):
    @pytest.fixture
    def backend(self, azure: Place) -> Backend:
        return opened(azure)


@pytest.mark.servers
class TestRedis(BackendTests):
    @pytest.fixture
    def backend(self, redis: Place) -> Backend:
        return opened(redis)


@pytest.mark.servers
class TestRedisThatForgets(BackendTests):
    @pytest.fixture
    def backend(self, redis: Place) -> Backend:
        return open_backend(redis.fresh(), options=redis.options, ttl=1000)


@pytest.mark.filterwarnings("ignore:local.// has no step:headrace.HeadraceWarning")
class TestFileSystem(BackendTests):
    large = 3 << 20

    @pytest.fixture
    def backend(self, tmp_path: Path) -> Backend:
        return open_backend(f"local://{tmp_path}/new")

    def test_of_many_threads_one_is_first(self, backend: Backend) -> None:
        """It need not be so, and a warning says it, once."""
        fsspec._warned.discard("local")
        with pytest.warns(HeadraceWarning, match="safe for one writer at a time") as told:
            assert backend.put_if_absent("a", b"first")
            assert not backend.put_if_absent("a", b"second")
        assert len(told) == 1
