"""The connection to MLflow: what its form holds, what goes over the wire, and how often."""

from __future__ import annotations

import importlib
import os
import uuid

import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from xops.core.errors import Misconfigured, Unavailable
from xops.hooks.models.registry import MlflowHook, Training
from xops.provider_info import get_provider_info

pytestmark = pytest.mark.integration

FRAME = pd.DataFrame({"distance": [100.0, 200.0, 900.0, 1000.0] * 5})
TOKEN = "token-of-loopback-4711"


@pytest.fixture
def model():
    return f"model {uuid.uuid4().hex}"


@pytest.fixture
def inside():
    """Give a function that gives the environment that a call of the connection has, and what it leaves."""

    def environment():
        before = dict(os.environ)
        with MlflowHook().client(retries=0):
            during = dict(os.environ)
        assert dict(os.environ) == before
        return during

    return environment


def test_many_parameters_and_metrics_take_three_calls_at_most(mlflow, model):
    fitted = LogisticRegression().fit(FRAME, [False, False, True, True] * 5)
    params, metrics = {f"p{n}": n for n in range(250)}, {f"m{n}": float(n) for n in range(200)}
    training = Training(model, "a1", params, {}, metrics, {})
    MlflowHook().train_version(training, fitted, FRAME, requirements=["scikit-learn==1.2.3"])
    logging = [call for call in mlflow.proxy.seen if "log-batch" in call or "log-param" in call or "log-metric" in call]
    assert len(logging) == 3
    (run,) = mlflow.runs(model)
    assert run.data.params == {name: str(value) for name, value in params.items()}
    assert run.data.metrics == metrics
    requirements = (mlflow.files(model, "1") / "requirements.txt").read_text().split()
    assert [one for one in requirements if not one.startswith("mlflow")] == ["scikit-learn==1.2.3"]  # none inferred


def test_a_token_goes_by_the_environment_and_leaves_with_the_call(mlflow, mlflow_at, inside):
    mlflow_at(mlflow.proxy.url, login=None, password=TOKEN, extra={"insecure_tls": True})
    found = inside()
    assert found["MLFLOW_TRACKING_TOKEN"] == TOKEN
    assert found["MLFLOW_TRACKING_INSECURE_TLS"] == "true"
    assert found["MLFLOW_DISABLE_TELEMETRY"] == "true"


@pytest.mark.parametrize(
    ("login", "wanted"),
    [
        (None, {"DATABRICKS_TOKEN": TOKEN}),
        ("principal", {"DATABRICKS_CLIENT_ID": "principal", "DATABRICKS_CLIENT_SECRET": TOKEN}),
    ],
)
def test_databricks_is_given_its_own_credentials_and_workspace(mlflow_at, inside, login, wanted):
    extra = {"databricks_host": "https://dbc.example.com", "registry_uri": "databricks-uc"}
    mlflow_at("databricks", login=login, password=TOKEN, extra=extra)
    found = inside()
    assert {name: found[name] for name in found if name.startswith("DATABRICKS_")} == {
        "DATABRICKS_HOST": "https://dbc.example.com",
        **wanted,
    }
    assert (found["MLFLOW_TRACKING_URI"], found["MLFLOW_REGISTRY_URI"]) == ("databricks", "databricks-uc")


def test_a_database_is_given_the_login_of_the_connection(mlflow_at, postgres, inside):
    database = postgres.replace("postgresql://postgres@", "postgresql+psycopg2://")
    mlflow_at(database, login="nobody-of-this-name", password="x")
    with pytest.raises(Unavailable, match='role "nobody-of-this-name" does not exist'):
        inside()
    assert "PGUSER" not in os.environ
    mlflow_at("mysql+pymysql://db.example.com/mlflow")
    with pytest.raises(Misconfigured, match="reach it through MLflow's server"):
        inside()


def test_the_registry_may_be_elsewhere_and_its_address_holds_no_credentials(mlflow, mlflow_at, inside):
    mlflow_at(mlflow.proxy.url, extra={"registry_uri": "http://registry.example.com"})
    assert inside()["MLFLOW_REGISTRY_URI"] == "http://registry.example.com"
    mlflow_at(mlflow.proxy.url, extra={"registry_uri": "http://anna:sesame@registry.example.com"})
    with pytest.raises(Misconfigured, match=r"not into extra\.registry_uri") as refused:
        inside()
    assert "sesame" not in str(refused.value)


def test_the_form_and_its_test_button_are_airflows(mlflow, mlflow_at, nobody_listens):
    (said,) = [one for one in get_provider_info()["connection-types"] if one["connection-type"] == "mlflow"]
    module, _, name = said["hook-class-name"].rpartition(".")
    hook = getattr(importlib.import_module(module), name)
    assert hook.conn_type == "mlflow"
    assert hook.get_ui_field_behaviour() == {
        name.replace("-", "_"): value for name, value in said["ui-field-behaviour"].items()
    }
    assert hook(conn_id="mlflow_default").test_connection() == (True, "MLflow answered")
    mlflow_at(nobody_listens)
    assert hook(conn_id="mlflow_default").test_connection()[0] is False
