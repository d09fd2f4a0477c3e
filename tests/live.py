"""A real gunicorn over a test database, for what only several processes and real sockets show."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson

from app.config import Config

ROOT = Path(__file__).resolve().parents[1]


class LiveServer:
    """gunicorn as it is shipped, on a free port; a context manager."""

    def __init__(self, config: Config, *, application: str = "wsgi:app", **settings: str) -> None:
        self._config = config
        self._application = application
        self._settings = settings
        self.port = free_port()
        self.log_path = Path(tempfile.mkstemp(prefix="kehu-live-", suffix=".log")[1])
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> LiveServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        assert self._config.database_url is not None
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("KEHU_", "PROMETHEUS_"))} | {
            "KEHU_DATABASE_URL": self._config.database_url,
            "KEHU_SECRET_KEY": self._config.secret_key,
            "KEHU_BIND": f"127.0.0.1:{self.port}",
            **self._settings,
        }
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", self._application],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + 30
        while not self._answers():
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < until, self.log()
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)

    def kill(self) -> None:
        """kill -9 of the whole service: master and workers."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def log(self) -> str:
        return self.log_path.read_text()

    def call(
        self, method: str, path: str, token: str = "", json: Any = None, headers: dict[str, str] | None = None, timeout: float = 30
    ) -> tuple[int, dict[str, str], Any]:
        """Status, headers (names in lower case) and parsed body of one call on a connection of its own. Raises OSError or HTTPException."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        sent = {"Authorization": f"Bearer {token}"} if token else {}
        sent |= headers or {}
        body = None
        if json is not None:
            body = orjson.dumps(json)
            sent.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body=body, headers=sent)
            response = connection.getresponse()
            raw = response.read()
            found = {name.lower(): value for name, value in response.getheaders()}
            return response.status, found, orjson.loads(raw) if raw and "json" in found.get("content-type", "") else raw
        finally:
            connection.close()

    def _answers(self) -> bool:
        try:
            return self.call("GET", "/livez", timeout=2)[0] == 200
        except OSError:
            return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
