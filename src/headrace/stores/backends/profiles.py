"""Amazon's files of credentials, which its own tools read and obstore does not."""

from __future__ import annotations

import os
from collections.abc import Mapping
from configparser import ConfigParser, Error
from pathlib import Path

from headrace.core.errors import StoreError

_KEYS = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
}
_ELSEWHERE = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


def from_profile(given: Mapping[str, str]) -> dict[str, str]:
    """Return the keys and the region of a profile in ``~/.aws``, as far as nothing that counts more says them.

    The profile is ``AWS_PROFILE``'s, or ``default``. Options and the environment count more. Keys that a program has to
    fetch (single sign-on, roles) are not read here: export them as variables.

    Args:
        given: The options.

    Raises:
        StoreError: A file cannot be read.
    """
    profile = os.environ.get("AWS_PROFILE") or "default"
    keys = _section("AWS_SHARED_CREDENTIALS_FILE", "credentials", profile)
    more = _section("AWS_CONFIG_FILE", "config", profile if profile == "default" else f"profile {profile}")
    found: dict[str, str] = {}
    if not ({"access_key_id", "aws_access_key_id", "skip_signature"} & set(given) or _is_said(_ELSEWHERE)):
        found = {name: value for key, name in _KEYS.items() if (value := keys.get(key) or more.get(key))}
    region = more.get("region") or keys.get("region")
    if region and not ({"region", "aws_region"} & set(given) or _is_said(("AWS_REGION", "AWS_DEFAULT_REGION"))):
        found["region"] = region
    return found


def _is_said(variables: tuple[str, ...]) -> bool:
    return any(os.environ.get(name) for name in variables)


def _section(variable: str, name: str, section: str) -> dict[str, str]:
    path = Path(os.environ.get(variable) or Path.home() / ".aws" / name).expanduser()
    parser = ConfigParser(interpolation=None)
    try:
        parser.read(path, encoding="utf-8")  # one that is not there says nothing
    except (Error, OSError, UnicodeDecodeError) as error:
        raise StoreError(f"cannot read {path}: {type(error).__name__}; mend it, or set AWS_ACCESS_KEY_ID") from None
    return dict(parser[section]) if parser.has_section(section) else {}
