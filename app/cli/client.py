"""A running Kehu as its command line sees it: one request, its answer as it comes, and what to say where there is none."""

from __future__ import annotations

import http.client
import os
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, TypeVar
from urllib.parse import urlencode, urlsplit

import click
import orjson

from app.cli.duplex import Duplex
from app.cli.sending import Origin, Sender

F = TypeVar("F", bound=Callable[..., Any])

# Any: commands of click; JSON.

# What has lines to import and export; each below /v1.
RESOURCES = ("customers",)
FORMATS = {"ndjson": "application/x-ndjson", "csv": "text/csv"}
SUFFIXES = {".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv", ".tsv": "csv"}

# Exit status; 0 and 1 as usual.
REFUSED, UNUSABLE, BROKEN, INTERRUPTED = 1, 2, 3, 130

_CONNECT_SECONDS = 10.0
# Without a byte in either direction. The service gives up earlier; this is for one that hangs, or whose machine is gone.
_PATIENCE_SECONDS = 300.0
_TRIES = 5
_RETRY_MAX_SECONDS = 30
_PIECE_BYTES = 262_144
_PROBLEM_BYTES = 65_536


class Failed(click.ClickException):
    """A sentence for the person at the terminal, and the exit status."""

    def __init__(self, sentence: str, status: int = UNUSABLE) -> None:
        super().__init__(sentence)
        self.exit_code = status  # type: ignore[misc]  # click asks the instance

    def show(self, file: IO[Any] | None = None) -> None:
        say(self.format_message())


class Broken(Exception):
    """The connection ended before the answer did; the text says how."""


def say(sentence: str) -> None:
    click.echo(f"kehu: {sentence}", err=True)


def options(command: F) -> F:
    """Which Kehu, and what of it."""
    resource = click.option("--resource", type=click.Choice(RESOURCES), default=RESOURCES[0], show_default=True, help="What the lines are.")
    url = click.option(
        "--url", envvar="KEHU_URL", default="http://127.0.0.1:8000", show_default=True, show_envvar=True, help="Address of the Kehu."
    )
    return url(resource(command))


@dataclass(frozen=True, slots=True)
class Service:
    """Where it is, and who we are to it."""

    host: str
    port: int | None
    prefix: str
    is_tls: bool
    url: str
    token: str = field(repr=False)

    @classmethod
    def of(cls, url: str) -> Service:
        """The Kehu at `url`, with the token of the environment: as an option it would stand in the list of processes. Raises Failed."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise Failed(f"--url: {error}.") from error
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username is not None:
            raise Failed("--url: has to be http://host:port or https://host:port.")
        token = os.environ.get("KEHU_TOKEN", "").strip()
        if not re.fullmatch(r"[!-~]+", token):
            raise Failed("Set KEHU_TOKEN to a token of this Kehu: export KEHU_TOKEN=kehu_…")
        return cls(parts.hostname, port, parts.path.rstrip("/"), parts.scheme == "https", url, token)

    def connect(self) -> http.client.HTTPConnection:
        if self.is_tls:
            return http.client.HTTPSConnection(self.host, self.port, timeout=_CONNECT_SECONDS, context=ssl.create_default_context())
        return http.client.HTTPConnection(self.host, self.port, timeout=_CONNECT_SECONDS)


@dataclass(frozen=True, slots=True)
class Request:
    """`origin`: what to send as the body."""

    method: str
    path: str
    query: Mapping[str, str] | list[tuple[str, str]]
    headers: Mapping[str, str]
    origin: Origin | None = None


class Answer:
    """A 200 whose body still comes, while the request's is perhaps still sent."""

    def __init__(self, response: http.client.HTTPResponse, sender: Sender | None) -> None:
        self._response = response
        self.sender = sender

    def header(self, name: str) -> str | None:
        return self._response.getheader(name)

    def pieces(self) -> Iterator[bytes]:
        """Raises Broken where the body ends before its end, and where that could not be told."""
        if not self._response.chunked and self._response.length is None:
            raise Broken("whatever stands between here and Kehu does not say where the answer ends")
        try:
            while piece := self._response.read1(_PIECE_BYTES):
                yield piece
        except (OSError, http.client.HTTPException) as error:
            raise Broken(_reason(error, self.sender)) from error
        if self._response.length:
            raise Broken("the answer was cut off")


@contextmanager
def asked(service: Service, request: Request) -> Iterator[Answer]:
    """Sends the request, again where the service is busy. Raises Failed where it is refused, Broken where no answer came."""
    for left in reversed(range(_TRIES)):
        with _exchange(service, request) as (response, sender):
            if response.status == http.client.OK:
                yield Answer(response, sender)
                return
            after = response.getheader("Retry-After")
            told = _problem(response)
        if response.status != http.client.SERVICE_UNAVAILABLE or after is None or not left:
            raise Failed(told)
        seconds = min(int(after), _RETRY_MAX_SECONDS) if after.isdecimal() else 1
        say(f"{told} Trying again in {seconds} s.")
        time.sleep(seconds)


@contextmanager
def _exchange(service: Service, request: Request) -> Iterator[tuple[http.client.HTTPResponse, Sender | None]]:
    connection = service.connect()
    try:
        connection.connect()
    except (OSError, http.client.HTTPException) as error:
        raise Failed(f"There is no Kehu to be reached at {service.url}: {_reason(error, None)}.") from error
    duplex = Duplex(connection.sock, patience=_PATIENCE_SECONDS)
    # All that is used of it is makefile, sendall and close.
    connection.sock = duplex
    sender = None
    try:
        try:
            _send_head(connection, service, request)
            if request.origin is not None:
                sender = Sender(request.origin, duplex)
                sender.start()
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise Broken(_reason(error, sender)) from error
        yield response, sender
    finally:
        duplex.hang_up()
        if sender is not None:
            sender.stop()
        duplex.disconnect()


def _send_head(connection: http.client.HTTPConnection, service: Service, request: Request) -> None:
    target = f"{service.prefix}{request.path}" + (f"?{urlencode(request.query)}" if request.query else "")
    connection.putrequest(request.method, target)
    headers = {"Authorization": f"Bearer {service.token}", "User-Agent": "kehu", **request.headers}
    if request.origin is not None:
        headers["Transfer-Encoding"] = "chunked"
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()


def _problem(response: http.client.HTTPResponse) -> str:
    """What a refusal says, in a sentence."""
    try:
        document = orjson.loads(response.read(_PROBLEM_BYTES))
        return sentence(document)
    except (OSError, http.client.HTTPException, orjson.JSONDecodeError, KeyError, TypeError):
        return f"{response.status} {response.reason}."


def sentence(problem: Mapping[str, Any]) -> str:
    """A problem document in words, with each value that it names."""
    faults = "; ".join(f"{fault['pointer']}: {fault['detail']}" for fault in problem.get("errors", ()))
    return f"{problem['status']} {problem['code']}: {faults or problem['detail']}"


def _reason(error: BaseException, sender: Sender | None) -> str:
    if sender is not None and sender.failure is not None:
        return f"what was to be sent cannot be read: {_reason(sender.failure, None)}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    # Their own words are of bytes and lines of the protocol.
    if isinstance(error, (http.client.IncompleteRead, http.client.RemoteDisconnected)):
        return "the connection ended before the answer did"
    return str(error) or type(error).__name__
