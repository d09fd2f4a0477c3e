"""The document, the page that shows it without internet, and the caps as data."""

from __future__ import annotations

from importlib import resources
from typing import Any

from flask import Flask, Response, abort

from app.core import limits
from app.web import dump

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


def install(app: Flask, document: dict[str, Any]) -> None:  # Any: the document is JSON
    """Serve `/openapi.json`, `/docs` and `/v1/meta/limits`; none needs a token."""
    app.extensions[EXTENSION] = document
    written = dump.to_bytes(document)
    caps = dump.to_bytes(_caps(app.extensions["kehu"].config.max_body_bytes))

    def openapi() -> Response:
        return Response(written, mimetype="application/json")

    def page() -> Response:
        return Response(_PAGE, mimetype="text/html", headers={"Content-Security-Policy": _POLICY})

    def asset(name: str) -> Response:
        if name == "start.js":
            return Response(_START, mimetype="text/javascript")
        if name not in _ASSET_TYPES:
            abort(404)
        return Response((_ASSETS / name).read_bytes(), mimetype=_ASSET_TYPES[name], headers={"Cache-Control": "max-age=86400"})

    def show_limits() -> Response:
        return Response(caps, mimetype="application/json")

    app.add_url_rule("/openapi.json", "openapi", openapi)
    app.add_url_rule("/docs", "docs", page)
    app.add_url_rule("/docs/assets/<name>", "docs_asset", asset)
    app.add_url_rule("/v1/meta/limits", "limits", show_limits)


def _caps(max_body_bytes: int) -> dict[str, int]:
    named = {name.lower(): value for name, value in vars(limits).items() if name.isupper()}
    return {"body_bytes_max": max_body_bytes, **named}
