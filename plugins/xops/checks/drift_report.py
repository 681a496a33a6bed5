"""How far columns moved, by Evidently, and Evidently's own report of it."""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class DriftReport:
    """What Evidently found.

    :param found: by column, the method, its distance, and the limit at which it counts as drifted.
    :param missing: by column that could not be measured, the reason.
    :param html: Evidently's page; None when no column could be measured.
    """

    found: Mapping[str, tuple[str, float, float]]
    missing: Mapping[str, str]
    html: bytes | None


def compare(reference: pa.Table, current: pa.Table, columns: Sequence[str], *, sample: int, seed: int) -> DriftReport:
    """Compare two sides column by column by Evidently's data drift preset.

    Numbers are compared by the Wasserstein distance over the reference's standard deviation, texts and booleans by
    Jensen-Shannon's distance: sizes of an effect, never a p-value, which alarms on large samples merely for their size.

    :param columns: the columns asked for; each is either found or missing in the answer.
    :param sample: rows taken of each side at most, at random without replacement.
    :param seed: of that choice.
    """
    kinds, missing = _kinds(reference, current, columns)
    if not kinds:
        return DriftReport({}, missing, None)
    sides = [_sampled(side.select(list(kinds)), sample, seed) for side in (reference, current)]
    with _quiet():
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        shape = DataDefinition(
            numerical_columns=[column for column, kind in kinds.items() if kind == "number"],
            categorical_columns=[column for column, kind in kinds.items() if kind == "category"],
        )
        old, new = (Dataset.from_pandas(side, data_definition=shape) for side in sides)
        snapshot = Report(
            [DataDriftPreset(columns=list(kinds), num_method="wasserstein", cat_method="jensenshannon")]
        ).run(new, old)
        found = dict(_distances(snapshot.dict()["metrics"]))
        with tempfile.TemporaryDirectory() as folder:
            snapshot.save_html(str(Path(folder) / "report.html"))
            html = (Path(folder) / "report.html").read_bytes()
    silent = {column: "Evidently says nothing about this column" for column in kinds if column not in found}
    return DriftReport(found, missing | silent, html)


def _kinds(reference: pa.Table, current: pa.Table, columns: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Tell numbers from categories, and set aside the columns that cannot be compared, with the reason."""
    import pyarrow.compute as pc
    from pyarrow import types

    kinds, missing = {}, {}
    for column in columns:
        for name, side in (("reference", reference), ("current rows", current)):
            if column not in side.column_names:
                missing[column] = f"the {name} lack this column"
            elif side[column].null_count == side.num_rows:
                missing[column] = f"it has no value in the {name}"
            elif types.is_floating(side.schema.field(column).type) and pc.any(pc.is_inf(side[column])).as_py():
                missing[column] = f"it has infinite values in the {name}"
        if column in missing:
            continue
        old, new = reference.schema.field(column).type, current.schema.field(column).type
        if _is_number(old) and _is_number(new):
            kinds[column] = "number"
        elif _is_category(old) and _is_category(new):
            kinds[column] = "category"
        else:
            missing[column] = f"it is {old} in the reference and {new} now; numbers, texts or booleans were wanted"
    return kinds, missing


def _is_number(kind: pa.DataType) -> bool:
    from pyarrow import types

    return bool(types.is_integer(kind) or types.is_floating(kind))


def _is_category(kind: pa.DataType) -> bool:
    from pyarrow import types

    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_boolean(kind))


def _sampled(side: pa.Table, size: int, seed: int) -> pd.DataFrame:
    import numpy as np

    if side.num_rows > size:
        chosen = np.random.default_rng(seed).choice(side.num_rows, size, replace=False)
        side = side.take(np.sort(chosen))
    return side.to_pandas()


def _distances(metrics: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, tuple[str, float, float]]]:
    for metric in metrics:
        config = metric.get("config") or {}
        if str(config.get("type", "")).endswith("ValueDrift"):
            yield str(config["column"]), (str(config["method"]), float(metric["value"]), float(config["threshold"]))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep numpy's and pandas' warnings about Evidently's inner doings out of the task's log."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
