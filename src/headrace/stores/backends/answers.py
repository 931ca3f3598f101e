"""What a cloud's answer means: try again, no such object, no permission, or a mistake to be mended."""

from __future__ import annotations

import re

from headrace.core.errors import DeniedError, NotFoundError, StoreError
from headrace.stores.backends.clouds import BUCKETS, CREDENTIALS, Place
from headrace.stores.backends.retrying import Passing

_STATUS = re.compile(r"status code: (\d{3}) ?([^:\n]*)")
_CODE = re.compile(r"<Code>([^<]{1,100})</Code>")
_MESSAGE = re.compile(r"<Message>([^<]{1,300})")
_KIND = re.compile(r"\bkind: (Timeout|Connect|Interrupted|Decode|Request|Builder|Unknown)\b")
_METADATA = ("169.254.169.254", "metadata.google.internal", "169.254.170.2")  # where a machine of a cloud has its role
_KINDS = {"Timeout": "silence", "Connect": "no connection", "Interrupted": "a broken connection", "Decode": "no HTTP"}
_BUSY = {408, 425, 429}
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "InvalidBucketName", "specified bucket does not exist")
_REGION = (
    "AuthorizationHeaderMalformed",
    "PermanentRedirect",
    "IllegalLocationConstraintException",
    "BucketRegionError",
    "BareRedirect",  # 301 without an address, which is all that S3 says to a client of another region
)
_KEYLESS = re.compile(r"(?i)missing (credential|account|access|secret)|MissingAccount")
_SKEWED = re.compile(r"RequestTimeTooSkewed|AuthenticationFailed|RequestExpired")


def judged(error: Exception, place: Place, key: str | None) -> Exception:
    """Return the error to raise for what a client has raised.

    Args:
        error: The client's.
        place: Where it asked.
        key: What it asked for; None for the place as a whole.

    Returns:
        :class:`Passing` where it is worth asking again, else a ``StoreError``. Neither repeats the client's own text,
        which may hold signed addresses.
    """
    text = str(error)
    status, reason = status_of(text)
    what = f"{key!r} in {place.url}{place.server}" if key is not None else f"{place.url}{place.server}"
    bucket = f"{BUCKETS[place.cloud]} {place.bucket!r}"
    if any(host in text for host in _METADATA) or _keyless(text):
        return DeniedError(f"{what}: no credentials were found. They are looked for in {CREDENTIALS[place.cloud]}")
    if any(word in text for word in _NO_BUCKET) or (key is None and status == 404):
        return StoreError(f"{what}: there is no {bucket}. Check its name, the account and the endpoint, or make it")
    if isinstance(error, ValueError | TypeError | NotImplementedError) or type(error).__name__ == "NotSupportedError":
        return StoreError(f"{what}: {text.partition(chr(10))[0]}")
    if isinstance(error, FileNotFoundError) or status == 404:
        return NotFoundError(f"there is no {what}")
    if status in (401, 403) or type(error).__name__ in ("PermissionDeniedError", "UnauthenticatedError"):
        skewed = " This machine's clock may be wrong, too." if _SKEWED.search(text) else ""
        return DeniedError(
            f"{what}: permission denied ({reason}). Check the credentials, which come from {CREDENTIALS[place.cloud]}; "
            f"and what they may do in the {bucket}.{skewed}"
        )
    if status in (301, 302, 307, 308) or any(word in text for word in _REGION) or "status code: 301" in text:
        return StoreError(
            f"{what}: the {bucket} lies in another region or at another endpoint ({reason}). Give region= among the "
            "options, or AWS_REGION, or endpoint="
        )
    if "BadScheme" in text:
        return StoreError(f"{what}: its endpoint begins with http://: give it as endpoint=, where that is allowed")
    if status is None or status >= 500 or status in _BUSY or "ConditionalRequestConflict" in text:
        return Passing(reason)
    return StoreError(f"{what}: the server refused it: {reason}")


def status_of(text: str) -> tuple[int | None, str]:
    """Return the status of an answer and its reason in a few words.

    >>> status_of("Server returned non-2xx status code: 503 Slow Down: <Error><Code>SlowDown</Code></Error>")
    (503, '503 Slow Down, SlowDown')
    """
    found = _STATUS.search(text)
    if found is None:
        kind = _KIND.search(text)
        return None, _KINDS.get(kind[1], "no answer") if kind else "an answer that could not be read"
    words = [f"{found[1]} {found[2]}".strip()]
    words += [one[1].strip().partition("\n")[0] for one in (_CODE.search(text), _MESSAGE.search(text)) if one]
    return int(found[1]), ", ".join(words)


def _keyless(text: str) -> bool:
    """Return whether the client had nothing to sign with, or could not read what it had."""
    return "status code" not in text and bool(
        re.search(r"(?i)missing (credential|account|access|secret)|MissingAccount", text)
    )
