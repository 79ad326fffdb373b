"""The house holds: imports go down and are plain to see, files and functions stay short."""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]

# From the ground up: a module imports from its own floor and those below.
FLOORS = (
    ("errors", "value"),
    ("config",),
    ("switches",),
    ("pytree",),
    ("tree", "tree_util"),
    ("core",),
    ("backends",),
    ("ops",),
    ("transforms",),
    ("control",),
    ("compiler",),
    ("lax", "numpy", "random", "scipy", "nn", "flatten_util", "dlpack", "debug", "debugger",
     "experimental", "ad_checkpoint"),
    ("custom_batching", "custom_derivatives"),
    ("curvature", "optim", "interop", "distributed", "show", "extend", "implicit", "test_util"),
    ("", "__main__"),
)
HEIGHT = {name: height for height, floor in enumerate(FLOORS) for name in floor}
LONGEST_FILE, LONGEST_FUNCTION, LONGEST_LINE = 600, 80, 100
# Optional third-party modules are imported at first use, in one place.
LOADER = "fxad.backends.optional"


@dataclass(frozen=True)
class Module:
    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def package(self) -> str:
        return self.name if self.path.stem == "__init__" else self.name.rpartition(".")[0]

    @property
    def height(self) -> int | None:
        return HEIGHT.get(f"{self.name}.".split(".")[1])

    def at(self, node: ast.stmt | ast.expr, problem: str) -> str:
        return f"{self.name}:{node.lineno}: {problem}"


def read_house(root: Path) -> dict[str, Module]:
    """The modules of the package ``root/fxad`` by name."""
    house = {}
    for path in sorted((root / "fxad").rglob("*.py")):
        name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        text = path.read_text(encoding="utf-8")
        house[name] = Module(name, path, text, ast.parse(text))
    return house


def targets(module: Module, node: ast.Import | ast.ImportFrom) -> list[str]:
    """What an import statement may load: ``from a import b`` names both ``a`` and ``a.b``."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        parts = module.package.split(".")
        above = ".".join(parts[: len(parts) - node.level + 1])
        base = f"{above}.{base}".rstrip(".")
    return [base, *(f"{base}.{alias.name}" for alias in node.names)]


def statements(body: list[ast.stmt], typing: bool = False) -> Iterator[tuple[ast.stmt, bool]]:
    """The statements which run at import, and whether only a type checker sees them."""
    for node in body:
        yield node, typing
        inner = typing or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
        for field in ("body", "orelse", "finalbody"):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from statements(getattr(node, field, []), inner)
        for handler in getattr(node, "handlers", []):
            yield from statements(handler.body, inner)


def imports(module: Module) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for node, typing in statements(module.tree.body):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, typing


def functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def homeless(house: dict[str, Module]) -> list[str]:
    """Modules without a floor of their own in FLOORS."""
    return [f"{m.name}: has no floor in FLOORS" for m in house.values() if m.height is None]


def upward_imports(house: dict[str, Module]) -> list[str]:
    found = []
    for module in house.values():
        for node, _ in imports(module):
            for target in targets(module, node):
                other = house.get(target)
                if other and (other.height or 0) > (module.height or 0):
                    found.append(module.at(node, f"imports {other.name} from above"))
    return found


def import_cycles(house: dict[str, Module]) -> list[str]:
    """A module that needs itself to be imported; imports for the type checker load nothing."""
    graph = {
        module.name: {
            target
            for node, typing in imports(module)
            for target in targets(module, node)
            if not typing and target in house and target != module.name
        }
        for module in house.values()
    }
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return [f"import cycle: {' <- '.join(error.args[1])}"]
    return []


def local_imports(house: dict[str, Module]) -> list[str]:
    return [
        module.at(node, f"import inside {function.name}")
        for module in house.values()
        for function in functions(module)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]


def hidden_imports(house: dict[str, Module]) -> list[str]:
    """Imports by a call, anywhere but in the loader of optional modules."""
    return [
        module.at(node, f"calls {ast.unparse(node.func)}")
        for module in house.values()
        if module.name != LOADER
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__")
    ]


def foreign_imports(house: dict[str, Module]) -> list[str]:
    """Anything beyond the standard library and NumPy, which is all that fxad requires."""
    ours = {"fxad", "numpy", *sys.stdlib_module_names}
    return [
        module.at(node, f"imports {target}")
        for module in house.values()
        for node, typing in imports(module)
        for target in targets(module, node)[:1]
        if not typing and target.split(".")[0] not in ours
    ]


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function, its docstring aside."""
    text = ast.get_docstring(function, clean=False)
    end = function.end_lineno or function.lineno
    return end - function.lineno + 1 - (len(text.splitlines()) if text else 0)


def too_long(house: dict[str, Module]) -> list[str]:
    found = []
    for module in house.values():
        lines = module.text.splitlines()
        if len(lines) > LONGEST_FILE:
            found.append(f"{module.name}: {len(lines)} lines")
        for number, line in enumerate(lines, 1):
            if len(line) > LONGEST_LINE:
                found.append(f"{module.name}:{number}: {len(line)} columns")
        for function in functions(module):
            if code_lines(function) > LONGEST_FUNCTION:
                length = code_lines(function)
                found.append(module.at(function, f"{function.name} has {length} lines"))
    return found


def busy_inits(house: dict[str, Module]) -> list[str]:
    """Statements of ``__init__`` files that are not re-exports."""
    found = []
    for module in house.values():
        if module.path.stem != "__init__":
            continue
        for node in module.tree.body:
            text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            names = (
                isinstance(node, ast.Assign)
                and isinstance(node.targets[0], ast.Name)
                and node.targets[0].id in ("__all__", "__version__")
            )
            if not (text or names or isinstance(node, ast.Import | ast.ImportFrom)):
                found.append(module.at(node, "more than re-exports in an __init__ file"))
    return found


CHECKS = (
    homeless,
    upward_imports,
    import_cycles,
    local_imports,
    hidden_imports,
    foreign_imports,
    too_long,
    busy_inits,
)


@pytest.fixture(scope="module")
def house() -> dict[str, Module]:
    house = read_house(ROOT)
    assert {"fxad", "fxad.errors", "fxad.core.primitive"} <= house.keys()
    return house


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_house_holds(check, house):
    found = check(house)
    assert not found, "\n".join(found)


def test_importing_fxad_imports_numpy_and_nothing_else():
    paths = [str(ROOT), str(Path(np.__file__).parents[1])]
    code = f"import sys; sys.path[:0] = {paths}; import fxad; print(*sys.modules)"
    command = [sys.executable, "-I", "-S", "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "fxad.core.trace" in loaded
    beyond = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names)
    # NumPy's own extension modules register Cython's runtime.
    assert {name for name in beyond if "cython" not in name} == {"__main__", "fxad", "numpy"}


def test_kernels_keep_to_the_line_length():
    kernels = [path for path in (ROOT / "kernels").rglob("*") if path.suffix in (".cu", ".cuh")]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {len(line)} columns"
        for path in kernels
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > LONGEST_LINE
    ]
    assert found == []


GOOD = {
    "__init__.py": '"""fxad."""\n\nfrom fxad.core.trace import f\n\n__all__ = ["f"]\n',
    "errors.py": "import numpy as np\n",
    "core/__init__.py": "",
    "core/trace.py": "from fxad.errors import np\n\n\ndef f():\n    return np\n",
    "ops/__init__.py": "",
    "ops/rules.py": "from ..core import trace\nimport fxad.errors\n",
}

BAD = [
    (homeless, {"attic.py": ""}, "fxad.attic: has no floor in FLOORS"),
    (
        upward_imports,
        {"core/trace.py": "from fxad.ops.rules import g\n"},
        "fxad.core.trace:1: imports fxad.ops.rules from above",
    ),
    (
        upward_imports,
        {"core/trace.py": "import os\nfrom ..ops import rules\n"},
        "fxad.core.trace:2: imports fxad.ops from above",
    ),
    (
        upward_imports,
        {"core/trace.py": "if TYPE_CHECKING:\n    import fxad.ops.rules\n"},
        "fxad.core.trace:2: imports fxad.ops.rules from above",
    ),
    (
        upward_imports,
        {"ops/rules.py": "from fxad import errors\n"},
        "fxad.ops.rules:1: imports fxad from above",
    ),
    (
        import_cycles,
        {"core/a.py": "from fxad.core.b import x\n", "core/b.py": "import fxad.core.a\n"},
        "import cycle: fxad.core.a <- fxad.core.b <- fxad.core.a",
    ),
    (
        import_cycles,
        {
            "core/a.py": "try:\n    from . import b\nfinally:\n    f()\n",
            "core/b.py": "import fxad.core.a",
        },
        "import cycle: fxad.core.a <- fxad.core.b <- fxad.core.a",
    ),
    (
        local_imports,
        {"core/trace.py": "class A:\n    def f(self):\n        if self:\n            import os\n"},
        "fxad.core.trace:4: import inside f",
    ),
    (
        hidden_imports,
        {"core/trace.py": "def f(importlib):\n    return importlib.import_module('fxad.ops')\n"},
        "fxad.core.trace:2: calls importlib.import_module",
    ),
    (
        foreign_imports,
        {"errors.py": "try:\n    import scipy.special\nexcept ImportError:\n    pass\n"},
        "fxad.errors:2: imports scipy.special",
    ),
    (too_long, {"errors.py": "\n" * 601}, "fxad.errors: 601 lines"),
    (too_long, {"errors.py": f"x = {'1' * 97}\n"}, "fxad.errors:1: 101 columns"),
    (
        too_long,
        {"errors.py": 'def f():\n    """One\n    two."""\n' + "    x = 1\n" * 80},
        "fxad.errors:1: f has 81 lines",
    ),
    (busy_inits, {"core/__init__.py": "x = 1\n"}, "fxad.core:1: more than re-exports"),
]


def build(root: Path, files: dict[str, str]) -> dict[str, Module]:
    for name, text in files.items():
        path = root / "fxad" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return read_house(root)


def test_a_good_house_passes(tmp_path):
    house = build(tmp_path, GOOD)
    assert [problem for check in CHECKS for problem in check(house)] == []


@pytest.mark.parametrize(
    ("check", "files", "problem"), BAD, ids=lambda value: getattr(value, "__name__", "")
)
def test_each_check_can_fail(check, files, problem, tmp_path):
    found = check(build(tmp_path, GOOD | files))
    assert any(line.startswith(problem) for line in found), found
