"""The bytes of a body as they arrive: whatever is there, without waiting for more."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

from flask import Request
from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.errors import NoMoreData, ParseException

from app.web.connection import BoundedSocket, Late, Left
from app.web.problems import HttpProblem
from app.web.streams.lines import Broken
from app.web.streams.outgoing import Outgoing

# Any: gunicorn has no types.

READ_BYTES = 65_536


class _Short(Exception):
    """Less came than was announced."""


class Arriving:
    """A request's body, piece by piece.

    gunicorn's own `read(n)` waits until n bytes are there: for a client that sends a line now and then, forever. The readers below it
    know how the body is framed and have what one `recv` brought, so they are asked themselves. Under another server its `read` has to do.
    """

    def __init__(self, request: Request, *, seconds: float) -> None:
        self._seconds = seconds
        self._at_end = False
        body = request.environ["wsgi.input"]
        connection = request.environ.get("gunicorn.socket")
        self._connection = connection if isinstance(connection, BoundedSocket) else None
        self._body = body
        self._next = self._reading(request, body)

    def read(self) -> bytes:
        """At least one byte; b"" at the end. Raises Broken."""
        piece = self._read()
        self._at_end = not piece
        return piece

    def pieces(self) -> Iterator[bytes]:
        while piece := self.read():
            yield piece

    def _read(self) -> bytes:
        if self._connection is not None:
            self._connection.until = time.monotonic() + self._seconds
        try:
            return self._next()
        except Late as error:
            self._spoil()
            raise Broken(HttpProblem(HTTPStatus.REQUEST_TIMEOUT, "stream_timeout", seconds=self._seconds)) from error
        except (_Short, NoMoreData, ParseException) as error:
            # The end before the last byte, or chunks that are none.
            self._spoil()
            raise Broken(HttpProblem(HTTPStatus.BAD_REQUEST, "body_cut")) from error
        except (OSError, Left) as error:
            self._spoil()
            raise Broken(None) from error

    def stop(self) -> None:
        """End a `read` that waits, from another thread."""
        if self._connection is not None and isinstance(self._connection.both, Outgoing):
            self._connection.both.leave()

    def close(self) -> None:
        """Nothing more will be read, so that the client may be waited for; it may still be sending."""
        if self._connection is not None and isinstance(self._connection.both, Outgoing):
            self._connection.both.listening = not self._at_end
            self._connection.both.receiving = False
        if not self._at_end:
            self._spoil()

    def wait(self, seconds: float) -> bool:
        """Whether something comes within `seconds`; True where that cannot be told."""
        if self._connection is None or self._is_buffered():
            return True
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        return bool(poll.poll(max(0.0, seconds) * 1000))

    def _is_buffered(self) -> bool:
        """Whether gunicorn has bytes of a body of known length already, or there is nothing to wait for."""
        reader = self._body.reader if isinstance(self._body, Body) else None
        return isinstance(reader, LengthReader) and (reader.length == 0 or reader.unreader.buf.tell() > 0)

    def _spoil(self) -> None:
        # Where the next request would begin is not known any more: gunicorn has to close the connection.
        if isinstance(self._body, Body):
            self._body.failed = True

    def _reading(self, request: Request, body: Any) -> Callable[[], bytes]:
        reader = body.reader if isinstance(body, Body) else None
        if isinstance(reader, LengthReader):
            return lambda: _of_length(reader)
        if isinstance(reader, ChunkedReader):
            return lambda: _of_chunks(reader)
        left = request.content_length

        def read() -> bytes:
            nonlocal left
            piece: bytes = body.read(READ_BYTES if left is None else min(READ_BYTES, left))
            if left is not None:
                if not piece and left:
                    raise _Short
                left -= len(piece)
            return piece

        return read


def _of_length(reader: LengthReader) -> bytes:
    if reader.length == 0:
        return b""
    piece: bytes = reader.unreader.read(None, read_ahead=min(reader.length, READ_BYTES))
    if not piece:
        raise _Short
    if len(piece) > reader.length:
        # The beginning of the next request.
        reader.unreader.unread(piece[reader.length :])
        piece = piece[: reader.length]
    reader.length -= len(piece)
    return piece


def _of_chunks(reader: ChunkedReader) -> bytes:
    while reader.parser is not None:
        try:
            piece: bytes = next(reader.parser)
        except StopIteration:
            reader.parser = None
            break
        # A chunk that begins at the end of what was received.
        if piece:
            return piece
    return b""
