"""Who may import whom: the layers of the program, held by walking the import statements."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {"anatomy", "viz", "panels", "articles", "models", "ui"}
MAY_IMPORT = {
    "anatomy": {"anatomy", "numpy", "jaxtyping", "babel"},
    "viz": {"anatomy", "viz", "numpy", "jaxtyping", "plotly"},
    "panels": {"anatomy", "viz", "panels", "numpy", "jaxtyping", "plotly"},
    "articles": {"anatomy", "viz", "panels", "articles", "numpy", "jaxtyping"},
    "ui": {
        "anatomy",
        "viz",
        "panels",
        "articles",
        "ui",
        "models",
        "streamlit",
        "numpy",
        "jaxtyping",
        "pandas",
        "plotly",
    },
}
UI_MODELS = {"models.engine", "models.serving.queue", "models.serving.recorded", "models.serving.store"}
TORCH_FREE_MODELS = {"engine", "queue", "store", "recorded", "catalog", "weights", "fetch", "__main__"}


def imports(path: Path) -> set[str]:
    """Every absolute module name that a file imports, wherever the statement stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
            assert node.level == 0, f"{path}: relative import; the project imports by full name"
    return found


def files(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found, f"no files in {folder}: the rule below would hold of nothing"
    return found


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_a_folder_imports_only_what_its_layer_may(folder):
    for path in files(folder):
        roots = {name.split(".")[0] for name in imports(path)} - set(sys.stdlib_module_names)
        assert roots <= MAY_IMPORT[folder], f"{path.relative_to(ROOT)} imports {roots - MAY_IMPORT[folder]}"


def test_the_page_knows_the_models_only_through_engine_store_and_recording():
    for path in files("ui"):
        used = {name for name in imports(path) if name.split(".")[0] == "models"}
        assert used <= UI_MODELS, f"{path.relative_to(ROOT)} imports {used - UI_MODELS}"


def test_models_draw_nothing():
    for path in files("models"):
        roots = {name.split(".")[0] for name in imports(path)}
        assert not roots & {"streamlit", "plotly", "viz", "panels", "articles", "ui"}, path


def test_what_runs_before_a_model_is_needed_does_not_load_torch():
    for path in files("models"):
        if path.stem in TORCH_FREE_MODELS and path.parent.name == "models":
            tree = ast.parse(path.read_text(encoding="utf-8"))
            top = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
            top |= {node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)}
            assert not {name.split(".")[0] for name in top} & {"torch", "transformers"}, path


def test_no_module_hides_one_of_the_standard_library():
    names = {path.stem for path in ROOT.glob("*.py")} | OURS
    assert not names & set(sys.stdlib_module_names)
