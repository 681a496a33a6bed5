"""What holds of the whole package: how Airflow finds it, how little it loads, and how its operators are written."""

import ast
import importlib
import inspect
import json
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import xops
import xops.operators
import xops.sensors
from benchmarks.parsing import EMPTY_DAG, every_operator
from xops.checks import battery
from xops.operators.base import XopsOperator
from xops.sensors.base import XopsSensor

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "plugins"
PACKAGE = PLUGINS / "xops"
HEAVY = {
    *tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]["flake8-tidy-imports"][
        "banned-module-level-imports"
    ]
}
MODULES = [
    module.name
    for package in (xops.operators, xops.sensors)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
]
CHECKS = [module.name for module in pkgutil.walk_packages(battery.__path__, f"{battery.__name__}.")]
OPERATORS = [
    member
    for module in MODULES
    for name, member in vars(importlib.import_module(module)).items()
    if inspect.isclass(member) and issubclass(member, (XopsOperator, XopsSensor)) and member.__module__ == module
]
PUBLIC = [operator for operator in OPERATORS if not operator.__name__.startswith("_")]
READY = [operator for operator in PUBLIC if not inspect.isabstract(operator)]


def in_a_process_of_its_own(code, **environment):
    """Run Python code and give what it printed last, read as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ | environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def documented(operator):
    """Give what the class docstring says of each argument, in its order."""
    fields = re.split(r"^\s*:(?=\w)", inspect.getdoc(operator), flags=re.MULTILINE)[1:]
    named = [re.match(r"param (\w+): (.*)", field, flags=re.DOTALL) for field in fields]
    return {match[1]: " ".join(match[2].split()) for match in named if match}


def arguments(operator):
    """Give the names of an operator's own arguments: those of its classes in this package."""
    own = [base for base in operator.__mro__ if base.__module__.startswith("xops.") and "__init__" in vars(base)]
    return [
        name
        for base in own
        for name, parameter in inspect.signature(base.__init__).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    ]


def initialisers():
    """Give class name and syntax tree of every ``__init__`` of an operator."""
    own = [operator for operator in OPERATORS if "__init__" in vars(operator)]
    for operator in own:
        tree = ast.parse(inspect.getsource(sys.modules[operator.__module__]))
        body = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == operator.__name__)
        yield pytest.param(
            next(node for node in body.body if isinstance(node, ast.FunctionDef) and node.name == "__init__"),
            id=operator.__name__,
        )


def test_there_are_operators_to_hold_to_these_rules():
    assert {"StageDataOperator", "TrainModelOperator", "PromoteModelOperator"} <= {one.__name__ for one in READY}


@pytest.mark.parametrize("syntax", ["glob", "regexp"])
def test_airflow_executes_no_file_of_the_bundle_but_the_plugin(syntax):
    found = in_a_process_of_its_own(
        """
import json, sys
from airflow import plugins_manager as core
from airflow.sdk import plugins_manager as sdk

for manager in (core, sdk):
    loaded, errors = manager._get_plugins()
    assert not errors, errors
    assert [plugin.name for plugin in loaded].count("xops") == 1, loaded
print(json.dumps({name: module.__file__ for name, module in sys.modules.items() if getattr(module, "__file__", None)}))
""",
        AIRFLOW__CORE__PLUGINS_FOLDER=str(PLUGINS),
        AIRFLOW__CORE__DAG_IGNORE_FILE_SYNTAX=syntax,
    )
    ours = {name: Path(file) for name, file in found.items() if Path(file).is_relative_to(PLUGINS)}
    assert ours == {"xops_plugin": PLUGINS / "xops_plugin.py"}


def test_no_module_is_named_after_a_library():
    stems = {path.stem for path in PLUGINS.rglob("*.py")} - {"__init__", "xops_plugin"}
    assert stems & {*packages_distributions(), *sys.stdlib_module_names} == set()


def test_operators_checks_and_plugin_load_no_heavy_library():
    loaded = in_a_process_of_its_own(
        f"""
import importlib, json, sys
for name in {[*MODULES, *CHECKS, "xops_plugin"]!r}:
    importlib.import_module(name)
print(json.dumps(sorted(sys.modules)))
"""
    )
    assert {"xops_plugin", "xops.checks.battery.performance"} <= set(loaded)
    assert HEAVY.intersection(loaded) == set()


def test_parsing_every_operator_loads_nothing_that_an_empty_dag_does_not_but_the_bundle(tmp_path):
    empty, full = tmp_path / "empty.py", tmp_path / "full.py"
    empty.write_text(EMPTY_DAG)
    full.write_text(every_operator())
    errors, dags, loaded = in_a_process_of_its_own(
        f"""
import json, sys
from airflow.dag_processing.dagbag import DagBag
DagBag({str(empty)!r})
before = {{*sys.modules}}
bags = [DagBag({str(full)!r}), DagBag({str(ROOT / "dags")!r})]
dags = sorted({{dag for bag in bags for dag in bag.dags}})
print(json.dumps([[str(bag.import_errors) for bag in bags], dags, sorted({{*sys.modules}} - before)]))
"""
    )
    assert errors == ["{}", "{}"]
    assert {"flights_training", "others"} <= set(dags)
    ours = {"xops", *(path.name for path in (ROOT / "dags").iterdir() if path.is_dir())}
    airflows = {"airflow", "asgiref", "packaging"}  # the last two for @task and for its own approval operator
    others = {name.partition(".")[0] for name in loaded} - ours - airflows - sys.stdlib_module_names
    assert {name for name in others if not name.startswith("unusual_prefix_")} == set()  # so it calls a DAG file


def test_the_core_needs_the_standard_library_alone_until_it_computes():
    imported = in_a_process_of_its_own(
        """
import importlib, json, pkgutil, sys

class NothingElse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in {"xops", *sys.stdlib_module_names}:
            raise ModuleNotFoundError(f"{name} was imported by the core")

sys.meta_path.insert(0, NothingElse())
import xops.core
names = [module.name for module in pkgutil.walk_packages(xops.core.__path__, "xops.core.")]
for name in names:
    importlib.import_module(name)
print(json.dumps(names))
"""
    )
    assert {"xops.core.verdict", "xops.core.suite.compiler"} <= set(imported)


def test_the_version_is_written_down_once():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"][0] == "version"
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "xops.__version__"}
    said = [path for path in PLUGINS.rglob("*.py") if xops.__version__ in path.read_text()]
    assert said == [PACKAGE / "__init__.py"]


@pytest.mark.parametrize("operator", READY, ids=lambda operator: operator.__name__)
def test_template_fields_are_what_the_docstring_marks_as_templated(operator):
    marked = tuple(name for name, text in documented(operator).items() if re.search(r"\(templated\)", text))
    assert isinstance(operator.template_fields, tuple)
    assert operator.template_fields == marked


@pytest.mark.parametrize("operator", READY, ids=lambda operator: operator.__name__)
def test_the_docstring_describes_every_argument_and_no_other(operator):
    assert sorted(documented(operator)) == sorted(arguments(operator))


@pytest.mark.parametrize("initialise", initialisers())
def test_an_operator_does_no_work_when_it_is_made(initialise):
    called = {ast.unparse(node.func) for node in ast.walk(initialise) if isinstance(node, ast.Call)}
    harmless = {"super", "super().__init__", "kwargs.setdefault", "kwargs.get", "AssetAlias", "Misconfigured"}
    assert called <= harmless
    loops = (ast.For, ast.While, ast.With, ast.Try, ast.Import, ast.ImportFrom, ast.ListComp, ast.DictComp, ast.Lambda)
    assert [ast.unparse(node) for node in ast.walk(initialise) if isinstance(node, loops)] == []


@pytest.mark.parametrize("operator", READY, ids=lambda operator: operator.__name__)
def test_an_operator_keeps_its_arguments_as_they_are(operator):
    from airflow.sdk import Asset

    given = {name: [name] for name in arguments(operator)}  # a list: no other is the same object
    given |= {name: value for name, value in {"gate": "record", "asks": Asset("asked")}.items() if name in given}
    made = operator(task_id="made", **given)
    assert {name: vars(made)[name] for name in given if vars(made)[name] is not given[name]} == {}
