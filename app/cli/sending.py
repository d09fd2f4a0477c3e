"""The body of an import on its way to the service: from a file or standard input, in a thread of its own, as fast as it is taken."""

from __future__ import annotations

import gzip
import os
import select
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from app.cli.duplex import Duplex

_PIECE_BYTES = 65_536
_TICK_SECONDS = 0.2


class Origin:
    """Bytes that can be sent, and read again from the beginning: what is no file on disk is kept in a temporary one."""

    def __init__(self, name: str, *, is_gzip: bool) -> None:
        self.is_gzip = is_gzip
        self._file: IO[bytes] = sys.stdin.buffer if name == "-" else Path(name).open("rb")  # noqa: SIM115  # until the process ends
        found = os.fstat(self._file.fileno())
        self._is_kept = name != "-" and stat.S_ISREG(found.st_mode)
        # In bytes, where it is known.
        self.size = found.st_size if stat.S_ISREG(found.st_mode) else None
        self._spool: IO[bytes] | None = None if self._is_kept else tempfile.TemporaryFile()  # noqa: SIM115  # the same

    def forget(self) -> None:
        """It will not be read again: nothing more is kept."""
        self._spool = None

    def is_file(self, path: Path) -> bool:
        with suppress(OSError):
            return os.path.samestat(os.fstat(self._file.fileno()), path.stat())
        return False

    def pieces(self, stop: threading.Event) -> Iterator[bytes]:
        """All of it from the beginning, as it comes."""
        again = self._file if self._is_kept else self._spool
        if again is not None:
            again.seek(0)
            while not stop.is_set() and (piece := again.read(_PIECE_BYTES)):
                yield piece
        while not self._is_kept and not stop.is_set():
            poll = select.poll()
            poll.register(self._file, select.POLLIN)
            if not poll.poll(_TICK_SECONDS * 1000):
                continue
            piece = os.read(self._file.fileno(), _PIECE_BYTES)
            if not piece:
                return
            if (spool := self._spool) is not None:
                spool.write(piece)
            yield piece

    def reopened(self) -> IO[bytes]:
        """From the beginning, and not compressed. To be read when nothing is sent any more."""
        file = self._file if self._is_kept else self._spool
        assert file is not None
        file.seek(0)
        return gzip.GzipFile(fileobj=file) if self.is_gzip else file  # type: ignore[return-value]  # reads as one


class Sender(threading.Thread):
    """Sends all of `origin` as chunks; where it cannot be read, hangs up, so that a part never passes for the whole."""

    def __init__(self, origin: Origin, duplex: Duplex) -> None:
        super().__init__(name="sender", daemon=True)
        self._origin = origin
        self._duplex = duplex
        self._stop_asked = threading.Event()
        self.failure: OSError | None = None
        # What was sent so far.
        self.bytes = 0
        self.lines = 0

    def run(self) -> None:
        pieces = self._origin.pieces(self._stop_asked)
        while not self._stop_asked.is_set():
            try:
                piece = next(pieces, b"")
            except OSError as error:
                self.failure = error
                self._duplex.hang_up()
                return
            if self._stop_asked.is_set():
                return
            try:
                # An empty chunk is the end.
                self._duplex.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
            except OSError:
                # Whoever receives finds out why.
                return
            if not piece:
                return
            self.bytes += len(piece)
            self.lines += piece.count(b"\n")

    def stop(self) -> None:
        self._stop_asked.set()
        self.join()
