"""Tables that nobody wants to receive, each beside the good one that it is compared with, by name.

A text that begins with ``raw-`` is somebody's data: no finding and no error may quote it.
"""

import datetime as dt
import decimal
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

N = 40
NAN, INF = math.nan, math.inf
NUMBERS = [round(abs(math.sin(place)) * 10, 3) for place in range(N)]
WHOLE = [place % 10 for place in range(N)]
TEXTS = [f"raw-{'abcd'[place % 4]}" for place in range(N)]
DAYS = [dt.date(2024, 1, 1) + dt.timedelta(place) for place in range(N)]
MOMENTS = [dt.datetime(2024, 1, 1) + dt.timedelta(hours=place) for place in range(N)]  # noqa: DTZ001
HUGE = [value * 1e307 for value in NUMBERS]
DECIMALS = [decimal.Decimal(str(value)) for value in NUMBERS]
LONG = "x" * 5000


def column(values, kind=None, name="x"):
    return pa.table({name: values if isinstance(values, (pa.Array, pa.ChunkedArray)) else pa.array(values, kind)})


def both(values, kind=None, name="x"):
    return column(values, kind, name), column(values, kind, name)


def against(values, kind=None, good=NUMBERS, good_kind=None):
    return column(good, good_kind), column(values, kind)


def nulls(kind):
    return pa.nulls(N, kind)


def some(values, every):
    return [value if place % every else None for place, value in enumerate(values)]


def named(*names):
    return pa.table([pa.array(NUMBERS) for _ in names], names=list(names))


def record(rows, *names):
    return pa.table({name: pa.array(NUMBERS[:rows], pa.float64()) for name in names})


WIDE = pa.timestamp("us", "UTC"), pa.timestamp("us", "Europe/Berlin")
TABLES = {
    "good numbers": both(NUMBERS),
    "good texts": both(TEXTS),
    # how many rows
    "no rows": against([], pa.float64()),
    "an empty reference": (column([], pa.float64()), column(NUMBERS)),
    "no rows on either side": both([], pa.float64()),
    "no rows of texts": against([], pa.string(), TEXTS),
    "one row": against(NUMBERS[:1]),
    "two rows": against(NUMBERS[:2]),
    "a reference of one row": (column(NUMBERS[:1]), column(NUMBERS)),
    "no columns": (column(NUMBERS), pa.table({})),
    "no columns on either side": (pa.table({}), pa.table({})),
    # no values
    "all null": against(nulls(pa.float64())),
    "all null on both sides": both(nulls(pa.float64())),
    "all null in the reference": (column(nulls(pa.float64())), column(NUMBERS)),
    "null of no type": against(pa.nulls(N)),
    "null of no type on both sides": both(pa.nulls(N)),
    "whole numbers all null": against(nulls(pa.int64()), good=WHOLE),
    "texts all null": against(nulls(pa.string()), good=TEXTS),
    "dates all null": against(nulls(pa.date32()), good=DAYS),
    "booleans all null": against(nulls(pa.bool_()), good=[True, False] * (N // 2)),
    "all NaN": against([NAN] * N),
    "95 % NaN": against([value if place % 20 == 7 else NAN for place, value in enumerate(NUMBERS)]),
    "95 % null": against([value if place % 20 == 7 else None for place, value in enumerate(NUMBERS)]),
    "null in one half, NaN in the other": against([None, NAN] * (N // 2)),
    # numbers
    "one infinity": against([*NUMBERS[1:], INF]),
    "half infinite": against([INF if place % 2 else value for place, value in enumerate(NUMBERS)]),
    "infinite both ways": against([INF, -INF] * (N // 2)),
    "all infinite": against([INF] * N),
    "all infinite on both sides": both([INF] * N),
    "one infinity in the reference": (column([*NUMBERS[1:], INF]), column(NUMBERS)),
    "times 1e307": against(HUGE),
    "times 1e307 on both sides": both(HUGE),
    "from the least to the greatest double": both([-1.7976931348623157e308, 1.7976931348623157e308] * (N // 2)),
    "denormal": both([5e-324, 1e-323] * (N // 2)),
    "minus zero": against([-0.0] * N, good=[0.0] * N),
    "constant": against([5.0] * N),
    "the same constant": both([5.0] * N),
    "another constant": against([6.0] * N, good=[5.0] * N),
    "constant in the reference": (column([5.0] * N), column(NUMBERS)),
    "decimals": against(DECIMALS),
    "decimals of 38 digits": both([decimal.Decimal(10) ** 37 + place for place in range(N)], pa.decimal128(38, 0)),
    "decimals of 76 digits": both([decimal.Decimal(10) ** 60 + place for place in range(N)], pa.decimal256(76, 0)),
    "decimals of 9 digits": both([decimal.Decimal(place) for place in WHOLE], pa.decimal32(9, 2)),
    "decimals of a negative scale": both([decimal.Decimal(100 * place) for place in WHOLE], pa.decimal128(5, -2)),
    "nullable whole numbers": against(some(WHOLE, 4), pa.int64(), WHOLE),
    "a shift of nullable whole numbers": against([value + 5 for value in WHOLE], pa.int64(), some(WHOLE, 4)),
    "above 2 to the 63rd": both([2**63 + place for place in range(N)], pa.uint64()),
    "the greatest uint64": both([0, 2**64 - 1] * (N // 2), pa.uint64()),
    "the ends of int64": both([-(2**63), 2**63 - 1] * (N // 2), pa.int64()),
    "float16": both(np.array(NUMBERS, np.float16)),
    "float16 with nulls, NaN and infinities": both(pa.array([None, NAN, INF, -INF] * (N // 4), pa.float16())),
    "float32": against(NUMBERS, pa.float32()),
    "int8": both(WHOLE, pa.int8()),
    "numbers as texts": against([f"raw-{value}" for value in NUMBERS]),
    "texts as numbers": against(NUMBERS, good=TEXTS),
    "whole numbers became real": against(NUMBERS, good=WHOLE),
    "numbers became booleans": against([True, False] * (N // 2)),
    "numbers became times": against(MOMENTS),
    # columns
    "column missing": (record(N, "x", "y"), record(N, "y")),
    "column added": (record(N, "x"), record(N, "x", "y")),
    "column renamed": (record(N, "x", "y"), record(N, "x2", "y")),
    "case of a name changed": (record(N, "x", "y"), record(N, "X", "y")),
    "names that differ by case": (record(N, "x", "X"), record(N, "x", "X")),
    "column twice": (named("x", "y"), named("x", "y", "x")),
    "column twice on both sides": (named("x", "x"), named("x", "x")),
    "columns in another order": (record(N, "x", "y"), record(N, "y", "x")),
    "40 columns": (record(N, *(f"x{n}" for n in range(40))), record(N, *(f"x{n}" for n in range(40)))),
    # names
    "a name that is SQL": both(NUMBERS, name='"; drop table x; --'),
    "a name that is SQL, other quotes": both(NUMBERS, name="'; drop table x; --"),
    "a name that is a script": both(NUMBERS, name="<script>alert(1)</script>"),
    "an empty name": both(NUMBERS, name=""),
    "a blank name": both(NUMBERS, name=" "),
    "a name of letters of all sorts": both(NUMBERS, name="größe 日本 \u202e e\u0301"),
    "a name that is an emoji": both(NUMBERS, name="🙂"),
    "a name of 5,000 letters": both(NUMBERS, name=LONG),
    "a name of quotes": both(NUMBERS, name="a'b\"c`d\\e"),
    "a name of two lines": both(NUMBERS, name="a\nb\tc"),
    "a name with a zero byte": both(NUMBERS, name="a\x00b"),
    "a name as places are called": both(NUMBERS, name="r0"),
    "a name with a dot": both(NUMBERS, name="a.b"),
    "a name that is Jinja": both(NUMBERS, name="{{ 1/0 }}"),
    "a long name that is gone": (column(NUMBERS, name=LONG), record(N, "x")),
    "300 columns that are gone": (record(N, *(f"x{n}" for n in range(300))), record(N, "y")),
    # texts
    "10,000 categories": both([f"raw-{place}" for place in range(10_000)]),
    "only new categories": against([f"raw-z{place % 4}" for place in range(N)], good=TEXTS),
    "1 % of new categories": against([*TEXTS * 24, *["raw-z"] * 10], good=TEXTS * 24),
    "one row of a new category": against([*TEXTS[1:], "raw-z"], good=TEXTS),
    "one category": both(["raw-a"] * N),
    "empty texts": against([""] * N, good=TEXTS),
    "texts of all sorts": both(["raw-\x00", "raw-\u202e", "raw-🙂", "raw-'\"\\\n"] * (N // 4)),
    "texts of 100,000 letters": both(["raw-" + "x" * 100_000, "raw-a"] * 4),
    "texts that say NaN": both(["NaN", "null", "None", ""] * (N // 4)),
    "texts in a dictionary": both(pa.array(TEXTS).dictionary_encode()),
    "texts in a dictionary with a null in it": both(
        pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, None] * (N // 4), pa.int8()), ["raw-a", None, "raw-b"])
    ),
    "an empty dictionary": both(
        pa.DictionaryArray.from_arrays(pa.array([None] * N, pa.int32()), pa.array([], pa.string()))
    ),
    "numbers in a dictionary": both(pa.array(WHOLE).dictionary_encode()),
    "a dictionary became plain": (column(pa.array(TEXTS).dictionary_encode()), column(TEXTS)),
    "string views": both(TEXTS, pa.string_view()),
    "large texts": against(TEXTS, pa.large_string(), TEXTS),
    "chunks": both(pa.chunked_array([NUMBERS[:1], [], NUMBERS[1:]], pa.float64())),
    "chunks with dictionaries of their own": both(
        pa.chunked_array([pa.array(TEXTS[:9]).dictionary_encode(), pa.array(TEXTS[9:][::-1]).dictionary_encode()])
    ),
    "no chunk": against(pa.chunked_array([], pa.float64())),
    "a slice": (column(NUMBERS), column([None, *NUMBERS, None]).slice(1, N)),
    # times
    "dates": both(DAYS),
    "dates in milliseconds": both(DAYS, pa.date64()),
    "dates beyond those of pandas": both([dt.date(1, 1, 1), dt.date(9999, 12, 31)] * (N // 2)),
    "dates beyond those of Python": both(pa.array([-(2**31), 2**31 - 1] * (N // 2), pa.int32()).cast(pa.date32())),
    "moments": both(MOMENTS, pa.timestamp("us")),
    "moments in seconds beyond those of Python": both(
        pa.array([-(2**62), 2**62] * (N // 2), pa.int64()).cast(pa.timestamp("s"))
    ),
    "moments beyond those of pandas": both(
        [dt.datetime(1, 1, 1), dt.datetime(9999, 1, 1)] * (N // 2),  # noqa: DTZ001
        pa.timestamp("us"),
    ),
    "moments with a zone": both(MOMENTS, WIDE[0]),
    "moments that gained a zone": against(MOMENTS, WIDE[0], MOMENTS, pa.timestamp("us")),
    "moments of another zone": against(MOMENTS, WIDE[1], MOMENTS, WIDE[0]),
    "moments of a zone that there is not": both(MOMENTS, pa.timestamp("us", "Mars/Base")),
    "moments of another unit": against(MOMENTS, pa.timestamp("ns"), MOMENTS, pa.timestamp("ms")),
    "dates became moments": against(MOMENTS, pa.timestamp("us"), DAYS),
    "times of day": both([dt.time(place % 24) for place in range(N)], pa.time64("us")),
    "durations": both([dt.timedelta(hours=place) for place in range(N)], pa.duration("us")),
    "intervals": both(pa.array([(1, 2, 3)] * N, pa.month_day_nano_interval())),
    # nested and other types
    "lists": both([[1.0, 2.0]] * N),
    "lists of a fixed size": both([[1.0, 2.0]] * N, pa.list_(pa.float64(), 2)),
    "structs": both([{"a": 1, "b": "raw-"}] * N),
    "maps": both([[("raw-k", 1)]] * N, pa.map_(pa.string(), pa.int64())),
    "bytes": both([b"raw-\xff\x00"] * N),
    "bytes of a fixed size": both([b"raw-"] * N, pa.binary(4)),
    "binary views": both([b"raw-"] * N, pa.binary_view()),
    "booleans": both([True, False, True, True] * (N // 4)),
    "booleans of one value": both([True] * N),
    "numbers became lists": against([[value] for value in NUMBERS]),
    "runs": both(pa.RunEndEncodedArray.from_arrays(pa.array([N // 2, N], pa.int32()), pa.array([1.0, 2.0]))),
    "a union": both(
        pa.UnionArray.from_sparse(pa.array([0, 1] * (N // 2), pa.int8()), [pa.array(WHOLE), pa.array(TEXTS)])
    ),
    "an extension type": both(pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"raw-" * 4] * N, pa.binary(16)))),
}  # fmt: skip


def _frame(values):
    def made():
        import pandas as pd

        return pd.DataFrame({"x": values})

    return made


# frames of pandas, as a function of an author may give them
FRAMES = {
    "texts among numbers": _frame([1.0, "raw-a"] * (N // 2)),
    "decimals as objects": _frame(DECIMALS),
    "whole numbers of 70 bits": _frame([2**70] * N),
    "complex numbers": _frame([1 + 2j] * N),
    "dictionaries of other keys": _frame([{"a": 1}, {"raw-b": "raw-c"}] * (N // 2)),
    "lists of mixed types": _frame([[1, "raw-a"]] * N),
    "moments with zones and without": _frame([MOMENTS[0], MOMENTS[0].replace(tzinfo=dt.UTC)] * (N // 2)),
    "dates among texts": _frame([DAYS[0], "raw-a"] * (N // 2)),
    "objects of a class": _frame([object()] * N),
    "bytes among texts": _frame(["raw-a", b"raw-b"] * (N // 2)),
}


def _truncated(path):
    _written(path)
    path.write_bytes(path.read_bytes()[:-20])


def _damaged(path):
    _written(path)
    whole = bytearray(path.read_bytes())
    whole[4:200] = b"\xff" * 196
    path.write_bytes(bytes(whole))


def _written(path, table=None):
    pq.write_table(table if table is not None else column(NUMBERS), path)


def _no_row_groups(path):
    pq.ParquetWriter(path, column(NUMBERS).schema).close()


# what lies where a Parquet file is wanted
FILES = {
    "a good file": _written,
    "a file cut short": _truncated,
    "a file with damaged pages": _damaged,
    "a file of another kind": lambda path: path.write_bytes(b"raw-x,y\n1,2\n"),
    "a file of zeros": lambda path: path.write_bytes(b"\0" * 1000),
    "an empty file": lambda path: path.write_bytes(b""),
    "a file without a row group": _no_row_groups,
    "a file without a row": lambda path: _written(path, column([], pa.float64())),
    "a file without a column": lambda path: _written(path, pa.table({})),
    "a file with a column twice": lambda path: _written(path, named("x", "x")),
    "a folder": Path.mkdir,
    "no file": lambda _: None,
    "a link that leads nowhere": lambda path: path.symlink_to(path.with_name("gone")),
}
