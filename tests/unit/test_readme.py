"""What README.md says is so: its commands, its example, its recipe, its settings, its table, its links."""

import ast
import importlib
import inspect
import json
import os
import pkgutil
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import xops.operators
from xops.operators.base import CheckOperator, XopsOperator
from xops.provider_info import get_provider_info

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
PAGES = [path for path in ROOT.rglob("*.md") if not any(part[0] == "." for part in path.relative_to(ROOT).parts)]


def blocks(language):
    """Give the texts of README's fenced blocks in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def exported(block):
    """Give the environment variables that a block of shell exports."""
    words = shlex.split(block)
    return dict(word.split("=", 1) for word in words if word != "export")


SETTINGS = [exported(block) for block in blocks("bash") if block.startswith("export")]
RECIPES = [block for block in blocks("bash") if not block.startswith("export")]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "AGENTS.md"])
def test_every_command_named_is_a_target_of_the_makefile(page):
    named = re.findall(r"(?:^    |`)make ([a-z]+)", (ROOT / page).read_text(), flags=re.MULTILINE)
    assert named
    assert set(named) <= set(re.findall(r"^([a-z]+):", MAKEFILE, flags=re.MULTILINE))


def test_the_demo_can_be_told_to_end():
    assert "make demo EXIT=1" in README
    assert "$(EXIT)" in MAKEFILE


def test_the_example_is_a_dag_of_twenty_lines(tmp_path):
    from airflow.dag_processing.dagbag import DagBag

    (example,) = blocks("python")
    assert len([line for line in example.splitlines() if line.strip()]) <= 20
    (tmp_path / "shop.py").write_text(example)
    bag = DagBag(str(tmp_path))
    assert bag.import_errors == {}
    assert list(bag.dags["shop_orders"].task_dict) == ["stage", "test", "publish"]
    assert bag.dags["shop_orders"].task_dict["publish"].upstream_task_ids == {"stage", "test"}


def test_the_recipe_puts_the_bundle_into_another_airflow(tmp_path):
    home = tmp_path / "airflow"
    (home / "dags").mkdir(parents=True)
    (home / "dags" / ".airflowignore").write_text("theirs/\n")
    install, *copy = "".join(RECIPES).splitlines(keepends=True)
    assert install.startswith("pip install")
    assert (ROOT / shlex.split(install)[-1]).is_file()
    theirs = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHONPATH"))}
    theirs |= {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    subprocess.run(["bash", "-eu"], input="".join(copy), text=True, check=True, cwd=ROOT, env=theirs)

    assert (home / "plugins" / "xops" / ".airflowignore").is_file()
    assert (home / "dags" / ".airflowignore").read_text() == "theirs/\nflights/\n"
    seen = subprocess.run(
        [sys.executable, "-c", SEEN], capture_output=True, text=True, check=True, cwd=home, env=theirs
    )
    seen = json.loads(seen.stdout.splitlines()[-1])
    assert seen["errors"] == {}
    assert "flights_training" in seen["dags"]
    assert seen["plugins"].count("xops") == 1
    assert Path(seen["bundle"]).is_relative_to(home)


SEEN = """
import json
from pathlib import Path
from airflow import plugins_manager
from airflow.dag_processing.dagbag import BundleDagBag
bag = BundleDagBag(Path("dags").resolve(), bundle_path=Path("dags").resolve())
import xops
plugins = [plugin.name for plugin in plugins_manager._get_plugins()[0]]
print(json.dumps({"errors": bag.import_errors, "dags": list(bag.dags), "plugins": plugins, "bundle": xops.__file__}))
"""


@pytest.mark.parametrize("settings", SETTINGS, ids=range(len(SETTINGS)))
def test_the_settings_are_understood(settings, monkeypatch):
    from airflow.sdk import Connection

    from xops.hooks.iceberg.tables import IcebergHook
    from xops.hooks.models.registry import MlflowHook
    from xops.hooks.settings import store_url

    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    prefix = "AIRFLOW_CONN_"
    connections = {
        name.removeprefix(prefix).lower(): Connection.from_json(value)
        for name, value in settings.items()
        if name.startswith(prefix)
    }
    assert connections.pop("iceberg_default").conn_type == IcebergHook.conn_type
    properties = IcebergHook()._properties()
    assert properties["type"] in ("rest", "sql")
    assert "secret" in properties.get("credential", properties["uri"])
    if "mlflow_default" in connections:
        assert connections.pop("mlflow_default").conn_type == MlflowHook.conn_type
        tracking, registry, secrets = MlflowHook()._where()
        assert tracking == registry == "https://mlflow.example.com"
        assert secrets == {"MLFLOW_TRACKING_USERNAME": "xops", "MLFLOW_TRACKING_PASSWORD": "secret"}
    if "AIRFLOW__XOPS__STORE" in settings:
        assert store_url() == settings["AIRFLOW__XOPS__STORE"]
        named = re.match(r"s3://(\w+)@", store_url())[1]
        assert connections.pop(named).conn_type == "aws"
    assert connections == {}


def test_the_bucket_opens_with_the_credentials_of_its_connection(monkeypatch):
    from xops.hooks.store.objects import Objects

    for name, value in SETTINGS[0].items():
        monkeypatch.setenv(name, value)
    store = Objects.configured().store  # nothing is sent before something is read or written
    assert store.config["bucket"] == "my-bucket"
    assert store.config["region"] == "eu-central-1"
    assert store.prefix == "xops"


def test_the_table_lists_every_operator_with_its_gate():
    modules = pkgutil.walk_packages(xops.operators.__path__, "xops.operators.")
    members = [member for module in modules for member in vars(importlib.import_module(module.name)).values()]
    ready = {
        member.__name__: getattr(member, "default_gate", "")
        for member in members
        if inspect.isclass(member) and issubclass(member, XopsOperator) and not inspect.isabstract(member)
    }
    assert issubclass(CheckOperator, XopsOperator)
    table = re.findall(r"^\| `(\w+Operator)` \| .+? \|(.*)\|$", README, flags=re.MULTILINE)
    said = {name: gate.strip(" `") for name, gate in table}
    assert said == {name: gate for name, gate in ready.items() if name[0] != "_"}
    assert len(table) == len(said)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(file), f"{page.name}: {target}"


def anchors(page):
    """Give the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def test_airflow_is_told_of_the_connection_types_and_settings():
    schemas = pytest.importorskip("jsonschema")
    import airflow

    from xops.hooks.iceberg.tables import IcebergHook
    from xops.hooks.models.registry import MlflowHook

    info = get_provider_info()
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    schemas.validate(info, schema)
    forms = {form["connection-type"]: form for form in info["connection-types"]}
    assert forms.keys() == {hook.conn_type for hook in (MlflowHook, IcebergHook)}
    for hook in (MlflowHook, IcebergHook):
        form = forms[hook.conn_type]
        assert form["hook-class-name"] == f"{hook.__module__}.{hook.__name__}"
        assert form["hook-name"] == hook.hook_name
        assert set(form.get("conn-fields", ())) <= set(re.findall(r"extra\.(\w+)", inspect.getdoc(hook)))
    said = MlflowHook.get_ui_field_behaviour()
    behaviour = forms["mlflow"]["ui-field-behaviour"]
    assert {name.replace("-", "_"): value for name, value in behaviour.items()} == said
    asked = set(re.findall(r'"xops", "(\w+)"', (ROOT / "plugins/xops/hooks/settings.py").read_text()))
    assert set(info["config"]["xops"]["options"]) == asked


def test_airflow_finds_what_it_is_told_without_importing_anything_else():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    entry = project["entry-points"]["apache_airflow_provider"]["provider_info"]
    assert entry == f"{get_provider_info.__module__}:{get_provider_info.__name__}"
    assert get_provider_info()["package-name"] == project["name"]
    tree = ast.parse((ROOT / "plugins/xops/provider_info.py").read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= {"__future__", *sys.stdlib_module_names}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
