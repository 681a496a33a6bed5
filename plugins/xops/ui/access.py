"""Who asks, and what they may read. The one module that touches what is not Airflow's public interface."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from airflow.api_fastapi.app import get_auth_manager

if TYPE_CHECKING:
    from fastapi import Request


def user_of(request: Request) -> Any | None:
    """Give the user whose token comes as a bearer or as Airflow's cookie; None for nobody or a token that is void."""
    from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
    from jwt.exceptions import InvalidTokenError

    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    token = bearer if scheme.lower() == "bearer" else request.cookies.get(COOKIE_NAME_JWT_TOKEN)
    if not token:
        return None
    try:
        return asyncio.run(get_auth_manager().get_user_from_token(token))
    except InvalidTokenError:
        return None


def may_read(user: Any, dag_id: str) -> bool:
    """Tell whether a user may read a DAG."""
    from airflow.api_fastapi.auth.managers.models.resource_details import DagDetails

    return bool(get_auth_manager().is_authorized_dag(method="GET", details=DagDetails(id=dag_id), user=user))


def login_url(request: Request) -> str:
    """Give the page that logs in and comes back."""
    return f"{get_auth_manager().get_url_login(next_url=str(request.url))}"
