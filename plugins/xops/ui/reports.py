"""The report server: Evidently's pages by id, to those who may read the DAG that made them."""

from __future__ import annotations

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from xops.ui import access

# Reports bring scripts of their own and show values of anybody's data: sandboxed, they reach neither the session nor
# any other host.
_SANDBOX = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; connect-src 'none'; form-action 'none'; frame-ancestors 'self'"
)

app = FastAPI(title="xops", openapi_url=None, docs_url=None, redoc_url=None)


@app.get("/reports/{report}")
def report(report: str, request: Request) -> Response:
    """Give a report's page; an anonymous browser is sent to Airflow's login."""
    from xops.hooks.store.evidence import EvidenceStore

    user = access.user_of(request)
    if user is None:
        if "text/html" in request.headers.get("accept", ""):
            return RedirectResponse(access.login_url(request), status_code=302)
        raise HTTPException(401, "log in to Airflow first")
    found = EvidenceStore().report(report)
    if found is None or not access.may_read(user, found[0]):
        raise HTTPException(404, "there is no such report, or you may not read the DAG that made it")
    headers = {"Content-Security-Policy": _SANDBOX, "X-Content-Type-Options": "nosniff", "Cache-Control": "private"}
    return Response(found[1], media_type="text/html; charset=utf-8", headers=headers)
