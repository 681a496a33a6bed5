"""The report server behind Airflow's own login, with the real auth manager and real tokens."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.integration

HTML = b"<script>document.title = 'ran'</script>"


@pytest.fixture(scope="module")
def auth_manager(airflow_db):
    from airflow.api_fastapi.app import create_auth_manager

    manager = create_auth_manager()
    manager.init()
    return manager


@pytest.fixture
def client(auth_manager):
    from fastapi.testclient import TestClient

    from xops.ui.reports import app

    return TestClient(app, follow_redirects=False)


@pytest.fixture
def report():
    """Keep a report and give its id."""
    from xops.core.evidence import Origin
    from xops.core.verdict import Finding, Outcome, Verdict
    from xops.hooks.store.evidence import EvidenceStore

    verdict = Verdict("drift", "t@1", (Finding("wasserstein", "x", Outcome.WARN, 1.0, 0.1),))
    return EvidenceStore().record(verdict, origin=Origin("watch", "run", "drift"), about="m", html=HTML).id


@pytest.fixture
def bearer(auth_manager):
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    token = auth_manager.generate_jwt(SimpleAuthManagerUser(username="ann", role="viewer"))
    return {"Authorization": f"Bearer {token}"}


def test_nobody_gets_a_report_without_a_login(client, report):
    assert client.get(f"/reports/{report}").status_code == 401
    assert client.get(f"/reports/{report}", headers={"Authorization": "Bearer forged"}).status_code == 401
    assert client.get(f"/reports/{report}", cookies={"_token": "forged"}).status_code == 401


def test_a_browser_without_a_login_is_sent_to_it_and_back(client, report):
    answer = client.get(f"/reports/{report}", headers={"Accept": "text/html"})
    assert answer.status_code == 302
    assert answer.headers["location"].startswith("/auth/login?next=")
    assert report in answer.headers["location"]


def test_whoever_may_read_the_dag_gets_the_report_by_bearer_or_cookie(client, report, bearer):
    assert client.get(f"/reports/{report}", headers=bearer).content == HTML
    token = bearer["Authorization"].removeprefix("Bearer ")
    assert client.get(f"/reports/{report}", cookies={"_token": token}).content == HTML


def test_whoever_may_not_read_the_dag_is_told_there_is_no_report(client, report, bearer, monkeypatch, auth_manager):
    monkeypatch.setattr(type(auth_manager), "is_authorized_dag", lambda *_, details, **__: details.id != "watch")
    assert client.get(f"/reports/{report}", headers=bearer).status_code == 404


def test_a_report_runs_in_a_sandbox_that_reaches_nothing(client, report, bearer):
    policy = client.get(f"/reports/{report}", headers=bearer).headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts; default-src 'none'")
    assert "connect-src 'none'" in policy
    assert "allow-same-origin" not in policy


@pytest.mark.parametrize(
    "path", ["../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/airflow.cfg", "A" * 32, "0" * 32, "", "x.html"]
)
def test_a_report_is_an_id_and_never_a_path(client, bearer, path):
    assert client.get(f"/reports/{path}", headers=bearer).status_code == 404


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json"])
def test_the_server_describes_itself_to_nobody(client, bearer, path):
    assert client.get(path, headers=bearer).status_code == 404
