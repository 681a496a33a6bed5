"""What Airflow pays to parse a file that uses every operator, against an empty DAG."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
EMPTY_DAG = "from airflow.sdk import dag\n\n@dag(schedule=None)\ndef empty():\n    pass\n\nempty()\n"


def parse(path: str) -> str:
    """Parse a DAG file."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(path)
    if bag.import_errors or not bag.dags:
        raise RuntimeError(f"{path}: {bag.import_errors or 'no DAG'}")
    return json.dumps(len(bag.dags))


def every_operator() -> str:
    """Give the text of a DAG file that uses every operator and sensor: the example DAGs' and one of all the others.

    :raises RuntimeError: when one is missing.
    """
    files = [*sorted((ROOT / "dags").glob("*.py")), Path(__file__).with_name("other_operators.py")]
    text = "".join(f"__file__ = {str(path)!r}\n{path.read_text()}" for path in files)
    modules = [*ROOT.glob("plugins/xops/operators/*.py"), *ROOT.glob("plugins/xops/sensors/*.py")]
    code = "".join(path.read_text() for path in modules)
    found = re.findall(r"^class (\w+)\((.*(?:Operator|Sensor))\):", code, re.MULTILINE)
    bases = {base for _, named in found for base in named.split(", ")}
    unused = [name for name, _ in found if name not in bases and not re.search(rf"\b{name}[.(]", text)]
    if not found or unused:
        raise RuntimeError(f"operators and sensors that the file does not use: {unused}")
    return text.replace("from __future__ import annotations\n", "")


def measure(run: Callable[..., tuple[float, float, str]], folder: str, runs: int) -> dict[str, float]:
    """Give CPU seconds and peak memory in MB, and how often the empty file's they are."""
    empty, full = Path(folder) / "empty.py", Path(folder) / "full.py"
    empty.write_text(EMPTY_DAG)
    full.write_text(every_operator())
    sides: dict[str, list[tuple[float, float, str]]] = {"empty": [], "full": []}
    run("parsing.parse", str(full))  # compiles the bundle, as Airflow's first parse does
    for _ in range(runs):
        for path in (empty, full):
            sides[path.stem].append(run("parsing.parse", str(path)))
    cpu = {name: statistics.median(run[0] for run in runs) for name, runs in sides.items()}
    rss = {name: statistics.median(run[1] for run in runs) for name, runs in sides.items()}
    return {
        "parse_cpu_seconds": cpu["full"],
        "parse_ratio": cpu["full"] / cpu["empty"],
        "parse_rss_mb": rss["full"],
        "parse_rss_ratio": rss["full"] / rss["empty"],
    }
