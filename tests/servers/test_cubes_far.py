"""Cubes in buckets: Zarr in S3, by obstore and by fsspec, is read, known again, and its faults are named."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

pytest.importorskip("moto")
xr = pytest.importorskip("xarray")
zarr = pytest.importorskip("zarr")
obstore = pytest.importorskip("obstore")

from headrace.core.errors import DamageError, StoreError  # noqa: E402
from headrace.cubes.reading.adopt import adopt  # noqa: E402
from tests.cubes import making  # noqa: E402
from tests.servers.faults import FaultProxy  # noqa: E402
from tests.servers.places import Place  # noqa: E402

pytestmark = pytest.mark.servers


def bucket(place: Place, url: str, endpoint: str | None) -> Any:
    keys = {name: place.options[name] for name in ("access_key_id", "secret_access_key", "region")}
    return obstore.store.S3Store.from_url(
        url,
        **keys,
        endpoint=endpoint,
        client_options={"allow_http": True, "timeout": "5s"},
        retry_config={"max_retries": 1},
    )


def by_fsspec(inner: Any) -> Any:
    """Return a store of zarr over a file system of fsspec: that of obstore, which needs no other client."""
    system = pytest.importorskip("obstore.fsspec").FsspecStore
    config = {key: inner.config[key] for key in inner.config}
    return zarr.storage.FsspecStore(
        system("s3", config=config, client_options={"allow_http": True}, asynchronous=True),
        path=f"{inner.config['bucket']}/{inner.prefix}",
        read_only=True,
    )


@pytest.mark.parametrize(
    ("way", "shards"),
    [
        ("obstore", None),
        ("obstore", (8, 6, 5)),
        ("fsspec", None),
    ],  # this fsspec reads no ends of objects, as shards need
    ids=["obstore", "obstore shards", "fsspec"],
)
def test_a_cube_in_a_bucket(s3: Place, way: str, shards: Any) -> None:
    inner = bucket(s3, s3.fresh("cube"), s3.endpoint)
    cube = making.dataset("packed")
    making.to_zarr(cube, zarr.storage.ObjectStore(inner), **({"shards": shards} if shards else {}))
    far = inner if way == "obstore" else by_fsspec(inner)
    found = adopt(far)
    np.testing.assert_array_equal(making.put_together(found.variables["v"]), cube["v"].values)
    assert adopt(far).identity == found.identity
    sent = pickle.loads(pickle.dumps(found.variables["v"]))
    np.testing.assert_array_equal(making.put_together(sent), cube["v"].values)
    key = "v/c/0/0/0"
    obstore.put(inner, key, b"nothing of the kind")
    with pytest.raises(DamageError, match=r"variable 'v', chunk \(0, 0, 0\).*'c/0/0/0'"):
        found.variables["v"].read([(0, 0, 0)])
    obstore.delete(inner, key)
    assert (found.variables["v"].read([(0, 0, 0)])[0] == 3.0).all()  # zarr's fill value is 0, which is decoded, too


def test_a_bucket_that_stops_answering(s3: Place, s3_faults: FaultProxy) -> None:
    url = s3.fresh("cube")
    making.to_zarr(making.dataset(), zarr.storage.ObjectStore(bucket(s3, url, s3.endpoint)))
    found = adopt(bucket(s3, url, s3_faults.endpoint)).variables["v"]
    s3_faults.close()
    with pytest.raises(StoreError, match=r"variable 'v', chunk \(1, 0, 0\), cannot be read from"):
        found.read([(1, 0, 0)])
