"""A TCP proxy between service and database, on which a test does to connections what networks do to them."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import make_url

# With it, closing a socket sends a reset instead of an orderly end.
_RESET = struct.pack("ii", 1, 0)
_CHUNK = 65_536
_NO_TRANSACTION = -(10**9)

# What a unit of work says first: its messages are counted from it.
_BEGIN = b"BEGIN; SELECT"
# PostgreSQL's CommandComplete after a COMMIT, which may itself be sent as the name of a prepared statement.
COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"


@dataclass(slots=True)
class Trap:
    """Waits for the first message, or answer, that comes at this step of a transaction and holds these bytes."""

    answer: bool
    step: int | None = None
    holding: bytes = b""
    # False: from that message on nothing is let through, as in a black hole.
    resets: bool = True
    sprung: threading.Event = field(default_factory=threading.Event)

    def fits(self, chunk: bytes, *, answer: bool, step: int) -> bool:
        return answer == self.answer and self.step in (None, step) and self.holding in chunk


class Proxy:
    """Leads from a port of 127.0.0.1 to the database of `database_url`. A context manager; its methods may be called by any thread."""

    def __init__(self, database_url: str) -> None:
        self._target = make_url(database_url)
        # Seconds before each answer of the database.
        self.latency = 0.0
        self._links: set[_Link] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._passing = threading.Event()
        self._passing.set()
        self._trap: Trap | None = None
        self._listener: socket.socket | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """The database behind the proxy, unencrypted, so that the proxy can read what is said."""
        parts = {"sslmode": "disable", "gssencmode": "disable"}
        return (
            self._target.set(host="127.0.0.1", port=self.port, query={**self._target.query, **parts})
            .difference_update_query(["host", "port"])
            .render_as_string(hide_password=False)
        )

    def __enter__(self) -> Proxy:
        self.accept()
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()
        self._passing.set()
        for thread in self._threads:
            thread.join(10)

    def heal(self) -> None:
        """Pass everything again, from now on; what a black hole held back is delivered."""
        self._trap = None
        self.latency = 0.0
        self._passing.set()
        self.accept()

    def accept(self) -> None:
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self.port = self._listener.getsockname()[1]
            self._run(self._listen, self._listener)

    def refuse(self) -> None:
        """Refuse new connections and reset those that there are."""
        listener, self._listener = self._listener, None
        if listener is not None:
            # Wakes the thread that accepts; a mere close would not.
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.cut()

    def cut(self) -> int:
        """Reset every connection; how many there were."""
        links = self._present()
        for link in links:
            link.end(reset=True)
        # Their threads close them: what is cut is cut when this returns, so far as they are not held up.
        until = time.monotonic() + 1
        while not self._links.isdisjoint(links) and time.monotonic() < until:
            time.sleep(0.001)
        return len(links)

    def black_hole(self) -> None:
        """Accept everything, acknowledge everything, and let nothing through."""
        self._passing.clear()

    def forget(self) -> int:
        """Let nothing through any more on the connections that there are, as a router that lost their state; how many there were."""
        links = self._present()
        for link in links:
            link.forgotten = True
        return len(links)

    def cut_before(self, step: int) -> Trap:
        """Reset the connection in place of the message that comes so many after a transaction's first, once."""
        return self._set(Trap(answer=False, step=step))

    def lose_answer_to(self, step: int) -> Trap:
        """Pass on that message, and reset the connection in place of its answer, once."""
        return self._set(Trap(answer=True, step=step))

    def lose_answer(self, holding: bytes) -> Trap:
        """Reset the connection in place of the next answer with these bytes, once."""
        return self._set(Trap(answer=True, holding=holding))

    def hold_answer_to(self, step: int) -> Trap:
        """A black hole from the answer to that message on, until the proxy is healed."""
        return self._set(Trap(answer=True, step=step, resets=False))

    def spring(self, chunk: bytes, *, answer: bool, step: int) -> Trap | None:
        """The trap for this message, which is then gone."""
        with self._lock:
            trap = self._trap
            if trap is None or not trap.fits(chunk, answer=answer, step=step):
                return None
            self._trap = None
        if not trap.resets:
            self.black_hole()
        trap.sprung.set()
        return trap

    def wait_until_passing(self, link: _Link) -> bool:
        """Whether the link was still there when the proxy let things through."""
        while not self._passing.wait(0.05):
            if link.ended:
                return False
        return not link.ended

    def _set(self, trap: Trap) -> Trap:
        self._trap = trap
        return trap

    def _present(self) -> list[_Link]:
        with self._lock:
            return list(self._links)

    def _listen(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                database = self._connect()
            except OSError:
                # No database: the client hears an end, as from a balancer without a target.
                client.close()
                continue
            link = _Link(self, client, database)
            with self._lock:
                self._links.add(link)
            self._run(link.carry_questions)
            self._run(link.carry_answers)

    def _connect(self) -> socket.socket:
        directory = self._target.query.get("host", "")
        if isinstance(directory, str) and directory.startswith("/"):
            database = socket.socket(socket.AF_UNIX)
            try:
                database.connect(f"{directory}/.s.PGSQL.{self._target.query.get('port', 5432)}")
            except OSError:
                database.close()
                raise
            return database
        return socket.create_connection((self._target.host or directory or "127.0.0.1", self._target.port or 5432))

    def _run(self, work: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads = [other for other in self._threads if other.is_alive()] + [thread]
        thread.start()

    def leave(self, link: _Link) -> None:
        with self._lock:
            self._links.discard(link)


class _Link:
    """One connection: two sockets, and a thread for each direction."""

    def __init__(self, proxy: Proxy, client: socket.socket, database: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._database = database
        self._lock = threading.Lock()
        self._carriers = 2
        self._step = _NO_TRANSACTION
        self.forgotten = False
        self.ended = False

    def end(self, *, reset: bool = False) -> None:
        """Wake both threads, of which the last one closes the sockets: a close under a thread that reads would come to nothing."""
        with self._lock:
            if reset and self._carriers:
                self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.ended = True
            if self._carriers:
                for side in (self._client, self._database):
                    with suppress(OSError):
                        side.shutdown(socket.SHUT_RD)

    def carry_questions(self) -> None:
        self._carry(self._client, self._database, answer=False)

    def carry_answers(self) -> None:
        self._carry(self._database, self._client, answer=True)

    def _carry(self, source: socket.socket, target: socket.socket, *, answer: bool) -> None:
        with suppress(OSError):
            while chunk := source.recv(_CHUNK):
                # libpq sends a statement in one piece and waits for its answer, so that a piece is a message.
                if not answer:
                    self._step = 0 if _BEGIN in chunk else self._step + 1
                trap = self._proxy.spring(chunk, answer=answer, step=self._step)
                if trap is not None and trap.resets:
                    self.end(reset=True)
                if not self._proxy.wait_until_passing(self):
                    break
                if self.forgotten:
                    continue
                if answer and self._proxy.latency:
                    time.sleep(self._proxy.latency)
                target.sendall(chunk)
        self._leave()

    def _leave(self) -> None:
        self.end()
        with self._lock:
            self._carriers -= 1
            if self._carriers:
                return
            self._client.close()
            self._database.close()
        self._proxy.leave(self)
