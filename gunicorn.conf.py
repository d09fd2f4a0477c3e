"""How gunicorn runs the service: by `kehu serve`, or alone behind a proxy (`gunicorn wsgi:app`). Each value with its reason."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from app.config import Config

_config = Config.from_env()

bind = _config.bind
workers = _config.workers
threads = _config.threads

# Threads: a request is mostly waiting for PostgreSQL. Ours, so that errors of gunicorn itself are problem documents too.
worker_class = "app.web.gunicorn_worker.ProblemWorker"

# Of a worker's main thread, not of a request: with threads this finds only a worker that hangs altogether. A request is bounded
# by its deadline (8 s), which is well below.
timeout = 30

# On TERM and HUP: longer than any request but a stream may take, shorter than what a service manager waits (30 s and more).
graceful_timeout = 25

# Longer than a proxy's pause between two requests of a busy connection; a proxy that keeps idle ones longer has to retry.
keepalive = 5

# Enough for a burst while all threads work; what waits longer would only be answered after its client gave up.
backlog = 512

# Connections of a worker, kept-alive ones among them: the limit is threads' work, not sockets.
worker_connections = 1000

# Bounds the growth of a leak nobody found yet; the jitter keeps the workers from restarting at the same time.
max_requests = 10_000
max_requests_jitter = 1_000

# Filters and cursors are long (gunicorn's 4094 is not enough), and 8190 is the limit of the common proxies too.
limit_request_line = 8190
limit_request_fields = 100
limit_request_field_size = 8190

# No: the workers would share what was opened before the fork (connections to PostgreSQL, which must not cross it), and a reload
# by HUP would serve the old code.
preload_app = False

# The socket is made below the home directory by default: unwanted where there is none, and two instances would share it.
control_socket_disable = True

# The heartbeat file is touched all the time; on a disk that stalls, healthy workers would be killed. In memory where that exists.
_MEMORY = Path("/dev/shm")
_memory_dir = str(_MEMORY) if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK | os.X_OK) else None
worker_tmp_dir = _memory_dir

# The application writes its own, by route; gunicorn's holds the URL, and with it personal data.
accesslog = None
errorlog = "-"
loglevel = "info"

# Nothing that a client says about its scheme or address is believed; the service does not use either.
forwarded_allow_ips = ""


# prometheus_client shares figures between workers through files, and looks at this variable when it is first imported: so here,
# in the parent of all workers. Files of an earlier run would be added to the figures, hence a fresh directory for each.
_metrics_dir: str | None = None
if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    _metrics_dir = tempfile.mkdtemp(prefix="kehu-metrics-", dir=_memory_dir)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = _metrics_dir


def child_exit(_: Any, worker: Any) -> None:  # Any: gunicorn has no types
    # Not at the top: the variable above has to be there first.
    from prometheus_client import multiprocess

    # Gauges of the dead are dropped; its counters stay in the sum.
    multiprocess.mark_process_dead(worker.pid)


def on_exit(server: Any) -> None:  # Any: gunicorn has no types
    # After USR2 another parent goes on with the same directory.
    if _metrics_dir is not None and not server.reexec_pid:
        shutil.rmtree(_metrics_dir, ignore_errors=True)
