"""Trainings in MLflow: recorded and registered once, whatever gets lost on the way."""

from __future__ import annotations

import contextlib
import re
import tempfile
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, Unavailable
from xops.core.strict_json import dumps
from xops.hooks.models import model_files
from xops.hooks.models.versions import KEY, MANIFEST, MlflowVersions, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlflow import MlflowClient
    from mlflow.entities import Experiment

_NAME = "mlflow.runName"
_PARAMS = 100  # that MLflow takes at once
_VALUE, _TAG = 6000, 8000  # characters that MLflow keeps of a parameter's value, and of a run's tag
_WHOLE = "params.json"  # the file of a run that has parameters as they are
_UNNAMED = re.compile('[.%"]')  # what the name of a registered model may have, and that of its files may not


@dataclass(frozen=True, slots=True)
class Training:
    """What one training leaves in MLflow.

    :param model: the registered model.
    :param key: idempotency key of the task that trained.
    :param params: what the training function was given; the file ``params.json`` of the run has all of them whole where
        a value is longer than MLflow keeps, of which the run then has the digest.
    :param tags: who asked, code version, data versions; texts. Of one that is longer than MLflow keeps the run has the
        digest, and the version all of it.
    :param metrics: finite numbers.
    :param inputs: by role (``features``, ``labels``), the name and the digest of a dataset version.
    :param files: what the run keeps, contents by relative path.
    :param beside: what the model directory keeps beside the model, and its manifest covers; contents by name.
    """

    model: str
    key: str
    params: Mapping[str, Any]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    inputs: Mapping[str, tuple[str, str]]
    files: Mapping[str, bytes] = field(default_factory=dict)
    beside: Mapping[str, bytes] = field(default_factory=dict)


class MlflowHook(MlflowVersions):
    """MLflow's tracking server and registry.

    :param conn_id: an Airflow connection of type ``mlflow``: ``host`` is the server's URL, ``databricks``, a database
        URI, or the absolute path of a local folder; ``login`` and ``password`` the credentials, a password alone a
        token; ``extra.registry_uri`` a registry that is elsewhere, ``extra.insecure_tls`` true for an unverified
        certificate, ``extra.databricks_host`` the workspace where the host is ``databricks`` (the password is its
        token, or with a login a service principal's secret), ``extra.allow_pickle`` true for models that run code when
        they are loaded, which are scanned first, ``extra.architectures`` a list of installed packages whose PyTorch
        classes may be called to load a model.
        Where no such connection exists, a folder of its own under AIRFLOW_HOME, for one machine only.
    """

    def train_version(self, training: Training, fitted: Any, example: Any, *, requirements: list[str]) -> str:
        """Record a training and register its model; give the version. Called again with the same key, give the same.

        :param fitted: the model, of scikit-learn, LightGBM, XGBoost or PyTorch.
        :param example: a frame of the model's input, for the signature; its values are not kept.
        :raises Misconfigured: when the model holds a type that would not be loaded again.
        """
        with tempfile.TemporaryDirectory(prefix="xops-model-") as folder:
            files = Path(folder) / "model"
            with self.client(retries=0):  # no request goes out; what MLflow refuses of the model is a mistake
                model_files.save(
                    fitted, files, example=example, requirements=requirements, allow_pickle=self.allows_pickle(),
                    architectures=self.architectures(),
                )  # fmt: skip
            for name, content in training.beside.items():
                (files / name).write_bytes(content)
            return self.add_version(training, files)

    def add_version(self, training: Training, files: Path) -> str:
        """Record a training and register the model directory ``files``; give the version.

        Called again with the same key it gives the same version, wherever the earlier call ended: of several runs or
        versions with one key the oldest counts.
        """
        run_id = self._run(training)
        known = self._version_of(training.model, training.key)
        if known is None:
            source = self._log(training, run_id, files)
            known = self._register(training, run_id, source, model_files.manifest_digest(files))
        with self.client() as client:
            client.set_terminated(run_id, "FINISHED")
        return known

    def record_run(
        self, training: Training, *, began: int | None = None, steps: Mapping[str, Sequence[float]] | None = None
    ) -> str:
        """Record a training of which no model is kept; give its run, which goes on until :meth:`end_run`.

        Called again with the same key it gives the same run.

        :param began: when, milliseconds since 1970; now when None.
        :param steps: metrics that have a value for each step.
        """
        run_id = self._run(training, began)
        self._log_numbers(training, run_id, steps or {})
        return run_id

    def end_run(self, run_id: str, status: str) -> None:
        """End a run as ``FINISHED``, ``FAILED`` or ``KILLED``."""
        with self.client() as client:
            client.set_terminated(run_id, status)

    def run_of(self, model: str, key: str) -> str | None:
        """Give the run with an idempotency key, or None."""
        return next(iter(self._runs_of(self._experiment(model).experiment_id, key)), None)

    def trained_before(self, model: str, key: str) -> str | None:
        """Give the version that a task with idempotency key ``key`` registered before, or None.

        A task that was killed between the version and the end of its run left the run RUNNING: it is ended here.
        """
        known = self._version_of(model, key)
        if known is not None:
            run = self.version(model, known).run_id
            with self.client() as client:
                client.set_terminated(run, "FINISHED")
        return known

    def _run(self, training: Training, began: int | None = None) -> str:
        """Give the run of a training: the oldest with its key, or a new one."""
        experiment = self._experiment(training.model).experiment_id
        known = self._runs_of(experiment, training.key)
        if not known:
            with contextlib.suppress(Unavailable), self.client(retries=0) as client:
                name = training.tags.get(_NAME, training.key[:8])
                tags = {KEY: training.key, **_short(training.tags, _TAG, "the tag of the version")}
                client.create_run(experiment, start_time=began, tags=tags, run_name=name)
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
            known = client.get_experiment_by_name(quoted(name))
        if known is None:
            with contextlib.suppress(Unavailable, Misconfigured), self.client(retries=0) as client:
                client.create_experiment(name, artifact_location=place)  # or somebody else was faster
            with self.client() as client:
                known = client.get_experiment_by_name(name)
        if known is None:
            raise Unavailable(f"MLflow ({self.conn_id}): experiment {name} could not be created")
        return known

    def _log_numbers(self, training: Training, run_id: str, steps: Mapping[str, Sequence[float]]) -> None:
        """Log a training's parameters, metrics, data and files."""
        self.settled(lambda client: _log_values(client, training, run_id, steps))
        self.settled(lambda client: _log_inputs(client, training, run_id))
        params = {name: str(value) for name, value in training.params.items()}
        whole = {} if params == _short(params, _VALUE, _WHOLE) else {_WHOLE: dumps(dict(training.params))}
        if files := {**training.files, **whole}:
            with self.client() as client:
                _log_files(client, run_id, files)

    def _log(self, training: Training, run_id: str, files: Path) -> str:
        """Log a training's numbers and its model directory; give the model's URI."""
        self._log_numbers(training, run_id, {})
        with self.client() as client:
            from mlflow.entities import LoggedModelOutput

            experiment = client.get_run(run_id).info.experiment_id
        with self.client(retries=0) as client:
            model = client.create_logged_model(experiment, name=_UNNAMED.sub("_", training.model), source_run_id=run_id)
        with self.client() as client:
            client.log_model_artifacts(model.model_id, str(files))
            client.finalize_logged_model(model.model_id, "READY")
            client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
        return f"models:/{model.model_id}"

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


def _log_values(client: MlflowClient, training: Training, run_id: str, steps: Mapping[str, Sequence[float]]) -> None:
    from mlflow.entities import Metric, Param

    metrics = [Metric(name, value, 0, 0) for name, value in training.metrics.items()]
    metrics += [Metric(name, value, 0, step) for name, found in steps.items() for step, value in enumerate(found)]
    values = {name: str(value) for name, value in training.params.items()}
    params = [Param(name, value) for name, value in _short(values, _VALUE, _WHOLE).items()]
    for place in range(0, max(len(params), 1), _PARAMS):
        client.log_batch(run_id, metrics=[] if place else metrics, params=params[place : place + _PARAMS])


def _short(texts: Mapping[str, str], most: int, whole: str) -> dict[str, str]:
    """Give texts, the digest of those that are longer than is kept; MLflow would cut them off without a word."""
    return {
        name: text
        if len(text) <= most
        else f"sha256:{sha256(text.encode()).hexdigest()}, {len(text)} characters, see {whole}"
        for name, text in texts.items()
    }


def _log_inputs(client: MlflowClient, training: Training, run_id: str) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    inputs = [
        DatasetInput(Dataset(name, digest, "iceberg", name), [InputTag("mlflow.data.context", role)])
        for role, (name, digest) in training.inputs.items()
    ]
    client.log_inputs(run_id, inputs)


def _log_files(client: MlflowClient, run_id: str, files: Mapping[str, bytes]) -> None:
    """Put files into a run; a retry writes the same ones over them."""
    with tempfile.TemporaryDirectory(prefix="xops-run-") as folder:
        for name, content in files.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        client.log_artifacts(run_id, folder)
