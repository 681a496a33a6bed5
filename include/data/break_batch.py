"""Break a month of flights the way an upstream breaks it, to see that a broken batch is not published.

Run ``python include/data/break_batch.py include/data/flights/2013-05.parquet OUT.parquet``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

UNKNOWN_CARRIER = "??"


def broken(table: pa.Table) -> pa.Table:
    """Give the same month with four faults in it; the same table always breaks in the same way.

    Every 97th ``distance`` is negative, every 101st ``carrier`` is ``??``, ``temp`` is null from the middle row on,
    and all rows of the middle row's day come a second time, at the end.

    :param table: a month of flights with at least one row; it is left as it is.
    """
    row, middle = np.arange(table.num_rows), table.num_rows // 2
    faults = {
        "distance": pc.if_else(row % 97 == 0, pc.negate(table["distance"]), table["distance"]),
        "carrier": pc.if_else(row % 101 == 0, UNKNOWN_CARRIER, table["carrier"]),
        "temp": pc.if_else(row >= middle, None, table["temp"]),
    }
    for name, values in faults.items():
        position = table.schema.get_field_index(name)
        table = table.set_column(position, table.schema.field(position), values)
    return pa.concat_tables([table, table.filter(pc.equal(table["day"], table["day"][middle]))])


def main() -> None:
    """Read one Parquet file and write its broken copy."""
    parser = argparse.ArgumentParser(description="Break a month of flights.")
    parser.add_argument("month", type=Path, help="a file of include/data/flights")
    parser.add_argument("out", type=Path, help="where to write the broken copy")
    arguments = parser.parse_args()
    pq.write_table(broken(pq.read_table(arguments.month)), arguments.out, compression="zstd", store_schema=False)


if __name__ == "__main__":
    main()
