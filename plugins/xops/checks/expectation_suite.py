"""Data tests by Great Expectations: a suite's JSON and a table in, its validation results out."""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, bounded
from xops.core.strict_json import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

_PLACE = "xops.place"


def read_suite(path: str) -> dict[str, Any]:
    """Read a suite as Great Expectations writes it.

    :raises Misconfigured: when there is no such file, when it is no suite, or when an expectation has a
        ``row_condition``: Great Expectations runs that text as code.
    """
    file = Path(path)
    if not file.is_file():
        near = sorted(other.name for other in file.parent.glob("*.json")) if file.parent.is_dir() else []
        there = bounded(", ".join(near)) or "no suite"
        raise Misconfigured(f"suite {path}: no such file; {file.parent} has {there}")
    try:
        suite = json.loads(file.read_bytes())
        expectations = suite["expectations"]
        kinds = [expectation["type"] for expectation in expectations]
    except (ValueError, KeyError, TypeError) as error:
        raise Misconfigured(
            f"suite {path}: JSON with a list `expectations` of `type` and `kwargs` was wanted: {bounded(repr(error))}"
        ) from error
    for kind, expectation in zip(kinds, expectations, strict=True):
        if expectation.get("kwargs", {}).get("row_condition"):
            raise Misconfigured(f"suite {path}: {kind} has a row_condition, which is code; state it without one")
    return dict(suite)


def validate(rows: pa.Table, suite: Mapping[str, Any]) -> Sequence[Mapping[str, Any] | None]:
    """Run a suite on a table in Great Expectations' pandas engine.

    :returns: for each expectation of the suite, in its order, the entry of the validation result; None without one.

    No value of the data is in them: unexpected values are counted, not listed.

    :raises Misconfigured: when the suite names an expectation that Great Expectations does not know.
    """
    numbered = [  # Great Expectations gives results in an order of its own, and numbers as floats
        {**expectation, "meta": {**(expectation.get("meta") or {}), _PLACE: place}}
        for place, expectation in enumerate(suite["expectations"])
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
        whole = (
            context.data_sources.add_pandas("xops")
            .add_dataframe_asset("rows")
            .add_batch_definition_whole_dataframe("all")
        )
        batch = whole.get_batch({"dataframe": rows.to_pandas(date_as_object=False)})
        quiet = {"result_format": "BASIC", "partial_unexpected_count": 0, "include_unexpected_rows": False}
        found = batch.validate(expectations, result_format=quiet).to_json_dict()["results"]
    by_place = {entry["expectation_config"]["meta"][_PLACE]: entry for entry in found}
    # plain: quantile expectations succeed with a numpy.bool, which is no JSON
    return [plain(by_place.get(place)) for place in range(len(numbered))]
