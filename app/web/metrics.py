"""What this service counts, for Prometheus; every process's figures are summed."""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Mapping
from functools import cache

from flask import Flask, Response, request
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from app.core.errors import Unauthenticated

REQUESTS = Counter("kehu_requests_total", "Requests answered", ["method", "route", "status"])
SECONDS = Histogram("kehu_request_seconds", "Seconds from the first byte of a request to the last of its answer", ["route"])
REFUSED = Counter("kehu_refused_total", "Requests refused for want of a token or a scope", ["code"])
TURNED_AWAY = Counter("kehu_turned_away_total", "Requests answered 503 because the process was full")


@cache
def _answered(method: str, route: str, status: int) -> Counter:
    """Kept: a look-up by labels is most of what counting costs. There are as many as there are routes and statuses."""
    return REQUESTS.labels(method=method, route=route, status=status)


@cache
def _took(route: str) -> Histogram:
    return SECONDS.labels(route=route)


def count_request(method: str, route: str, status: int, seconds: float) -> None:
    _answered(method, route, status).inc()
    _took(route).observe(seconds)


# Set by gunicorn.conf.py before the first import of prometheus_client, which reads the same name.
_SHARED_DIR = "PROMETHEUS_MULTIPROC_DIR"


# Asked of the database when Prometheus comes: name -> (help, value). Handed in by the factory.
Measure = Callable[[], Mapping[str, tuple[str, float]]]


def install(app: Flask, token: str | None, measure: Measure) -> None:
    """Serve `/metrics`; where `token` is given, only to those who send it as a bearer token."""

    def show() -> Response:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token is not None and not hmac.compare_digest(given.encode(), token.encode()):
            raise Unauthenticated
        return Response(generate_latest(_registry()) + generate_latest(_measured(measure)), content_type=CONTENT_TYPE_LATEST)

    app.add_url_rule("/metrics", "metrics", show)


def _measured(measure: Measure) -> CollectorRegistry:
    """The same from whichever process answers, so it stands beside the sums over all of them."""
    registry = CollectorRegistry()
    for name, (meaning, value) in measure().items():
        Gauge(name, meaning, registry=registry).set(value)
    return registry


def _registry() -> CollectorRegistry:
    if _SHARED_DIR not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # prometheus_client types this one not
    return registry
