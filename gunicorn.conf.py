"""How gunicorn runs the service: by `kehu serve`, or alone behind a proxy (`gunicorn wsgi:app`). Each value with its reason."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from app.config import Config
from app.core import collecting

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
max_requests = 100_000
max_requests_jitter = 10_000

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
_METRICS_PREFIX = "kehu-metrics-"


def _remove_metrics_of_the_killed(parent: Path) -> None:
    """Removes directories of runs that ended without on_exit: nobody holds their locks any more."""
    for path in parent.glob(f"{_METRICS_PREFIX}*"):
        with suppress(OSError):
            found = path.lstat()
            # A new one may not have its lock yet.
            if found.st_uid != os.geteuid() or not stat.S_ISDIR(found.st_mode) or time.time() - found.st_mtime < 60:
                continue
            lock = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)


_metrics_dir: str | None = None
if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    _parent = _memory_dir or tempfile.gettempdir()
    _remove_metrics_of_the_killed(Path(_parent))
    _metrics_dir = tempfile.mkdtemp(prefix=_METRICS_PREFIX, dir=_parent)
    # Shared with every worker by the fork, so it is free only when the last of them has ended; and kept over USR2's exec.
    _lock = os.open(_metrics_dir, os.O_RDONLY)
    os.set_inheritable(_lock, True)
    fcntl.flock(_lock, fcntl.LOCK_SH)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = _metrics_dir


def post_worker_init(worker: Any) -> None:  # Any: gunicorn has no types
    collecting.settle()
    # The application itself; the worker's own callable is around it.
    here = worker.app.wsgi().extensions.get("kehu")
    if here is not None:
        here.crew.open()


def child_exit(_: Any, worker: Any) -> None:  # Any: gunicorn has no types
    # Not at the top: the variable above has to be there first.
    from prometheus_client import multiprocess

    # Gauges of the dead are dropped; its counters stay in the sum.
    multiprocess.mark_process_dead(worker.pid)


def on_exit(server: Any) -> None:  # Any: gunicorn has no types
    # After USR2 another parent goes on with the same directory.
    if _metrics_dir is not None and not server.reexec_pid:
        shutil.rmtree(_metrics_dir, ignore_errors=True)
