"""The rows that a model learns from: which they are, and a frame of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from xops.core.errors import Misconfigured
from xops.core.model.holdout import Holdout
from xops.core.model.training import AskedBy, TrainingRecord
from xops.operators.base import published_or_refuse
from xops.operators.exam import labelled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from airflow.sdk import Context

    from xops.core.profile.profiles import Profile
    from xops.hooks.iceberg.tables import IcebergHook


def asked_by(context: Context, still_open: Sequence[Mapping[str, Any]]) -> AskedBy:
    """Say who or what asked for a training; skip the task when an event did whose request was answered before.

    :param still_open: the requests for a training that are open.
    """
    kind = str(getattr(context["dag_run"].run_type, "value", context["dag_run"].run_type))
    if kind == "asset_triggered" and not still_open:
        raise AirflowSkipException("no retrain request is open: the event that started this run was answered before")
    if kind in ("asset_triggered", "scheduled") and still_open:
        return AskedBy.DRIFT
    return AskedBy.CALENDAR if kind == "scheduled" else AskedBy.MANUAL


def run_tags(context: Context) -> dict[str, str]:
    """Give the DAG bundle, with its version, and the person that started the run, where Airflow knows them."""
    bundle = getattr(context["ti"], "bundle_instance", None)
    version, person = getattr(bundle, "version", None), getattr(context["dag_run"], "triggering_user_name", None)
    tags = {} if bundle is None else {"xops.bundle": f"{bundle.name}@{version}" if version else str(bundle.name)}
    return tags | ({"xops.asked_by_person": person} if person else {})


def newest(
    lake: IcebergHook,
    *,
    model: str,
    features: str,
    labels: str | None,
    on: str,
    target: str,
    columns: Sequence[str],
    holdout: Holdout | Mapping[str, Any],
    window: int,
    asker: AskedBy,
    code: str,
) -> TrainingRecord:
    """Name the newest batches that have both features and labels in what is published; how many rows is not known yet.

    The arguments are those of :class:`~xops.operators.training.TrainModelOperator`.

    :raises Misconfigured: when there is no such batch, or nothing was published.
    """
    if window < 1:
        raise Misconfigured(f"{model}: a window of at least 1 batch was wanted, found {window}")
    found = published_or_refuse(lake, features)
    named = found if labels is None else published_or_refuse(lake, labels)
    batches = [batch for batch in lake.batches(found) if batch in lake.batches(named)][-window:]
    if not batches:
        raise Misconfigured(f"{model}: {found.name} and {named.name} have no batch in common")
    return TrainingRecord(
        features=found, labels=named, batches=tuple(batches), on=on, target=target, columns=tuple(columns),
        holdout=Holdout.of(holdout), rows=0, asked_by=asker, code=code,
    )  # fmt: skip


def learnable(lake: IcebergHook, model: str, record: TrainingRecord) -> pd.DataFrame:
    """Read the labelled rows of a record, less its holdout.

    :raises Misconfigured: when none is left, or a version is there no more.
    """
    columns = [*record.columns, record.holdout.by]
    frame = labelled(lake, record.features, record.labels, record.batches, columns, on=record.on, target=record.target)
    frame = frame[~record.holdout.mask(frame[record.holdout.by].to_numpy())]
    if frame.empty:
        raise Misconfigured(
            f"{model}: {', '.join(record.batches)} have no labelled row outside the holdout; nothing to train on"
        )
    return frame


def learned_profile(lake: IcebergHook, record: TrainingRecord, frame: pd.DataFrame) -> Profile:
    """Profile the rows that a model learns from, so that drift is held against them without reading them again."""
    import pyarrow as pa

    from xops.engines.duckdb_scan import DuckdbScan

    schema, columns = lake.schema(record.features), list(record.columns)
    types = pa.schema([schema.field(name) for name in columns])  # pandas has no whole numbers beside nulls
    rows = pa.Table.from_pandas(frame[columns], schema=types, preserve_index=False)
    engine = DuckdbScan(rows, version=f"{record.features.name}/{','.join(record.batches)}, learned from")
    found = engine.scan(profile=engine.spec(columns, distinct=False)).profile
    if found is None:
        raise AssertionError("a scan that is asked for a profile gives one")
    return found
