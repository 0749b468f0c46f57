"""How the failures of other systems read: the one place that knows their libraries' exceptions."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from rebalance.errors import DataError

# The base classes of what is not an OSError; looked up only where the module is loaded already.
_RAISED = (
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("aiohttp", "ClientError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("google.api_core.exceptions", "GoogleAPIError"),
    ("gcsfs.retry", "HttpError"),
    ("gcsfs.retry", "ChecksumError"),
    ("gcsfs.retry", "NonRetryableError"),
)
# An answer that was cut short; with those below, what may be over when it is tried again.
_CUT = (
    ("botocore.exceptions", "IncompleteReadError"),
    ("botocore.exceptions", "ResponseStreamingError"),
    ("aiohttp", "ClientPayloadError"),
)
_UNREACHED = (
    ("botocore.exceptions", "ConnectionError"),
    ("botocore.exceptions", "HTTPClientError"),
    ("aiohttp", "ClientConnectionError"),
    ("gcsfs.retry", "ChecksumError"),
)
_NO_LOGIN = (
    ("botocore.exceptions", "NoCredentialsError"),
    ("botocore.exceptions", "PartialCredentialsError"),
    ("botocore.exceptions", "CredentialRetrievalError"),
    ("botocore.exceptions", "ProfileNotFound"),
    ("botocore.exceptions", "SSOError"),
    ("google.auth.exceptions", "GoogleAuthError"),
)
# What carries the status of an answer, besides botocore's.
_ANSWERS = (
    ("aiohttp", "ClientResponseError"),
    ("gcsfs.retry", "HttpError"),
    ("google.api_core.exceptions", "GoogleAPICallError"),
)
_PASSING_STATUS = (408, 429)  # and the server's own failures
_LOGINS = {
    "s3": "check the credentials (AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY) and "
    "what they allow; FSSPEC_S3_ANON=true reads a public bucket without any",
    "gs": "check the credentials (gcloud auth application-default login, or "
    "GOOGLE_APPLICATION_CREDENTIALS) and what they allow",
    "http": "check what the address needs: a login can stand in ~/.netrc",
}
_LOGINS |= {"s3a": _LOGINS["s3"], "gcs": _LOGINS["gs"], "https": _LOGINS["http"]}


def failures() -> tuple[type[BaseException], ...]:
    """What a system's library may raise: ValueError is for an address that it cannot take."""
    return (OSError, ValueError, *_classes(_RAISED))


def is_missing(exc: BaseException) -> bool:
    """Whether there is no such file; a bucket that is not there is another matter."""
    if _code(exc) == "NoSuchBucket":
        return False
    status = _status(exc)
    if status is not None:
        return status in {404, 410}
    return isinstance(exc, FileNotFoundError) and not isinstance(exc.__cause__, failures())


def is_refused(exc: BaseException) -> bool:
    """Whether the system knows the user, or the lack of one, and says no."""
    status = _status(exc)
    if status is not None:
        return status in {401, 403, 407}
    kinds: tuple[type[BaseException], ...] = (PermissionError, *_classes(_NO_LOGIN))
    # gcsfs says no more than this of a 403.
    says_so = isinstance(exc, OSError) and str(exc).startswith("Forbidden")
    return says_so or any(isinstance(link, kinds) for link in _chain(exc))


def is_passing(exc: BaseException) -> bool:
    """Whether it may be over soon: a busy or failing server, a connection that was not made."""
    status = _status(exc)
    if status is not None:
        return status in _PASSING_STATUS or status >= 500
    kinds = _classes(_UNREACHED)
    return is_cut(exc) or any(isinstance(link, kinds) for link in _chain(exc))


def is_cut(exc: BaseException) -> bool:
    """Whether an answer had begun and did not end, which a store's client does not see to."""
    kinds: tuple[type[BaseException], ...] = (TimeoutError, ConnectionError, *_classes(_CUT))
    return _status(exc) is None and any(isinstance(link, kinds) for link in _chain(exc))


def refusal(uri: str, exc: BaseException, doing: str) -> DataError:
    """The error that says what a system would not do, and what to do about it."""
    where = f"file '{uri}'"
    status = _status(exc)
    login = _LOGINS.get(uri.partition("://")[0], "check what the address needs")
    if _code(exc) == "NoSuchBucket":
        bucket = uri.partition("://")[2].partition("/")[0]
        return DataError(f"there is no bucket '{bucket}'", where=where, remedy="check the address")
    if is_missing(exc):
        return DataError(f"there is no file '{uri}'", remedy="check the address")
    if is_refused(exc):
        said = f" ({status})" if status is not None else f": {_reason(exc)}"
        return DataError(f"access was refused{said}", where=where, remedy=login)
    if is_passing(exc):
        said = f"the server failed ({status})" if status is not None else _reason(exc)
        return DataError(
            f"cannot be {doing}: {said}, also when tried again",
            where=where,
            remedy="check the address and the network, or try later",
        )
    return DataError(
        f"cannot be {doing}: {_reason(exc)}",
        where=where,
        remedy="check the address and the credentials",
    )


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """An exception and its causes: the libraries hide some behind a FileNotFoundError."""
    link: BaseException | None = exc
    while link is not None:
        yield link
        link = link.__cause__


def _status(exc: BaseException) -> int | None:
    """The HTTP status that the server answered with, where it answered."""
    for link in _chain(exc):
        said = _response(link).get("ResponseMetadata", {}).get("HTTPStatusCode")
        if isinstance(link, _classes(_ANSWERS)):
            said = getattr(link, "status", None) or getattr(link, "code", None)
        if str(said).isdecimal():
            return int(str(said))
    return None


def _code(exc: BaseException) -> str:
    """The name that S3 gives to what is wrong."""
    for link in _chain(exc):
        if code := _response(link).get("Error", {}).get("Code"):
            return str(code)
    return ""


def _response(exc: BaseException) -> dict[str, Any]:
    """What botocore keeps of the server's answer."""
    response = getattr(exc, "response", None)
    return response if isinstance(response, dict) else {}


def _reason(exc: BaseException) -> str:
    """What happened, in one line."""
    disguised = isinstance(exc, FileNotFoundError) and exc.__cause__ is not None
    said = exc.__cause__ if disguised and exc.__cause__ else exc
    if isinstance(said, TimeoutError) or "Timeout" in type(said).__name__:
        return "the server did not answer in time"
    text = said.strerror if isinstance(said, OSError) and said.strerror else str(said)
    return " ".join(text.split())[:200] or type(said).__name__


def _classes(named: Sequence[tuple[str, str]]) -> tuple[type[BaseException], ...]:
    loaded = (getattr(sys.modules.get(module), name, None) for module, name in named)
    return tuple(found for found in loaded if isinstance(found, type))
