"""Data tests in the language of Great Expectations: a suite's JSON and a table in, its validation results out.

What one SELECT can decide is decided by DuckDB; only for the rest is Great Expectations imported and run.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, bounded
from xops.core.strict_json import plain
from xops.core.suite.compiler import BATCH, entry_of, refuse_code, refuse_unreadable
from xops.core.suite.in_gx import columns_needed, may_run_in_gx
from xops.core.suite.plan import Answer
from xops.core.suite.queries import answer_of, query_of
from xops.engines import own_queries
from xops.engines.one_select import decide, examine
from xops.engines.sources import ArrowRows, Rows, reading, source_of

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from xops.core.profile.profiles import Profile
    from xops.core.profile.spec import ProfileSpec

_LOG = logging.getLogger(__name__)
_PLACE = "xops.place"


def read_suite(path: str) -> dict[str, Any]:
    """Read a suite as Great Expectations writes it, or make it from a contract, which ends in ``.yaml`` or ``.yml``.

    :raises Misconfigured: when there is no such file, when it is no suite, or when an expectation has a
        ``row_condition`` that is more than comparisons of columns with literals and the suite is not marked as
        trusted: Great Expectations runs that text as code.
    """
    file = Path(path)
    if file.suffix in (".yaml", ".yml"):
        from xops.checks.contract_file import suite_of_contract

        return suite_of_contract(path)
    if not file.is_file():
        near = sorted(other.name for other in file.parent.glob("*.json")) if file.parent.is_dir() else []
        there = bounded(", ".join(near)) or "no suite"
        raise Misconfigured(f"suite {path}: no such file; {file.parent} has {there}")
    try:
        suite = json.loads(file.read_bytes())
        for expectation in suite["expectations"]:
            _ = expectation["type"], (expectation.get("kwargs") or {}).items()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Misconfigured(
            f"suite {path}: JSON with a list `expectations` of `type` and `kwargs` was wanted: {bounded(repr(error))}"
        ) from error
    refuse_code(suite)
    refuse_unreadable(suite)
    return dict(suite)


def validate(rows: Rows, suite: Mapping[str, Any]) -> Sequence[Mapping[str, Any] | None]:
    """Run a suite on a table, on Parquet files given by their paths, or on whatever else DuckdbScan takes.

    :returns: for each expectation of the suite, in its order, the entry of the validation result; None without one.

    No value of the data is in them: unexpected values are counted, not listed.

    :raises Misconfigured: when the suite names an expectation that Great Expectations does not know or has a row
        condition that is code, or when a file is not readable.
    """
    refuse_code(suite)
    refuse_unreadable(suite)
    return _rest_in_gx(rows, suite, decide(rows, suite))


def validate_and_profile(
    rows: Rows, suite: Mapping[str, Any], spec: ProfileSpec, *, version: str
) -> tuple[Sequence[Mapping[str, Any] | None], Profile]:
    """Run a suite as :func:`validate` does, and make the version's profile from the same reading.

    :param spec: the bins.
    """
    refuse_code(suite)
    refuse_unreadable(suite)
    found = examine(rows, suite, spec, version=version)
    if found.profile is None:
        raise AssertionError("a reading that is asked for a profile gives one")
    return _rest_in_gx(rows, suite, found.entries), found.profile


def _rest_in_gx(
    rows: Rows, suite: Mapping[str, Any], decided: Sequence[Mapping[str, Any] | None]
) -> Sequence[Mapping[str, Any] | None]:
    entries, asked = list(decided), suite["expectations"]
    _answer_queries(rows, asked, entries)
    left = [place for place, entry in enumerate(entries) if entry is None and may_run_in_gx(suite, asked[place])]
    if left:
        in_gx = [asked[place] for place in left]
        for place, entry in zip(left, validate_in_gx(_needed(rows, suite, in_gx), suite, in_gx), strict=True):
            entries[place] = entry
    return entries


def _answer_queries(rows: Rows, asked: Sequence[Mapping[str, Any]], entries: list[Mapping[str, Any] | None]) -> None:
    """Answer the expectations that are queries, which Great Expectations can for databases only."""
    queries: dict[int, str] = {}
    for place, one in enumerate(asked):
        try:
            query = query_of(one, own_queries.BATCH)
        except ValueError as error:
            entries[place] = entry_of(one, Answer(success=False, error=str(error)))
        else:
            queries |= {place: query} if query else {}
    found = own_queries.count_rows(rows, list(queries.values())) if queries else []
    for place, rows_found in zip(queries, found, strict=True):
        wrong = isinstance(rows_found, str)
        answer = Answer(success=False, error=rows_found) if wrong else answer_of(rows_found)
        entries[place] = entry_of(asked[place], answer)


def validate_in_gx(
    rows: pa.Table, suite: Mapping[str, Any], asked: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any] | None]:
    """Run expectations in Great Expectations' pandas engine; of rows that pandas cannot hold nothing is measured.

    :raises Misconfigured: as :func:`validate`.
    """
    frame = _frame(rows)
    if frame is None:
        why = "pandas, in which Great Expectations works, has no column for these values"
        return [entry_of(expectation, Answer(success=False, error=why)) for expectation in asked]
    numbered = [  # Great Expectations gives results in an order of its own, and numbers as floats
        {**expectation, "meta": {**(expectation.get("meta") or {}), _PLACE: place}}
        for place, expectation in enumerate(asked)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations as gx
        from great_expectations.exceptions import GreatExpectationsError

        logging.getLogger("great_expectations").setLevel(logging.CRITICAL)  # what it logs it also raises or returns
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}
        try:
            expectations = gx.ExpectationSuite(name=str(suite.get("name", "suite")), expectations=numbered)
        except (GreatExpectationsError, ValueError, TypeError) as error:
            raise Misconfigured(f"suite {suite.get('name')}: {bounded(error)}") from error
        known = {expectation.meta[_PLACE] for expectation in expectations.expectations}
        strange = [entry["type"] for entry in numbered if entry["meta"][_PLACE] not in known]
        if strange:  # Great Expectations drops what it cannot read, and says so in its log only
            raise Misconfigured(
                f"suite {suite.get('name')}: no such expectation, or wrong arguments: {bounded(strange)}"
            )
        source, asset = BATCH.split("-")
        whole = (
            context.data_sources.add_pandas(source)
            .add_dataframe_asset(asset)
            .add_batch_definition_whole_dataframe("all")
        )
        batch = whole.get_batch({"dataframe": frame})
        quiet = {"result_format": "BASIC", "partial_unexpected_count": 0, "include_unexpected_rows": False}
        found = batch.validate(expectations, result_format=quiet).to_json_dict()["results"]
    by_place = {}
    for entry in found:
        by_place[entry["expectation_config"]["meta"].pop(_PLACE)] = entry
    # plain: quantile expectations succeed with a numpy.bool, which is no JSON
    return [plain(by_place.get(place)) for place in range(len(numbered))]


def _frame(rows: pa.Table) -> pd.DataFrame | None:
    """Give a table to pandas; None where a column has a type, a zone or values that it does not hold."""
    import pyarrow as pa

    try:
        return rows.to_pandas(date_as_object=False)
    except (pa.ArrowException, ValueError, KeyError, OverflowError) as error:  # of zones that nobody knows, KeyError
        _LOG.warning("the rows do not go into pandas: %s", type(error).__name__)
        return None


def _needed(rows: Rows, suite: Mapping[str, Any], asked: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Read the columns that Great Expectations needs; of a table in which columns share a name, all."""
    import pyarrow as pa

    with reading("the rows of a suite"):
        source = source_of(rows)
        names = source.schema.names
        wanted = columns_needed(suite, asked, names) if len(set(names)) == len(names) else names
        if isinstance(source, ArrowRows):
            return source.table if wanted is names else source.table.select(wanted)
        schema = source.schema
        if wanted is not names:
            schema = pa.schema([schema.field(name) for name in wanted], schema.metadata)
        batches = list(source.batches(wanted))
        return pa.Table.from_batches(batches).cast(schema) if batches else schema.empty_table()
