"""Files of other systems, by URI: object stores (s3://, gs://), web servers and memory://.

What is said here once: how a system is reached, how long it is waited for, what is tried again, and
how its refusals read. fsspec and what it needs are imported when a URI is given, not before.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from rebalance.errors import DataError, UsageError
from rebalance.storage.refusals import failures, is_cut, is_missing, is_passing, is_refused, refusal

T = TypeVar("T")

TIMEOUT = 30.0  # seconds that a server may take to answer, or to go on with an answer
CONNECTION_TIMEOUT = 10.0  # seconds
SLOWEST = 20_000.0  # bytes a second; what is sent slower is given up
PART = 16 << 20  # bytes that are sent at a time; S3 takes up to 10,000 parts
FIRST_WAIT = 0.5  # seconds before something is tried again; doubled each time

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# The extra that installs what a scheme needs; memory:// lives in this process and needs nothing.
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "http": "http", "https": "http"}
_SCHEMES = {*_EXTRAS, "memory"}
_WRITABLE = {"s3", "s3a", "gs", "gcs", "memory"}  # where a put appears whole or not at all
TRIES = 4
# These clients try a request again themselves (for S3 as AWS_MAX_ATTEMPTS and AWS_RETRY_MODE say).
_TRY_AGAIN_THEMSELVES = {"s3", "gcs"}

_LOGGERS = ("fsspec", "s3fs", "aiobotocore", "gcsfs", "google", "asyncio")
_SILENT = logging.NullHandler()


def is_uri(name: str) -> bool:
    """Whether a name is the address of a file of another system.

    >>> is_uri("s3://bucket/table.parquet"), is_uri("folder/table.parquet"), is_uri("-")
    (True, False, False)
    """
    return _URI.match(name) is not None


@dataclass(frozen=True)
class Address:
    """What a URI names: the system, connected to, and the path as that system spells it."""

    scheme: str
    system: Any
    path: str

    @property
    def uri(self) -> str:
        """The address as it is shown: without what may be secret, a password or a signature."""
        if self.is_web:
            return _masked(self.spelled)
        return f"{self.scheme}://{self.path.lstrip('/')}"

    @property
    def spelled(self) -> str:
        """The path without a web address's query, in which signs are no wildcards."""
        return self.path.partition("?")[0] if self.is_web else self.path

    @property
    def identity(self) -> tuple[str, str]:
        """What is equal for two spellings of one address."""
        return _EXTRAS.get(self.scheme, self.scheme), self.path

    @property
    def is_web(self) -> bool:
        """Whether it is on a web server, which may be unable to give parts of a file."""
        return _EXTRAS.get(self.scheme) == "http"

    def sibling(self, path: str) -> Address:
        """Another path of the same system."""
        return Address(self.scheme, self.system, path)

    def attempt(self, work: Callable[[], T], doing: str = "read") -> T:
        """Do something with the system, again where it may help, and translate what goes wrong.

        Raises
        ------
        DataError : it failed, and why.
        """
        tries, wait = TRIES, FIRST_WAIT
        may_pass = is_cut if _EXTRAS.get(self.scheme) in _TRY_AGAIN_THEMSELVES else is_passing
        while True:
            tries -= 1
            try:
                return work()
            except failures() as exc:
                if tries == 0 or not may_pass(exc):
                    raise refusal(self.uri, exc, doing) from exc
            time.sleep(wait)
            wait *= 2

    def info(self, *, sure: bool = True) -> Mapping[str, Any] | None:
        """What the system says of the path; None where there is nothing.

        With `sure` false, what the system does not let one see is not there: stores answer 403
        instead of 404 to those who may not list.

        Raises
        ------
        DataError : the system cannot be asked.
        """

        def look() -> Mapping[str, Any] | None:
            try:
                found: Mapping[str, Any] = self.system.info(self.path)
            except failures() as exc:
                if is_missing(exc) or (not sure and is_refused(exc)):
                    return None
                raise
            return found

        return self.attempt(look)


def connect(uri: str, *, writing: bool = False) -> Address:
    """Make ready to use what a URI names; nothing is sent yet.

    Raises
    ------
    UsageError : a scheme that is not known or cannot be written to, no address, or a package that
        the scheme needs is not installed.
    """
    scheme = uri.partition("://")[0].lower()
    uri = scheme + uri[len(scheme) :]
    if scheme not in _SCHEMES or (writing and scheme not in _WRITABLE):
        doing = "written to" if writing else "read"
        known = sorted(_WRITABLE if writing else _SCHEMES)
        raise UsageError(
            f"'{scheme}://' cannot be {doing}",
            remedy="these can: " + ", ".join(f"{name}://" for name in known),
        )
    try:
        parts = urlsplit(uri)
        is_web = _EXTRAS.get(scheme) == "http"
        complete = not is_web or (parts.hostname not in {None, "*"} and parts.port != 0)
    except ValueError:
        complete = False
    if not complete or not uri.partition("://")[2].strip("/"):
        raise UsageError(f"'{_masked(uri)}' is no address of a file", remedy="check the address")
    try:
        import fsspec

        system = fsspec.filesystem(scheme, **_options(_EXTRAS.get(scheme, "")))
    except ImportError as exc:
        raise UsageError(
            f"'{scheme}://' needs a package that is not installed ({exc.name or exc})",
            where=f"file '{_masked(uri)}'",
            remedy=f"pip install 'rebalance-cli[{_EXTRAS.get(scheme, 's3')}]'",
        ) from exc
    for logger in _LOGGERS:  # what they would say on stderr, with tracebacks, is said by `refusal`
        logging.getLogger(logger).addHandler(_SILENT)
    if _EXTRAS.get(scheme) == "s3":
        system.retries = 1  # those of botocore are left: two layers would multiply
    return Address(scheme, system, system._strip_protocol(uri))


def _masked(uri: str) -> str:
    """The address without a password in it."""
    return re.sub("://[^/@]*@", "://", uri)


def _options(extra: str) -> dict[str, Any]:
    """Settings of a system; a user's own are fsspec's: FSSPEC_S3_ANON, ~/.config/fsspec, ..."""
    import fsspec

    if extra == "s3":
        own = fsspec.config.conf.get("s3", {}).get("config_kwargs", {})
        waits = {"connect_timeout": CONNECTION_TIMEOUT, "read_timeout": TIMEOUT}
        return {"use_listings_cache": False, "config_kwargs": {**waits, **own}}
    if extra == "gcs":
        return {"use_listings_cache": False}
    if extra == "http":
        import aiohttp

        # Bytes as they are stored: a .csv.gz that is said to be encoded must not be unpacked on
        # the way. A long file may take long, only never stand still. Proxies and ~/.netrc count.
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECTION_TIMEOUT, sock_read=TIMEOUT
        )
        session = {"timeout": timeout, "trust_env": True, "auto_decompress": False}
        return {"headers": {"Accept-Encoding": "identity"}, "client_kwargs": session}
    return {}


def exists(name: str, *, sure: bool = False) -> bool:
    """Whether there is a file of this name, here or elsewhere; `sure` as for `Address.info`.

    Raises
    ------
    UsageError, DataError : see `connect` and `Address.attempt`.
    """
    if not is_uri(name):
        return Path(name).is_file()
    info = connect(name).info(sure=sure)
    return info is not None and info["type"] == "file"


def read_bytes(uri: str) -> bytes:
    """The whole of a small file.

    Raises
    ------
    UsageError, DataError : see `connect` and `Address.attempt`.
    """
    address = connect(uri)
    return address.attempt(lambda: bytes(address.system.cat_file(address.path)))


def upload(local: Path, uri: str) -> None:
    """Put a local file in the place of what a URI names: whole, or not at all.

    Raises
    ------
    UsageError, DataError : see `connect` and `Address.attempt`; also when it did not arrive whole.
    """
    address = connect(uri, writing=True)
    size = local.stat().st_size
    options: dict[str, Any] = {}
    if address.system.async_impl:  # clients wait without end for a server that takes no bytes
        options["timeout"] = 4 * TIMEOUT + size / SLOWEST
    if _EXTRAS.get(address.scheme) == "s3":  # left alone, it holds ten parts of 50 MB twice
        options |= {"chunksize": max(PART, size // 9_000), "max_concurrency": 4}
    address.attempt(lambda: address.system.put_file(str(local), address.path, **options), "written")
    info = address.info(sure=False)
    if info is not None and info.get("size") != size:
        raise DataError(
            f"{info.get('size')} bytes arrived of {size}",
            where=f"file '{address.uri}'",
            remedy="see whether something else writes there, and run the command again",
        )
