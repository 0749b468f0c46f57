"""Servers on the loopback interface: an object store, and a web server that fails as it is told."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import Request, urlopen

import pytest


@contextmanager
def s3_server(bucket: str) -> Iterator[str]:
    """A server that speaks S3, with one bucket; clients find it by the environment."""
    import fsspec
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # one line for each request, otherwise
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    try:
        # What it keeps belongs to the process, and outlives a server.
        urlopen(Request(f"{endpoint}/moto-api/reset", method="POST")).close()
        with s3_environment(endpoint):
            fsspec.filesystem("s3").mkdir(bucket)
            yield endpoint
    finally:
        server.stop()


@contextmanager
def s3_environment(endpoint: str) -> Iterator[None]:
    """Let S3 be what answers at this address, asked once for each request."""
    from s3fs import S3FileSystem

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", endpoint)
        patch.setenv("AWS_ACCESS_KEY_ID", "someone")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_MAX_ATTEMPTS", "1")
        S3FileSystem.clear_instance_cache()
        try:
            yield
        finally:
            S3FileSystem.clear_instance_cache()


@dataclass
class Web:
    """What a web server gives, and how it fails before it does.

    plan : for each request of a path, in turn: a status, "cut" in the middle, or "stall".
    """

    root: str
    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    plan: dict[str, list[int | str]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)


@contextmanager
def web_server() -> Iterator[Web]:
    """A web server that gives whole files only, and fails as planned."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            self.answer()

        def do_PUT(self) -> None:
            length = self.headers["Content-Length"]
            while length is None and (size := int(self.rfile.readline().split(b";")[0], 16)):
                self.rfile.read(size + 2)
            self.rfile.read(int(length or 0))
            self.answer()

        def answer(self) -> None:
            path = self.path.partition("?")[0]
            web.asked.append((self.command, path))
            planned = web.plan.get(path) or [200]
            now = planned.pop(0) if web.plan.get(path) else planned[0]
            if now == "stall":
                web.released.wait(10)
                self.close_connection = True
                return
            content = web.files.get(path)
            status = now if isinstance(now, int) and now != 200 else 200 if content else 404
            body = (content or b"") if status == 200 and self.command != "PUT" else b""
            self.send_response(status)
            for name, value in web.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body[: len(body) // 2] if now == "cut" else body)

        def log_message(self, *_: object) -> None:
            """Say nothing on stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    web = Web(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield web
    finally:
        web.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
