"""The three clouds: their addresses, their settings, and clients for them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from headrace.core.errors import ArgumentError, MissingExtraError
from headrace.stores.backends.keys import checked_key
from headrace.stores.backends.profiles import from_profile
from headrace.stores.backends.retrying import Patience

if TYPE_CHECKING:
    from obstore.store import AzureStore, GCSStore, S3Store

    Client: TypeAlias = "S3Store | GCSStore | AzureStore"

Cloud: TypeAlias = Literal["s3", "gs", "az"]

CLOUDS: Mapping[str, Cloud] = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gs",
    "gcs": "gs",
    "az": "az",
    "azure": "az",
    "abfs": "az",
    "abfss": "az",
}
"""What a URL may begin with."""

BUCKETS: Mapping[Cloud, str] = {"s3": "bucket", "gs": "bucket", "az": "container"}

CREDENTIALS: Mapping[Cloud, str] = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (with AWS_SESSION_TOKEN where they are temporary), "
    "~/.aws/credentials (AWS_PROFILE names a profile), or the machine's role; "
    "skip_signature=true among the options for a public bucket",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS (the path of a key file), `gcloud auth application-default login`, or the "
    "machine's service account; skip_signature=true among the options for a public bucket",
    "az": "AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN, or AZURE_CLIENT_ID "
    "with AZURE_CLIENT_SECRET and AZURE_TENANT_ID",
}
"""Where each cloud's credentials are looked for, for messages."""

_forked = False


def _note_fork() -> None:
    global _forked
    _forked = _forked or "obstore" in sys.modules


os.register_at_fork(after_in_child=_note_fork)


def is_forked() -> bool:
    """Return whether this process was forked from one that has obstore loaded.

    Its threads stayed behind, so a request would wait for ever; and since the child shares what they wait on, it would
    also take away answers that the parent waits for.
    """
    return _forked


_AZURE_HOSTS = (".blob.core.windows.net", ".dfs.core.windows.net")


@dataclass(frozen=True)
class Place:
    """A prefix in a bucket.

    Args:
        cloud: Whose.
        bucket: The name of the bucket, or Azure's container.
        prefix: What all keys begin with, without a slash at either end; ``""`` for the whole bucket.
        account: Azure's account, where the URL says it.
        endpoint: The address of the server, where it is not the cloud's own.
        options: Settings of the client, by the names that it knows; they may be secrets, so they are not shown.
    """

    cloud: Cloud
    bucket: str
    prefix: str = ""
    account: str | None = None
    endpoint: str | None = None
    options: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, url: str, endpoint: str | None, options: Mapping[str, str]) -> Place:
        """Read an address: ``s3://bucket/prefix``, ``gs://bucket/prefix``, ``az://container@account/prefix``.

        >>> Place.of("abfs://images@lake.dfs.core.windows.net/train/", None, {})
        Place(cloud='az', bucket='images', prefix='train', account='lake', endpoint=None)

        Raises:
            ArgumentError: It is none, or holds a secret.
        """
        scheme, _, rest = url.partition("://")
        bucket, _, prefix = rest.partition("/")
        cloud, account = CLOUDS[scheme], None
        if cloud == "az" and "@" in bucket:
            bucket, _, account = bucket.partition("@")
            for host in _AZURE_HOSTS:
                account = account.removesuffix(host)
        if "@" in bucket or ":" in bucket or ":" in (account or ""):
            raise ArgumentError(f"a {scheme}:// URL holds no user, password or port: set {_where(cloud)}")
        if not bucket:
            raise ArgumentError(f"{url!r} names no {BUCKETS[cloud]}: write {scheme}://{BUCKETS[cloud]}/prefix")
        prefix = prefix.strip("/")
        if prefix:
            checked_key(prefix)
        if endpoint is not None and urlsplit(endpoint).scheme not in ("http", "https"):
            raise ArgumentError("endpoint must begin with http:// or https://")
        return cls(cloud, bucket, prefix, account, endpoint, tuple(sorted(options.items())))

    @property
    def url(self) -> str:
        """The address as it is shown."""
        account = f"@{self.account}" if self.account else ""
        return f"{self.cloud}://{self.bucket}{account}" + (f"/{self.prefix}" if self.prefix else "")

    @property
    def server(self) -> str:
        """The server's address, for messages; without what might be a secret in it."""
        return f" at {_bare(self.endpoint)}" if self.endpoint else ""

    def client(self, patience: Patience, retries: int) -> Client:
        """Return a new client.

        Args:
            patience: How long a request may be silent.
            retries: How often the client itself tries again.

        Raises:
            MissingExtraError: obstore is not installed.
            ArgumentError: It does not know an option.
        """
        try:
            from obstore.exceptions import BaseError
            from obstore.store import AzureStore, GCSStore, S3Store
        except ImportError as error:
            raise MissingExtraError.of("obstore", "cloud", f"a store at {self.cloud}://") from error
        kinds: dict[Cloud, Any] = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}
        settings: dict[str, Any] = {
            "prefix": self.prefix or None,
            "client_options": _client_options(self, patience),
            "retry_config": {"max_retries": retries, "retry_timeout": timedelta(seconds=patience.deadline)},
        }
        try:
            return kinds[self.cloud](self.bucket, config=self._config(), **settings)  # type: ignore[no-any-return]
        except (BaseError, ValueError, TypeError) as error:
            names = ", ".join(name for name, _ in self.options) or "none"
            reason = _first_line(error, self.options)
            raise ArgumentError(f"{self.url} cannot be opened: {reason}. Options given: {names}") from None

    def _config(self) -> dict[str, str]:
        """Return the client's settings: what is given here counts more than the environment."""
        config = dict(self.options)
        if self.cloud == "gs":
            emulator = os.environ.get("STORAGE_EMULATOR_HOST")
            if self.endpoint:
                config.setdefault("base_url", self.endpoint)
            elif emulator:  # as Google's own clients take it: an emulator knows no credentials
                config.setdefault("base_url", emulator if "://" in emulator else f"http://{emulator}")
                config.setdefault("skip_signature", "true")
            if "base_url" in config and config.get("skip_signature") == "true":
                return _unsigned(config)
        elif self.endpoint:
            config.setdefault("endpoint", self.endpoint)
        if self.cloud == "s3":
            config = {**from_profile(config), **config}
        if self.account:
            config.setdefault("account_name", self.account)
        return config


def _client_options(place: Place, patience: Patience) -> dict[str, Any]:
    """Return how requests are made: one that is silent fails; one that moves may take its time, but not for ever."""
    variables = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "STORAGE_EMULATOR_HOST", "AZURE_STORAGE_ENDPOINT")
    addresses = [place.endpoint] if place.endpoint else [os.environ.get(name, "") for name in variables]
    plain = any(address.startswith("http://") or (address and "://" not in address) for address in addresses)
    return {
        "allow_http": plain,
        "read_timeout": timedelta(seconds=patience.timeout),
        "connect_timeout": timedelta(seconds=min(patience.timeout, 10.0)),
        "timeout": timedelta(seconds=max(600.0, patience.timeout)),
    }


def _unsigned(config: dict[str, str]) -> dict[str, str]:
    """Return settings of GCS without credentials: the client asks for some when it writes, unless a key says not to."""
    key = {"gcs_base_url": config.pop("base_url"), "disable_oauth": True}
    empty = {"client_email": "", "private_key": "", "private_key_id": ""}
    return {**config, "service_account_key": json.dumps({**key, **empty})}


def _where(cloud: Cloud) -> str:
    return CREDENTIALS[cloud].partition(";")[0]


def _bare(address: str) -> str:
    """Return an address without a user, a password or a query."""
    found = urlsplit(address)
    return f"{found.scheme}://{found.netloc.rpartition('@')[2]}{found.path}".removeprefix("://")


def _first_line(error: Exception, options: tuple[tuple[str, str], ...]) -> str:
    line = str(error).partition("\n")[0].rstrip(".")
    for _, value in options:
        if len(value) > 3:
            line = line.replace(value, "***").replace(json.dumps(value), "***")
    return line
