"""Addresses, and what is told of them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from headrace.core.errors import ArgumentError, DeniedError, MissingExtraError, StoreError, UnreachableError
from headrace.stores.backends.disk import Files
from headrace.stores.backends.objects import Objects
from headrace.stores.backends.opening import open_backend
from headrace.stores.backends.profiles import from_profile
from headrace.stores.backends.redis import Redis
from tests.servers import places
from tests.servers.places import Place


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://b", "s3://b"),
        ("S3://Bucket/a b/c/", "s3://Bucket/a b/c"),
        ("gcs://b/p", "gs://b/p"),
        ("abfss://c@account.dfs.core.windows.net/p", "az://c@account/p"),
        ("redis://user:hidden@host/2/p", "redis://host:6379/2/p"),
        ("rediss://:hidden@host:7000", "rediss://host:7000/0"),
        ("sftp://user:hidden@host/p/", "sftp://host/p"),
        ("memory://x", "memory://x"),
        ("file:///a%20b/c", "/a b/c"),
    ],
)
def test_an_address_is_shown_without_secrets(url: str, shown: str) -> None:
    backend = open_backend(url)
    assert backend.url == shown
    assert "hidden" not in repr(backend)
    assert pickle.loads(pickle.dumps(backend)).url == shown


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for given in ("x", Path("x"), f"file://{tmp_path}/x"):
        assert open_backend(given) == Files(tmp_path / "x")


@pytest.mark.parametrize(
    ("url", "options", "message"),
    [
        ("s4://b", {}, r"Did you mean s3://"),
        ("quux://b", {}, r"There are file://, memory://"),
        ("s3://", {}, r"names no bucket: write s3://bucket/prefix"),
        ("az:///p", {}, r"names no container"),
        ("s3://key:hidden@b", {}, r"holds no user, password or port: set AWS_ACCESS_KEY_ID"),
        ("s3://b/../c", {}, r"'..', which would lie elsewhere"),
        ("s3://b", {"endpoint": "user:hidden@host"}, r"endpoint must begin with http"),
        ("s3://b", {"options": {"deadline": "soon"}}, r"deadline must be a number of seconds, got 'soon'"),
        ("s3://b", {"ttl": 5}, r"ttl= does not go with s3://: it is of redis://"),
        ("/a", {"limit": 5}, r"limit= does not go with a folder"),
        ("/a", {"options": {"region": "x"}}, r"options= do not go with a folder"),
        ("memory://a", {"limit": "much"}, r"limit must be an amount"),
        ("redis://host/db/p", {}, r"reads redis://host:port/db/prefix"),
        ("redis://host", {"ttl": 0}, r"ttl must be a number of seconds above 0"),
        ("redis://host", {"options": {"pasword": "hidden"}}, r"no option 'pasword'"),
    ],
)
def test_what_cannot_be_meant_is_refused(url: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message) as caught:
        open_backend(url, **options)
    assert "hidden" not in str(caught.value)


def test_an_option_that_the_client_does_not_know() -> None:
    with pytest.raises(
        ArgumentError, match=r"s3://b cannot be opened: .*'regoin'.*Options given: regoin, secret_"
    ) as told:
        Objects("s3://b", None, {"regoin": "x", "secret_access_key": "hidden key"}).check()
    assert "hidden" not in str(told.value)


@pytest.mark.parametrize(("url", "extra"), [("s3://b", "cloud"), ("redis://h", "redis"), ("sftp://h/p", "fsspec")])
def test_an_extra_that_is_missing(url: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("obstore.store", "obstore.exceptions", "redis", "fsspec"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(MissingExtraError, match=rf'pip install "headrace\[{extra}\]"'):
        open_backend(url).check()


def test_without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    options = {"metadata_endpoint": "http://127.0.0.1:1", "deadline": "0.5", "region": "us-east-1"}
    with pytest.raises(StoreError, match=r"AWS_ACCESS_KEY_ID|Is the address right"):
        Objects("s3://b", "http://127.0.0.1:1", options).check()


def test_a_profile_counts_less_than_options_and_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "keys").write_text("[default]\naws_access_key_id = a\naws_secret_access_key = b%c\n[lab]\n")
    (tmp_path / "config").write_text("[default]\nregion = eu-west-1\n[profile lab]\nregion = eu-north-1\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "keys"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    keys = {"access_key_id": "a", "secret_access_key": "b%c"}
    assert from_profile({}) == {**keys, "region": "eu-west-1"}
    assert from_profile({"region": "x"}) == keys
    assert from_profile({"skip_signature": "true"}) == {"region": "eu-west-1"}
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "c")
    assert from_profile({}) == {"region": "eu-west-1"}
    monkeypatch.setenv("AWS_PROFILE", "lab")
    assert from_profile({}) == {"region": "eu-north-1"}
    (tmp_path / "keys").write_text("aws_secret_access_key = hidden")
    with pytest.raises(StoreError, match=r"cannot read .*keys") as caught:
        from_profile({})
    assert "hidden" not in str(caught.value)


@pytest.mark.servers
def test_redis_with_a_password() -> None:
    with places.redis("--requirepass", "hidden") as place:
        host = place.fresh().removeprefix("redis://")
        Redis(f"redis://:hidden@{host}", place.options).check()
        Redis(f"redis://{host}", {**place.options, "password": "hidden"}).check()
        for url in (f"redis://{host}", f"redis://:wrong@{host}"):
            with pytest.raises(DeniedError, match="REDISCLI_AUTH") as caught:
                Redis(url, place.options).check()
            assert "wrong" not in str(caught.value).replace("WRONGPASS", "")
    with pytest.raises(UnreachableError, match="no usable answer"):
        Redis(f"redis://{host}", {"deadline": "0.3"}).check()


@pytest.mark.servers
def test_redis_without_such_a_database(redis: Place) -> None:
    with pytest.raises(StoreError, match="DB index is out of range"):
        Redis(redis.fresh().replace("/0/", "/99/"), redis.options).check()
