"""Runs and models in MLflow, over an Airflow connection: bounded in time, and created once whatever gets lost."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

from xops.core.errors import Misconfigured, Unavailable, bounded
from xops.hooks import model_files, settings
from xops.hooks.once import first_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow.sdk import Connection
    from mlflow import MlflowClient
    from mlflow.entities import Experiment
    from mlflow.entities.model_registry import ModelVersion

_REQUESTED = (
    "API request to",
    "failures occurred while downloading",
)  # how MLflow's client words what failed on the way
_OUTAGES = ("TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "DEADLINE_EXCEEDED")
KEY = "xops.key"
MANIFEST = "xops.manifest"
# A dead server costs a call at most three tries of 10 s and 3 s between them; MLflow's defaults would cost 20 minutes.
_BOUNDS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


@dataclass(frozen=True, slots=True)
class Training:
    """What one training leaves in MLflow.

    :param model: the registered model.
    :param key: idempotency key of the task that trained.
    :param params: what the training function was given.
    :param tags: who asked, code version, data versions; texts.
    :param metrics: finite numbers.
    :param inputs: by role (``features``, ``labels``), the name and the digest of a dataset version.
    """

    model: str
    key: str
    params: Mapping[str, Any]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    inputs: Mapping[str, tuple[str, str]]


class MlflowHook(BaseHook):
    """MLflow's tracking server and registry.

    :param conn_id: an Airflow connection of type ``mlflow``: ``host`` is the server's URL, ``databricks``, a database
        URI, or the absolute path of a local folder; ``login`` and ``password`` the credentials, a password alone a
        token; ``extra.registry_uri`` a registry that is elsewhere, ``extra.insecure_tls`` true for an unverified
        certificate. Where no such connection exists, a folder under AIRFLOW_HOME, for one machine only.
    """

    conn_name_attr = "conn_id"
    default_conn_name = "mlflow_default"
    conn_type = "mlflow"
    hook_name = "MLflow"

    def __init__(self, conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.conn_id = conn_id

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Say how the connection form looks."""
        return {
            "hidden_fields": ["schema", "port"],
            "relabeling": {"host": "Tracking URI", "password": "Password or token"},
            "placeholders": {"host": "https://mlflow.example.com, databricks, or /an/absolute/folder"},
        }

    def test_connection(self) -> tuple[bool, str]:
        """Say whether MLflow answers, for the form's Test button."""
        try:
            with self.client(retries=0) as client:
                client.search_experiments(max_results=1)
        except (Misconfigured, Unavailable) as error:
            return False, str(error)
        return True, "MLflow answered"

    @contextlib.contextmanager
    def client(self, *, retries: int = 2) -> Iterator[MlflowClient]:
        """Give a client whose credentials and bounds are set for the length of the body, and no longer.

        :param retries: of HTTP requests; 0 where something is created, because MLflow retries POST too and would
            create it twice.
        :raises Misconfigured: what MLflow refuses. :raises Unavailable: when it does not answer.
        """
        tracking, registry, secrets = self._where()
        bounds = _BOUNDS | secrets | {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": str(retries)}
        bounds |= {"MLFLOW_TRACKING_URI": tracking, "MLFLOW_REGISTRY_URI": registry}
        with _environment(bounds):
            import mlflow
            from mlflow import MlflowClient

            self._migrate_once(tracking)
            before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
            mlflow.set_tracking_uri(tracking)
            mlflow.set_registry_uri(registry)
            try:
                with self._answering(tracking):
                    yield MlflowClient(tracking, registry)
            finally:
                mlflow.set_tracking_uri(before[0])
                mlflow.set_registry_uri(before[1])

    def train_version(self, training: Training, fitted: Any, example: Any, *, requirements: list[str]) -> str:
        """Record a training and register its model; give the version.

        Called again with the same key it gives the same version, wherever the earlier call ended: of several runs or
        versions with one key the oldest counts.

        :param fitted: the scikit-learn model.
        :param example: a frame of the model's input, for the signature; its values are not kept.
        :raises Misconfigured: when the model holds a type that would not be loaded again.
        """
        run_id = self._run(training)
        known = self._version_of(training.model, training.key)
        if known is None:
            source, found = self._log(training, run_id, fitted, example, requirements)
            known = self._register(training, run_id, source, found)
        with self.client() as client:
            client.set_terminated(run_id, "FINISHED")
        return known

    def trained_before(self, model: str, key: str) -> str | None:
        """Give the version that a task with idempotency key ``key`` registered before, or None."""
        return self._version_of(model, key)

    def version(self, model: str, version: str) -> ModelVersion:
        """Give a model version as MLflow knows it.

        :raises Misconfigured: when there is no such model or version.
        """
        with self.client() as client:
            return client.get_model_version(model, version)

    def versions(self, model: str) -> list[ModelVersion]:
        """Give every version of a model, oldest first."""
        with self.client() as client:
            found = client.search_model_versions(f"name = '{_quoted(model)}'", max_results=1000)
        return sorted(found, key=lambda version: int(version.version))

    def every_version(self) -> Iterator[tuple[str, str]]:
        """Give the name of every version of every registered model, with the texts of its tags, one a line."""
        token = None
        while True:
            with self.client() as client:
                found = client.search_model_versions(max_results=1000, page_token=token)
            for version in found:
                yield f"models:/{version.name}/{version.version}", "\n".join(version.tags.values())
            token = found.token
            if not token:
                return

    def load(self, model: str, version: str, *, manifest: str | None) -> Any:
        """Load a model version by the safe loader after its files were compared with ``manifest``.

        :raises Misconfigured: when they differ, or the model cannot be loaded safely.
        """
        with self.files(model, version) as folder:
            return model_files.load(folder, name=f"models:/{model}/{version}", wanted=manifest)

    @contextlib.contextmanager
    def files(self, model: str, version: str) -> Iterator[Path]:
        """Give a temporary copy of a model version's directory."""
        source = self.version(model, version).source
        with tempfile.TemporaryDirectory(prefix="xops-model-") as folder:
            with self.client():
                from mlflow.artifacts import download_artifacts

                files = Path(download_artifacts(source, dst_path=folder))
            yield files

    def manifest(self, model: str, version: str) -> str:
        """Give the manifest digest of a model version's files as they are now."""
        with self.files(model, version) as folder:
            return model_files.manifest_digest(folder)

    def set_alias(self, model: str, alias: str, version: str) -> None:
        """Let an alias point to a version; MLflow compares nothing, so the promotion log decides what is true."""
        with self.client() as client:
            client.set_registered_model_alias(model, alias, version)

    def delete_alias(self, model: str, alias: str) -> None:
        """Take an alias away; one that is not there is no error."""
        with self.client() as client:
            client.delete_registered_model_alias(model, alias)

    def inputs(self, model: str, version: str) -> dict[str, str]:
        """Give the columns of a model version's signature with their types, as MLflow names them; empty without one."""
        with self.client():
            from mlflow.models import get_model_info

            signature = get_model_info(f"models:/{model}/{version}").signature
        columns = signature.inputs.input_dict() if signature and signature.inputs else {}
        return {str(name): str(getattr(spec.type, "name", spec.type)) for name, spec in columns.items()}

    def aliases(self, model: str) -> dict[str, str]:
        """Give a registered model's aliases and the versions they point to."""
        with self.client() as client:
            return {alias: str(version) for alias, version in client.get_registered_model(model).aliases.items()}

    def alias(self, model: str, alias: str) -> str | None:
        """Give the version that an alias of a model points to; None when there is no such alias or no such model.

        Asked without a second try, so a server that does not answer costs 10 s.
        """
        from mlflow.exceptions import MlflowException

        with self.client(retries=0) as client:
            try:
                return str(client.get_model_version_by_alias(model, alias).version)
            except MlflowException as error:
                if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    return None
                raise

    def _run(self, training: Training) -> str:
        """Give the run of a training: the oldest with its key, or a new one."""
        experiment = self._experiment(training.model).experiment_id
        known = self._runs_of(experiment, training.key)
        if not known:
            with contextlib.suppress(Unavailable), self.client(retries=0) as client:
                client.create_run(experiment, tags={KEY: training.key, **training.tags}, run_name=training.key[:8])
            known = self._runs_of(experiment, training.key)
        if not known:
            raise Unavailable(f"MLflow ({self.conn_id}): the run of training {training.key} could not be created")
        with self.client() as client:
            for doubled in known[1:]:
                client.delete_run(doubled)
        return known[0]

    def _runs_of(self, experiment: str, key: str) -> list[str]:
        with self.client() as client:
            found = client.search_runs([experiment], f"tags.`{KEY}` = '{key}'", order_by=["start_time ASC"])
            return [run.info.run_id for run in found]

    def _experiment(self, name: str) -> Experiment:
        place = self._artifacts()
        with self.client() as client:
            known = client.get_experiment_by_name(name)
        if known is None:
            with contextlib.suppress(Unavailable, Misconfigured), self.client(retries=0) as client:
                client.create_experiment(name, artifact_location=place)  # or somebody else was faster
            with self.client() as client:
                known = client.get_experiment_by_name(name)
        if known is None:
            raise Unavailable(f"MLflow ({self.conn_id}): experiment {name} could not be created")
        return known

    def _log(
        self, training: Training, run_id: str, fitted: Any, example: Any, requirements: list[str]
    ) -> tuple[str, str]:
        """Log a training's numbers and its model; give the model's URI and the digest of its files."""
        with self.client() as client:
            from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

            client.log_batch(
                run_id,
                metrics=[Metric(name, value, 0, 0) for name, value in training.metrics.items()],
                params=[Param(name, str(value)) for name, value in training.params.items()],
            )
            inputs = [
                DatasetInput(Dataset(name, digest, "iceberg", name), [InputTag("mlflow.data.context", role)])
                for role, (name, digest) in training.inputs.items()
            ]
            client.log_inputs(run_id, inputs)
        model_files.import_skops()
        import mlflow
        from mlflow.artifacts import download_artifacts
        from mlflow.models import infer_signature

        with self.client(retries=0), mlflow.start_run(run_id=run_id):
            logged = mlflow.sklearn.log_model(
                fitted,
                name=training.model,
                serialization_format="skops",
                skops_trusted_types=list(model_files.TRUSTED),
                pip_requirements=requirements,
                signature=infer_signature(example, fitted.predict_proba(example)[:, 1]),
                pyfunc_predict_fn="predict_proba",
            )
        with self.client(), tempfile.TemporaryDirectory(prefix="xops-model-") as folder:
            found = model_files.manifest_digest(Path(download_artifacts(logged.model_uri, dst_path=folder)))
        return logged.model_uri, found

    def _register(self, training: Training, run_id: str, source: str, found: str) -> str:
        tags = {KEY: training.key, MANIFEST: found, **training.tags}
        with contextlib.suppress(Misconfigured), self.client(retries=0) as client:
            client.create_registered_model(training.model)  # refused when it exists, the ordinary case
        with contextlib.suppress(Unavailable), self.client(retries=0) as client:
            client.create_model_version(
                training.model, source, run_id, tags=tags, model_id=source.removeprefix("models:/")
            )
        known = self._version_of(training.model, training.key)
        if known is None:
            raise Unavailable(f"MLflow ({self.conn_id}): a version of {training.model} could not be registered")
        return known

    def _version_of(self, model: str, key: str) -> str | None:
        with self.client() as client:
            found = client.search_model_versions(f"name = '{_quoted(model)}' and tags.`{KEY}` = '{key}'")
        return min((str(version.version) for version in found), key=int, default=None)

    def _where(self) -> tuple[str, str, dict[str, str]]:
        """Give the tracking URI, the registry URI, and the credentials as MLflow's environment variables."""
        from airflow.sdk.exceptions import AirflowNotFoundException

        try:
            connection = self.get_connection(self.conn_id)
        except AirflowNotFoundException:
            if not settings.one_machine():
                raise Misconfigured(
                    f"Airflow connection {self.conn_id} does not exist, and a local MLflow folder serves one machine "
                    "only; make the connection (type mlflow) with the tracking server's URL as its host"
                ) from None
            return (local := _local(settings.home() / "mlflow")), local, {}
        tracking = _tracking_uri(connection, self.conn_id)
        extra = connection.extra_dejson
        secrets: dict[str, str] = {}
        if connection.login:
            secrets = {
                "MLFLOW_TRACKING_USERNAME": connection.login,
                "MLFLOW_TRACKING_PASSWORD": connection.password or "",
            }
        elif connection.password:
            secrets = {"MLFLOW_TRACKING_TOKEN": connection.password}
        if extra.get("insecure_tls"):
            secrets["MLFLOW_TRACKING_INSECURE_TLS"] = "true"
        return tracking, str(extra.get("registry_uri") or tracking), secrets

    def _artifacts(self) -> str | None:
        """Give where a local database keeps its artefacts; None where a server decides."""
        tracking = self._where()[0]
        if not tracking.startswith("sqlite:///"):
            return None
        return (Path(tracking.removeprefix("sqlite:///")).parent / "artifacts").as_uri()

    @staticmethod
    def _migrate_once(tracking: str) -> None:
        """Make the tables of a local SQLite file once: four processes that begin at once would break it for good."""
        if not tracking.startswith("sqlite:///"):
            return
        path = Path(tracking.removeprefix("sqlite:///"))
        with first_time(path.with_suffix(".ready")) as todo:
            if todo:
                from mlflow import MlflowClient

                MlflowClient(tracking).search_experiments(max_results=1)

    @contextlib.contextmanager
    def _answering(self, tracking: str) -> Iterator[None]:
        from mlflow.exceptions import MlflowException, RestException
        from requests.exceptions import RequestException
        from sqlalchemy.exc import OperationalError

        try:
            yield
        except MlflowException as error:
            # MLflow's client gives INTERNAL_ERROR to its own refusals too; only a request that failed is an outage
            requested = isinstance(error, RestException) or any(said in str(error) for said in _REQUESTED)
            if error.error_code in _OUTAGES or (error.error_code == "INTERNAL_ERROR" and requested):
                raise Unavailable(f"MLflow ({self.conn_id}, {tracking}) did not answer: {bounded(error)}") from error
            raise Misconfigured(f"MLflow ({self.conn_id}, {tracking}) refused: {bounded(error)}") from error
        except (RequestException, OperationalError) as error:
            raise Unavailable(f"MLflow ({self.conn_id}, {tracking}) did not answer: {bounded(error)}") from error


def _tracking_uri(connection: Connection, conn_id: str) -> str:
    host = connection.host or ""
    if host.startswith("/"):
        return _local(Path(host))
    if "@" in host:
        raise Misconfigured(f"connection {conn_id}: put credentials into login and password, not into the host")
    if "://" in host or host == "databricks":
        return host
    if not host:
        raise Misconfigured(f"connection {conn_id}: the tracking server's URL was wanted as host, it is empty")
    return f"{connection.schema or 'http'}://{host}" + (f":{connection.port}" if connection.port else "")


def _local(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / 'mlflow.db'}"


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _quoted(name: str) -> str:
    """Refuse a model name that would end the quotation it is put into."""
    if "'" in name or "\\" in name:
        raise Misconfigured(f"model name {name!r}: quotes and backslashes are not allowed")
    return name
