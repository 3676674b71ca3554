"""The import rules that the import-linter cannot check."""

import ast
import re
import tomllib
from importlib import import_module
from pathlib import Path

HOUSE = Path(__file__).parents[2]


def test_every_adapter_folder_keeps_its_inside_to_itself():
    folders = {path.parent.name for path in HOUSE.glob("adapters/*/__init__.py")}

    contracts = tomllib.loads((HOUSE / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]

    protected = {name for contract in contracts for name in contract.get("protected_modules", [])}
    assert {f"adapters.{folder}.*" for folder in folders} <= protected


def test_the_composition_root_sees_only_the_faces_of_adapters():
    tree = ast.parse((HOUSE / "app.py").read_text())

    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    faces = {node.module or "": {one.name for one in node.names} for node in imports}

    adapters = {module: names for module, names in faces.items() if module.startswith("adapters.")}
    assert adapters
    assert all(module.count(".") == 1 for module in adapters)
    assert all(names <= set(vars(import_module(module))) for module, names in adapters.items())


def test_no_test_folder_is_a_package_that_could_shadow_the_real_one():
    assert list(HOUSE.glob("tests/**/__init__.py")) == []


def test_the_locks_name_no_place_to_download_from():
    for lock in HOUSE.glob("requirements*.txt"):
        assert "://" not in lock.read_text()
        assert "--index" not in lock.read_text()


ONE_IDEA = set(
    # what the API shows, or asks for, of that idea
    "Action Anomaly Awaited Completeness Deliveries Device Event Events Finding Folded Machine Measurement "
    "Measurements Moment Provider Receipt Registration RejectionSummary Run Seconds Session Source "
    "Step Stop Timeline Told Transition Why "
    # one for each side of it: the provider and its simulation, a record and who asks for it
    "Answer Connection Glasses Key Progress Reader Record Schema Secret Sender Settings Verified "
    # the verifier of bundles is one file that imports nothing of ours
    "Files Wrong".split()
)
"""Classes of one name in several modules. A new one gets a name of its own, unless it is the same idea."""


def test_one_class_name_means_one_thing():
    modules: dict[str, list[str]] = {}
    for path in [*HOUSE.glob("adapters/**/*.py"), *HOUSE.glob("core/**/*.py"), *HOUSE.glob("wiring/*.py")]:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                modules.setdefault(node.name, []).append(str(path.relative_to(HOUSE)))

    assert {name: where for name, where in modules.items() if len(where) > 1 and name not in ONE_IDEA} == {}


def test_every_module_that_the_documentation_names_is_there():
    there = [f"/{path.relative_to(HOUSE)}" for pattern in ("app.py", "[!.]*/**/*.py") for path in HOUSE.glob(pattern)]
    pages = {path.name: path.read_text(encoding="utf-8") for path in (HOUSE / "docs").glob("*.md")}

    named = {(page, module) for page, text in pages.items() for module in re.findall(r"`([\w/]+\.py)`", text)}

    assert len(named) > 100
    assert [one for one in sorted(named) if not any(path.endswith(f"/{one[1]}") for path in there)] == []


def test_what_the_walks_and_the_table_of_changes_name_is_where_they_say():
    text = (HOUSE / "docs" / "architecture.md").read_text()
    walks = text[text.index("## Three walks") : text.index("## From a delivery")]

    groups = re.findall(r"`([a-z0-9_/]+\.py)`((?:(?:, |\s)`[A-Za-z_][\w.]*`)+)", walks)
    named = [(path, name) for path, names in groups for name in re.findall(r"`([\w.]+)`", names)]

    assert len(named) > 30
    assert [(path, name) for path, name in named if name not in _names(HOUSE / path)] == []


def _names(path: Path) -> set[str]:
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.ClassDef):
            found.add(node.name)
            found |= {f"{node.name}.{one.name}" for one in node.body if isinstance(one, ast.FunctionDef)}
    return found
