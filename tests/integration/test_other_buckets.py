"""Buckets of Google and Azure, as far as servers on loopback that speak their protocols show: no cloud was asked."""

from __future__ import annotations

import http.server
import io
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xops.core.errors import Misconfigured, Unavailable
from xops.engines.duckdb_scan import DuckdbScan
from xops.engines.one_select import decide
from xops.hooks.store.objects import Objects

pytestmark = pytest.mark.integration

GENERATION = "x-goog-if-generation-match"


class Bucket:
    """Objects behind the XML API of Google Cloud Storage and behind Azure's blob service."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.asked: list[str] = []
        self._lock = threading.Lock()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def put(self, path: str, content: bytes, *, only_new: bool) -> bool:
        with self._lock:
            if only_new and path in self.objects:
                return False
            self.objects[path] = content
            return True

    def listed(self, container: str, prefix: str) -> list[tuple[str, bytes]]:
        start = f"{container}/"
        found = (
            (path.removeprefix(start), held) for path, held in sorted(self.objects.items()) if path.startswith(start)
        )
        return [(name, held) for name, held in found if name.startswith(prefix)]

    def _handler(self):
        bucket = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, status, content=b"", **headers):
                self.send_response(status)
                dated = {"last-modified": formatdate(time.time(), usegmt=True), "etag": '"e"', "x-goog-generation": "1"}
                for name, value in {"content-length": str(len(content)), **dated, **headers}.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            def do_PUT(self):
                content = self.rfile.read(int(self.headers.get("content-length", 0)))
                only_new = self.headers.get(GENERATION) == "0" or self.headers.get("if-none-match") == "*"
                made = bucket.put(unquote(urlsplit(self.path).path).strip("/"), content, only_new=only_new)
                google = GENERATION in self.headers
                self.answer(201 if made else 412 if google else 409)

            def do_GET(self):
                parts = urlsplit(self.path)
                path, query = unquote(parts.path).strip("/"), parse_qs(parts.query)
                bucket.asked.append(f"{self.command} {path}")
                if "list-type" in query or "comp" in query:
                    return self.listing(path, query.get("prefix", [""])[0], azure="comp" in query)
                held = bucket.objects.get(path)
                if held is None:
                    return self.answer(404)
                wanted = self.headers.get("range") or self.headers.get("x-ms-range")
                if not wanted:
                    return self.answer(200, held)
                first, last = wanted.removeprefix("bytes=").split("-")
                start = int(first) if first else len(held) - int(last)
                end = min(int(last), len(held) - 1) if first and last else len(held) - 1
                return self.answer(206, held[start : end + 1], content_range=f"bytes {start}-{end}/{len(held)}")

            def do_HEAD(self):
                held = bucket.objects.get(unquote(urlsplit(self.path).path).strip("/"))
                self.answer(404) if held is None else self.answer(200, held)

            def do_DELETE(self):
                bucket.objects.pop(unquote(urlsplit(self.path).path).strip("/"), None)
                self.answer(202)

            def listing(self, container, prefix, *, azure):
                found = bucket.listed(container, prefix)
                if azure:
                    dated = formatdate(time.time(), usegmt=True)
                    blobs = "".join(
                        f"<Blob><Name>{escape(name)}</Name><Properties><Last-Modified>{dated}</Last-Modified>"
                        f"<Content-Length>{len(held)}</Content-Length><Content-Type>x</Content-Type><Etag>e</Etag>"
                        "</Properties></Blob>"
                        for name, held in found
                    )
                    body = f"<EnumerationResults><Blobs>{blobs}</Blobs><NextMarker/></EnumerationResults>"
                else:
                    contents = "".join(
                        f"<Contents><Key>{escape(name)}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified>"
                        f"<Size>{len(held)}</Size><ETag>e</ETag></Contents>"
                        for name, held in found
                    )
                    body = f"<ListBucketResult>{contents}</ListBucketResult>"
                self.answer(200, f'<?xml version="1.0" encoding="utf-8"?>{body}'.encode())

        return Handler


@pytest.fixture(params=["gs", "az"])
def bucket(request, monkeypatch):
    """Give a bucket and the URL of a folder in it; the environment says where it is, as it would for a real one."""
    made = Bucket()
    account = {"gcs_base_url": made.url, "disable_oauth": True}
    account |= dict.fromkeys(("client_email", "private_key", "private_key_id"), "")
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", json.dumps(account))
    monkeypatch.setenv("GOOGLE_ALLOW_HTTP", "true")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", made.url)
    monkeypatch.setenv("AZURE_SKIP_SIGNATURE", "true")
    monkeypatch.setenv("AZURE_ALLOW_HTTP", "true")
    yield made, f"{request.param}://things/evidence"
    made.close()


def test_an_object_is_created_once_however_many_try_and_is_found_again(bucket):
    made, url = bucket
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda number: Objects(url).create_json("a/b.json", {"by": number}), range(8)))
    assert won.count(True) == 1
    assert Objects(url).get_json("a/b.json") == {"by": won.index(True)}
    Objects(url).put_json("a/ü 1.json", {"x": 1})
    assert Objects(url).paths("a/") == ["a/b.json", "a/ü 1.json"]
    assert Objects(url).get_json("gone.json") is None
    assert all(path.startswith("things/evidence/a/") for path in made.objects)


def test_files_in_a_bucket_are_judged_and_profiled_as_files_here_are(bucket, tmp_path):
    made, url = bucket
    for part in range(2):
        rows = pa.table({"x": np.random.default_rng(part).normal(size=500), "s": ["a", "b"] * 250})
        pq.write_table(rows, tmp_path / f"{part}.parquet")
        made.put(f"things/evidence/{part}.parquet", (tmp_path / f"{part}.parquet").read_bytes(), only_new=True)
    here, there = f"{tmp_path}/*.parquet", f"{url}/*.parquet"
    suite = {"expectations": [{"type": "expect_column_max_to_be_between", "kwargs": {"column": "x", "max_value": 9}}]}
    assert decide(there, suite) == decide(here, suite)
    spec = DuckdbScan(here, version="v").spec()
    assert DuckdbScan(there, version="v").spec() == spec
    assert (
        DuckdbScan(there, version="v").scan(profile=spec).profile
        == DuckdbScan(here, version="v").scan(profile=spec).profile
    )
    with pytest.raises(Misconfigured, match="there is none"):
        decide(f"{url}/none*.parquet", suite)
    with pytest.raises(Misconfigured, match="could not be read"):
        decide(f"{url}/none.parquet", suite)
    made.put(
        "things/evidence/cut.parquet", io.BytesIO(made.objects["things/evidence/0.parquet"]).read(900), only_new=True
    )
    with pytest.raises(Misconfigured, match="a whole Parquet file was wanted"):
        decide(f"{url}/cut.parquet", suite)


def test_a_bucket_that_does_not_answer_is_retried_later(bucket):
    made, url = bucket
    made.close()
    with pytest.raises(Unavailable):
        Objects(url).get_json("a.json")
