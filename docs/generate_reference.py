# ruff: noqa: INP001 - a script, not a package
"""Write docs/reference.md from the docstrings.

Run ``python docs/generate_reference.py`` after a docstring or a signature changed; a test compares the two. The source
is read, not imported, so any Python 3.11 will do.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "plugins" / "xops"
REFERENCE = ROOT / "docs" / "reference.md"
PARAGRAPH = "\n\n"

# In the order of the loop; a module of operators that is not named here comes after these.
OPERATORS = (
    "datasets",
    "quarantine",
    "schema",
    "versions",
    "training",
    "evaluation",
    "approval",
    "promotion",
    "copies",
    "tidying",
    "scoring",
    "drift",
    "performance",
    "retraining",
)
GATED = "operators/base.py:GatedOperator"
SETTINGS = (
    "core/model/holdout.py:Holdout",
    "core/policy.py:RetrainPolicy",
    "checks/battery/performance.py:Performance",
    "checks/battery/metric.py:Metric",
    "checks/battery/slices.py:Slices",
    "checks/battery/calibration.py:Calibration",
    "checks/battery/fairness.py:Fairness",
    "checks/battery/robustness.py:Robustness",
    "checks/battery/leakage.py:Leakage",
    "checks/battery/behaviour.py:Behaviour",
    "checks/battery/behaviour.py:Change",
    "checks/battery/resources.py:Resources",
    "checks/battery/explanation.py:Explanation",
    "checks/battery/security.py:Security",
    "checks/battery/training_data.py:TrainingData",
)
DOCUMENTS = (
    "core/dataset/versions.py:DataVersion",
    "core/dataset/diff.py:VersionDiff",
    "core/verdict.py:Verdict",
    "core/verdict.py:Finding",
    "core/evidence.py:Evidence",
    "core/model/promotion.py:Entry",
    "core/model/training.py:TrainingRecord",
)
HOOKS = (
    "hooks/store/evidence.py:EvidenceStore",
    "hooks/models/promotion_log.py:PromotionLog",
    "hooks/models/retrain_requests.py:RetrainRequests",
    "hooks/datasets/store.py:DatasetStore",
    "hooks/iceberg/tables.py:IcebergHook",
    "hooks/iceberg/reading.py:IcebergReader",
    "hooks/iceberg/catalog.py:IcebergCatalog",
    "hooks/datasets/versions.py:DatasetVersions",
    "hooks/iceberg/versions.py:TableVersions",
    "hooks/datasets/expiry.py:VersionExpiry",
    "hooks/models/registry.py:MlflowHook",
    "hooks/models/versions.py:MlflowVersions",
    "hooks/models/mlflow_connection.py:MlflowConnection",
)
INTRODUCTION = """\
# Reference

Made from the docstrings by `python docs/generate_reference.py`. Do not edit it by hand.

"(templated)" means that Airflow renders Jinja in the argument. Every operator takes the arguments of Airflow's
`BaseOperator` as well, `task_id` first of all.
"""


@dataclass(frozen=True, slots=True)
class Argument:
    """One parameter of a class or a function, or one field of a value."""

    name: str
    kind: str
    default: str | None


@dataclass(frozen=True, slots=True)
class Documentation:
    """A docstring, taken apart."""

    text: str
    arguments: dict[str, str]
    returns: str
    raises: tuple[tuple[str, str], ...]


def main() -> None:
    """Write the file."""
    REFERENCE.write_text(reference(), encoding="utf-8")
    sys.stdout.write(f"wrote {REFERENCE.relative_to(ROOT)}\n")


def reference() -> str:
    """Give the text of docs/reference.md."""
    parts = [INTRODUCTION, *_operators(), *_waiting(), "## What operators take\n"]
    parts += [_section(node, _parameters_table(_fields(node), node)) for node in map(_at, SETTINGS)]
    parts.append("## What is written down\n")
    parts += [_section(node, _fields_table(node)) for node in map(_at, DOCUMENTS)]
    parts.append("## Hooks\n\nFor your own code: a notebook, a service, a DAG of another kind.\n")
    parts += [_hook(node) for node in map(_at, HOOKS)]
    parts += [
        "### `xops.hooks.models.champions`\n",
        _members(_tree(PACKAGE / "hooks" / "models" / "champions.py").body),
    ]
    return "\n".join(parts)


def _operators() -> list[str]:
    check = _at(GATED)
    parts = ["## Every check\n", _text(_documentation(check).text) + "\n"]
    parts.append(_parameters_table(_parameters(check), check) + "\n")
    stems = sorted(path.stem for path in (PACKAGE / "operators").glob("*.py") if path.stem not in ("__init__", "base"))
    for stem in sorted(stems, key=lambda stem: OPERATORS.index(stem) if stem in OPERATORS else len(OPERATORS)):
        parts.append(f"## `xops.operators.{stem}`\n")
        public = [node for name, node in _classes(PACKAGE / "operators" / f"{stem}.py").items() if name[0] != "_"]
        parts += [
            _section(node, _parameters_table(_parameters(node), node))
            for node in public
            if node.name.endswith("Operator")
        ]
    return parts


def _waiting() -> list[str]:
    """Give the sensors, and the triggers that an asset may be watched by."""
    parts = []
    for place in ("sensors/datasets", "sensors/anomalies", "sensors/models", "triggers/watching"):
        parts.append(f"## `xops.{place.replace('/', '.')}`\n")
        classes = _classes(PACKAGE / f"{place}.py").values()
        public = [node for node in classes if next(map(_source, node.bases)) in ("XopsSensor", "WatchTrigger")]
        parts += [_section(node, _parameters_table(_parameters(node), node)) for node in public]
    return parts


def _section(node: ast.ClassDef, table: str) -> str:
    documented = _documentation(node)
    lines = [f"### {node.name}\n", _text(documented.text) + "\n", table]
    if documented.returns:
        lines.append(f"\nReturns {_text(documented.returns)}")
    lines += [f"\nRaises `{name}` {_text(why)}" for name, why in documented.raises]
    return "\n".join(lines) + "\n"


def _hook(node: ast.ClassDef) -> str:
    return "\n".join((_section(node, _parameters_table(_parameters(node), node)), _members(node.body)))


def _members(body: list[ast.stmt]) -> str:
    """Give a table of public functions, each with the first paragraph of its docstring."""
    lines = ["| Function | |", "|---|---|"]
    for member in body:
        if not isinstance(member, ast.FunctionDef) or member.name[0] == "_" or member.name == "get_ui_field_behaviour":
            continue
        given = "" if "property" in map(_source, member.decorator_list) else f"({', '.join(_signature(member))})"
        lines.append(f"| `{member.name}{given}` | {_text(_documentation(member).text.split(PARAGRAPH)[0])} |")
    return "\n".join(lines) + "\n"


def _parameters_table(arguments: list[Argument], node: ast.ClassDef) -> str:
    said = _documentation(node).arguments
    lines = ["| Parameter | Type | Default | |", "|---|---|---|---|"]
    for argument in arguments:
        default = "required" if argument.default is None else f"`{argument.default}`"
        meaning = _text(said.get(argument.name, ""))
        if argument.name == "gate" and node.name != "GatedOperator":
            meaning = "see [every check](#every-check)"
        lines.append(f"| `{argument.name}` | `{_cell(argument.kind)}` | {default} | {meaning} |")
    return "\n".join(lines)


def _fields_table(node: ast.ClassDef) -> str:
    said = _documentation(node).arguments
    fields = [f"| `{f.name}` | `{_cell(f.kind)}` | {_text(said.get(f.name, ''))} |" for f in _fields(node)]
    return "\n".join(["| Field | Type | |", "|---|---|---|", *fields])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _parameters(node: ast.ClassDef) -> list[Argument]:
    """Give the arguments of a class's ``__init__``, and for a check its gate."""
    made = [member for member in node.body if isinstance(member, ast.FunctionDef) and member.name == "__init__"]
    constants = {
        _source(member.targets[0]): _source(member.value) for member in node.body if isinstance(member, ast.Assign)
    }
    arguments = _arguments(made[0].args, constants) if made else []
    gate = _default_gate(node)
    if gate is None:
        return arguments
    others = [argument for argument in arguments if argument.name != "gate"]
    return [*others, Argument("gate", '"fail" | "skip" | "record"', f'"{gate}"')]


def _arguments(given: ast.arguments, constants: dict[str, str]) -> list[Argument]:
    places = given.args[1:]  # without self
    defaults = [None] * (len(places) - len(given.defaults)) + list(given.defaults)
    pairs = [*zip(places, defaults, strict=True), *zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    return [
        Argument(place.arg, _source(place.annotation), constants.get(_source(default), _source(default)) or None)
        for place, default in pairs
    ]


def _fields(node: ast.ClassDef) -> list[Argument]:
    """Give the fields of a dataclass."""
    return [
        Argument(member.target.id, _source(member.annotation), _source(member.value) or None)
        for member in node.body
        if isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name)
    ]


def _signature(function: ast.FunctionDef) -> list[str]:
    names = [argument.arg for argument in function.args.args if argument.arg != "self"]
    return [*names, *(["*"] if function.args.kwonlyargs else []), *(a.arg for a in function.args.kwonlyargs)]


def _default_gate(node: ast.ClassDef) -> str | None:
    """Give the gate that a check has by itself; None for an operator that is no check."""
    if not {"GatedOperator", "CheckOperator"} & {node.name, *map(_source, node.bases)}:
        return None
    for member in node.body:
        if isinstance(member, ast.AnnAssign) and _source(member.target) == "default_gate" and member.value:
            return str(ast.literal_eval(member.value))
    return _default_gate(_at(GATED))


def _documentation(node: ast.ClassDef | ast.FunctionDef) -> Documentation:
    cleaned = inspect.cleandoc(ast.get_docstring(node) or "")
    text, *fields = re.split(r"^:(?=(?:param|returns|raises)\b)", cleaned, flags=re.MULTILINE)
    arguments, raises, returns = {}, [], ""
    for field in fields:
        head, _, said = field.partition(":")
        kind, _, name = head.partition(" ")
        said, *after = re.split(r"\n\n(?=\S)", said, maxsplit=1)  # a paragraph that follows belongs to the text
        text += "\n\n".join(["", *after])
        if kind == "param":
            arguments[name] = said
        elif kind == "raises":
            raises.append((name.rpartition(".")[2].strip("`~"), said))
        else:
            returns = said
    return Documentation(text.strip(), arguments, returns, tuple(raises))


def _text(said: str) -> str:
    """Turn reStructuredText into Markdown: one line a paragraph."""
    said = re.sub(r":(?:class|data):`~?([^`]*)`", lambda found: f"`{found[1].rpartition('.')[2]}`", said)
    said = re.sub(r":meth:`~?([^`]*)`", lambda found: f"`{found[1].rpartition('.')[2]}()`", said)
    paragraphs = [" ".join(paragraph.split()) for paragraph in said.replace("``", "`").split("\n\n")]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _source(node: ast.AST | None) -> str:
    return "" if node is None else ast.unparse(node).replace("'", '"')


def _at(place: str) -> ast.ClassDef:
    path, _, name = place.partition(":")
    return _classes(PACKAGE / path)[name]


def _classes(path: Path) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in _tree(path).body if isinstance(node, ast.ClassDef)}


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
