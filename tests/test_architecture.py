"""The house rules of the code base: who may import whom, which library has which owner, how long a module may be."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("rag", "ui")
    for path in sorted((ROOT / package).rglob("*.py"))
}

LEAVES = {
    "types",
    "errors",
    "export",
    "config",
    "text",
    "prompts",
    "reply",
    "facts",
    "measures",
    "guards",
    "quotations",
    "support",
    "addresses",
    "budget",
    "limits",
    "spending",
    "spread",
    "ranking",
    "why",
    "compare",
    "scope",
}
STAGES = {
    "load",
    "fetch",
    "chunk",
    "embed",
    "adapters",
    "sync",
    "reembed",
    "quality",
    "retrieve",
    "sufficiency",
    "answer",
    "asks",
    "conversation",
    "quotes",
    "generate",
    "cite",
    "verify",
    "judge",
}
WIRING = {
    "app",
    "opening",
    "choices",
    "owner",
    "factory",
    "cli",
    "",
}  # "" is the package itself, which names what app offers

# Third-party libraries and the modules that may import them; a prefix owns all below it.
OWNERS = {
    "chromadb": ["rag.vectors"],
    "onnxruntime": ["rag.embed"],
    "tokenizers": ["rag.embed"],
    "sqlite3": ["rag.ledger.database", "rag.spending", "ui.conversation_file", "ui.conversations"],
    "fcntl": ["rag.lock"],
    "markdown_it": ["rag.load.markdown", "rag.export.body"],
    "nh3": ["ui.render"],
    "yaml": ["rag.load.markdown"],
    "charset_normalizer": ["rag.load.encoding"],
    "dateutil": ["rag.load.metadata"],
    "py3langid": ["rag.load.metadata"],
    "Stemmer": ["rag.text"],
    "tomllib": ["rag.config"],
    "argparse": ["rag.cli"],
    "tqdm": ["rag.cli.show"],
    "jinja2": ["rag.evaluation.markup"],
    "markupsafe": ["rag.evaluation.plots"],
    "watchfiles": ["rag.cli.commands"],
    "pypdfium2": ["rag.load.pdf", "rag.load.pdf_page"],
    "defusedxml": ["rag.load.archive"],
    "gradio": ["ui.page", "ui.serve"],
    "python_multipart": ["ui.uploads"],
    "fastapi": ["ui.login", "ui.pages", "ui.saving", "ui.serve", "ui.site", "ui.uploads"],
    "starlette": ["ui.claims", "ui.gate", "ui.gradio_routes", "ui.login", "ui.saving", "ui.serve", "ui.uploads"],
    "uvicorn": ["ui.connection", "ui.serve"],
    "openai": ["rag.models"],
    "httpx": ["rag.models"],
    "anthropic": ["rag.models.anthropic"],
    "httpcore": ["rag.fetch"],
    "idna": ["rag.addresses"],
    "llama_index": ["rag.embed", "rag.adapters", "rag.retrieve", "rag.answer", "rag.nodes", "rag.models"],
}
NOT_BY_HELP = ["gradio", "chromadb", "llama_index", "onnxruntime", "openai"]


def imports(module: str) -> set[str]:
    """Return the full names of all modules that a module imports, at its top or inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{module} uses a relative import"
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(module: str) -> set[str]:
    return {name for name in imports(module) if name in MODULES}


def part(module: str) -> str:
    """Return the part of `rag` a module belongs to: rag.load.html is of "load"."""
    return [*module.split("."), ""][1]


def test_leaf_modules_import_only_each_other() -> None:
    for module in (name for name in MODULES if name.startswith("rag.") and part(name) in LEAVES):
        assert {part(name) for name in ours(module)} - {""} <= LEAVES, module


def test_stages_do_not_import_stages() -> None:
    for module in (name for name in MODULES if part(name) in STAGES):
        assert {part(name) for name in ours(module)} & STAGES <= {part(module)}, module


def test_only_wiring_imports_the_wiring() -> None:
    for module in (name for name in MODULES if name.startswith("rag.") and part(name) not in WIRING):
        assert not {"rag.app", "rag.owner", "rag.factory", "rag.cli"} & imports(module), module


def test_rag_imports_the_page_in_one_command_only() -> None:
    importers = {
        module for module in MODULES if module.startswith("rag") and any(n.startswith("ui") for n in ours(module))
    }
    assert importers <= {"rag.cli.commands"}


def test_no_import_cycle() -> None:
    def is_annotation_only(module: str, name: str) -> bool:
        return module == "rag" and name == "rag.app"  # for type checkers and on first use

    graph = {
        module: {name for name in ours(module) if name != module and not is_annotation_only(module, name)}
        for module in MODULES
    }
    # Importing a package's module runs the package first; its own modules may not import it back.
    assert list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("library", OWNERS)
def test_library_is_imported_by_its_owners_only(library: str) -> None:
    for module in MODULES:
        if any(name == library or name.startswith(library + ".") for name in imports(module)):
            assert any(module == owner or module.startswith(owner + ".") for owner in OWNERS[library]), module


def test_every_module_says_what_it_owns() -> None:
    for module, path in MODULES.items():
        first = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]
        assert first.endswith((".", ":")), f"{module} does not open with a sentence"


def test_no_module_is_too_long() -> None:
    long = {module: count for module, path in MODULES.items() if (count := path.read_text().count("\n")) > 320}
    assert not long


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from rag.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        f"print('LOADED', sorted(set({NOT_BY_HELP}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "LOADED []" in done.stdout
    assert "ask" in done.stdout
