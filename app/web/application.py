"""Flask without what an API has no use for, and answers whose bytes and headers are known when they are made.

Of 200 us that a bare Flask takes of a request, a third went into a session that nobody has, into asking each function whether it is
async, and into reading the Host header, which nothing here believes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Flask, Request, Response, request
from flask.sessions import NullSession, SessionInterface
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import Headers
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.routing import MapAdapter

from app.web import context

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# As Werkzeug writes them.
_STATUS_LINES = {code: f"{code} {phrase.upper()}" for code, phrase in HTTP_STATUS_CODES.items()}


def running() -> Request:
    """The running request itself: each look through Flask's stand-in for it costs a microsecond."""
    return request._get_current_object()  # type: ignore[attr-defined,no-any-return]  # what Flask types as a request is a LocalProxy


class _NoSession(SessionInterface):
    """One for all requests: it cannot be written to, and a null session is never saved."""

    _none = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:
        return self._none


class Application(Flask):
    """Stateless and synchronous."""

    session_interface = _NoSession()

    def preprocess_request(self) -> ResponseReturnValue | None:
        """Let the access log know which address a request is for: its template, since the address itself may be an e-mail. Where nobody has
        anything else to be done before, Flask need not ask each blueprint."""
        asked = running()
        if asked.url_rule is not None:
            context.of_request(asked).route = asked.url_rule.rule
        return super().preprocess_request() if self.before_request_funcs or self.url_value_preprocessors else None

    def make_default_options_response(self) -> Response:
        """Without a page of HTML, and with the methods in one order, where Flask's is that of a set."""
        allowed = ", ".join(sorted(super().make_default_options_response().allow))
        return Plain(b"", HTTPStatus.NO_CONTENT, {"Allow": allowed})

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:  # Any: as Flask has it
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """The routing of a request by its method and path alone: addresses that are told are relative, and no route is a host's."""
        if request is None:
            return None
        environ = request.environ
        # PEP 3333: the bytes of the path, each as one latin-1 character; that they are UTF-8 was seen to before.
        path = environ["PATH_INFO"]
        return MapAdapter(
            self.url_map,
            server_name="",
            script_name="/",
            subdomain="",
            url_scheme="http",
            path_info=path if path.isascii() else path.encode("latin-1").decode("utf-8"),
            default_method=environ["REQUEST_METHOD"],
            query_args=environ["QUERY_STRING"],
        )


class Plain(Response):
    """An answer that is written in one piece.

    Werkzeug's own looks through its headers twice to find out what is said here: how long the body is, and that it has none.
    """

    def __init__(self, payload: bytes, status: int, headers: Mapping[str, str], *, mimetype: str | None = None) -> None:
        # Not the base's: it would make of these what they are already.
        self.headers = Headers(list(headers.items()))
        if mimetype is not None:
            self.headers.add("Content-Type", mimetype)
            self.headers.add("Content-Length", str(len(payload)))
        self._status, self._status_code = _STATUS_LINES[status], int(status)
        self._on_close: list[Callable[[], Any]] = []  # Any: as Werkzeug has it
        self.response = [payload] if payload else []

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response(self._status, self.headers.to_wsgi_list())
        return self.response if environ["REQUEST_METHOD"] != "HEAD" else ()  # type: ignore[return-value]  # bytes, as it was made
