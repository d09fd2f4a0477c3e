"""The document, the page that shows it without internet, the caps as data, and what the document says of these and of health."""

from __future__ import annotations

from http import HTTPStatus
from importlib import resources
from typing import Any

from flask import Flask, Response, abort, request

from app.config import Config
from app.core import limits
from app.web import dump, gate
from app.web.document import complete, header_docs
from app.web.schemas import QuerySchema, load_query

# Swagger UI's own files, from the package flask-swagger-ui; ours is only the page around them.
_ASSETS = resources.files("flask_swagger_ui") / "dist"
_ASSET_TYPES = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui-standalone-preset.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Kehu API</title>
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
<link rel="icon" href="/docs/assets/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/assets/start.js"></script>
</body>
</html>
"""

_START = """window.ui = SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, persistAuthorization: false, validatorUrl: null
});
"""

# Nothing is loaded from elsewhere, and no script stands in the page itself.
_POLICY = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'"

EXTENSION = "kehu.document"

# Bearer, as for all else, but a secret of its own: whoever scrapes the figures needs no token that opens customers.
_METRICS_SECURITY = {"metrics": {"type": "http", "scheme": "bearer", "description": "The secret in `KEHU_METRICS_TOKEN`."}}


def install(app: Flask, document: dict[str, Any]) -> None:  # Any: the document is JSON
    """Serve `/openapi.json`, `/docs` and `/v1/meta/limits`; none needs a token."""
    caps = _caps(app.extensions["kehu"].config)
    app.extensions[EXTENSION] = document
    complete(document)
    document["paths"] |= _paths(list(caps))
    document["components"]["securitySchemes"] |= _METRICS_SECURITY
    written = dump.to_bytes(document)
    written_caps = dump.to_bytes(caps)

    def openapi() -> Response:
        return Response(written, mimetype=gate.JSON)

    def page() -> Response:
        return Response(_PAGE, mimetype="text/html", headers={"Content-Security-Policy": _POLICY})

    def asset(name: str) -> Response:
        if name == "start.js":
            return Response(_START, mimetype="text/javascript")
        if name not in _ASSET_TYPES:
            abort(404)
        return Response((_ASSETS / name).read_bytes(), mimetype=_ASSET_TYPES[name], headers={"Cache-Control": "max-age=86400"})

    def show_limits() -> Response:
        gate.check_accept(request)
        load_query(QuerySchema(), gate.read_query(request))
        return Response(written_caps, mimetype=gate.JSON)

    app.add_url_rule("/openapi.json", "openapi", openapi)
    app.add_url_rule("/docs", "docs", page)
    app.add_url_rule("/docs/assets/<name>", "docs_asset", asset)
    app.add_url_rule("/v1/meta/limits", "limits", show_limits)


def _caps(config: Config) -> dict[str, int]:
    """What is set for this service, and what holds for every one."""
    ours = {
        "body_bytes_max": config.max_body_bytes,
        "process_requests_max": config.requests,
        "process_streams_max": config.streams,
    }
    return ours | {name.lower(): value for name, value in vars(limits).items() if name.isupper()}


def _paths(caps: list[str]) -> dict[str, Any]:
    """The operations that belong to no feature and need no token."""
    status = {"type": "object", "properties": {"status": {"type": "string", "enum": ["ok"]}}, "required": ["status"]}
    whole = {name: {"type": "integer"} for name in caps}
    shown = {"type": "object", "properties": whole, "required": caps}
    text = {"type": "string"}
    return {
        "/livez": _get("get_liveness", "Ask whether this process lives", gate.JSON, status, (400, 500)),
        "/readyz": _get("get_readiness", "Ask whether this process can serve: database and migrations", gate.JSON, status, (400, 500, 503)),
        "/metrics": _get(
            "get_metrics",
            "Show what this service counts, for Prometheus",
            "text/plain",
            text,
            (400, 401, 500),
            security=[{}, {"metrics": []}],
        ),
        "/openapi.json": _get("get_document", "Show this document", gate.JSON, {"type": "object"}, (400, 500, 503)),
        "/docs": _get("get_docs_page", "Show this document as a page for people", "text/html", text, (400, 500, 503)),
        "/v1/meta/limits": _get("get_limits", "Show every cap on input and output", gate.JSON, shown, (400, 406, 422, 500, 503)),
    }


def _get(operation_id: str, summary: str, mimetype: str, schema: dict[str, Any], problems: tuple[int, ...], **more: Any) -> dict[str, Any]:
    success = {"description": "OK", "headers": header_docs(()), "content": {mimetype: {"schema": schema}}}
    refused = {str(number): {"$ref": f"#/components/responses/{HTTPStatus(number).name}"} for number in problems}
    responses = {"200": success, **refused}
    return {"get": {"operationId": operation_id, "summary": summary, "tags": ["service"], "responses": responses, **more}}
