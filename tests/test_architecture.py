"""The house's own rules: imports run one way, nothing is unpickled, files stay short, no loose ends."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("fleet", "actors", "learners", "env_server")
FOLDERS = {"fleet.core", "actors", "env_server", "learners", "fleet.control", "fleet.view"}
MAY_IMPORT = {
    "fleet.core": set(),
    "actors": {"fleet.core"},
    "env_server": {"fleet.core", "actors"},
    "learners": {"fleet.core", "actors"},
    "fleet.control": {"fleet.core"},
    "fleet.view": {"fleet.core"},
    "fleet.study": FOLDERS,
    "fleet.commands": FOLDERS | {"fleet.study"},
    # the lazy library: its imports are for type checkers only
    "fleet": FOLDERS | {"fleet.study"},
}
LONGEST, LONGEST_TEST = 300, 400
UNSAFE_MODULES = {
    *["pickle", "cPickle", "_pickle", "pickle5", "dill", "cloudpickle", "shelve", "marshal", "joblib", "jsonpickle"],
    *["msgpack_numpy", "pandas", "code", "codeop"],
}
UNSAFE_CALLS = {
    *["recv_pyobj", "send_pyobj", "recv_serialized", "Unpickler", "unsafe_load", "full_load", "load_all"],
    *["read_pickle", "fromregex", "literal_eval", "load_state_dict_from_url", "system", "popen"],
}
"""Whatever stands before the last dot."""
RUNS_TEXT = {"eval", "exec", "compile", "__import__"}
"""Builtins that run text; methods of the same name (a network's `eval`, numba's `compile`) don't."""


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))}


def folder(module: str) -> str:
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "fleet" else parts[0]


def imported(tree: ast.AST, module: str) -> Iterator[str]:
    """The project's modules that a file imports, anywhere in it: also inside a function, also for types alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import in line {node.lineno}"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else str(node.module)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def graph() -> dict[str, set[str]]:
    return {
        module: {
            name
            for name in imported(tree_of(path), module)
            if name.partition(".")[0] in {*PACKAGES, "tests", "scripts"}
        }
        for module, path in MODULES.items()
    }


def test_imports_run_one_way_between_folders():
    wrong = [
        f"{module} imports {name}"
        for module, names in graph().items()
        for name in names
        if folder(name) != folder(module)
        and folder(name) not in MAY_IMPORT[folder(module)]
        and not (name == "fleet" and module == "fleet.core.config.load")  # asks where the package lies
    ]
    assert wrong == []


def test_files_import_each_other_in_no_circle():
    edges = {
        module: {name for name in names if name in MODULES and name != module and not module.startswith(f"{name}.")}
        for module, names in graph().items()
        if module != "fleet"
    }
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def unsafe(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] in UNSAFE_MODULES)
        elif isinstance(node, ast.ImportFrom):
            if str(node.module).partition(".")[0] in UNSAFE_MODULES:
                yield str(node.module)
            if node.module in ("torch", "numpy", "yaml") and any(alias.name == "load" for alias in node.names):
                yield f"{node.module}.load under another name, which this search wouldn't know"
        elif isinstance(node, ast.Call):
            yield from unsafe_call(node)


def unsafe_call(call: ast.Call) -> Iterator[str]:
    name = ast.unparse(call.func)
    options = {option.arg: ast.unparse(option.value) for option in call.keywords}
    if name.rpartition(".")[2] in UNSAFE_CALLS or name.removeprefix("builtins.") in RUNS_TEXT:
        yield name
    if name.startswith("torch.") and name.rpartition(".")[2] == "load" and options.get("weights_only") != "True":
        yield "torch.load without weights_only=True"
    if options.get("allow_pickle", "False") != "False" or (name in ("np.load", "numpy.load") and len(call.args) > 2):
        yield "allow_pickle"
    if name == "yaml.load" and options.get("Loader", "") not in ("yaml.SafeLoader", "SafeLoader"):
        yield "yaml.load without SafeLoader"
    if options.get("shell", "False") != "False" or None in options:
        yield from (f"{name} with a shell",) if "subprocess" in name else ()
    if name.endswith("unpackb") and ("ext_hook" in options or "object_hook" in options):
        yield "unpackb with a hook for objects"


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from pickle import loads",
        "torch.load(path)",
        "np.load(path, allow_pickle=True)",
        "socket.recv_pyobj()",
        "import msgpack_numpy as m",
        "torch.load(path, weights_only=False)",
        "torch.jit.load(path)",
        "np.load(path, None, True)",
        "np.load(path, allow_pickle=flag)",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.unsafe_load(text)",
        "eval(text)",
        "exec(text)",
        "builtins.eval(text)",
        "compile(text, name, 'exec')",
        "__import__(name)",
        "os.system(text)",
        "subprocess.run(text, shell=True)",
        "msgpack.unpackb(frame, object_hook=decode)",
        "from torch import load",
        "from numpy import load as read",
    ],
)
def test_the_search_for_pickles_finds_them(text):
    assert list(unsafe(ast.parse(text)))


@pytest.mark.parametrize(
    "text",
    [
        "torch.load(path, weights_only=True)",
        "np.load(path)",
        "np.load(path, allow_pickle=False)",
        "yaml.load(text, Loader=yaml.SafeLoader)",
        "network.eval()",
        "numba.njit(f).compile(signature)",
        "subprocess.run([command])",
        "json.loads(text)",
        "from json import load",
    ],
)
def test_the_search_for_pickles_leaves_the_rest_alone(text):
    assert list(unsafe(ast.parse(text))) == []


def test_nothing_is_unpickled():
    """Broken by a `torch.load(path)` in learners/, by `eval(text)` in fleet/core and by an `allow_pickle=True`."""
    found = {module: list(unsafe(tree_of(path))) for module, path in MODULES.items()}
    assert {module: what for module, what in found.items() if what} == {}


def sources() -> list[Path]:
    return [path for top in (*PACKAGES, "tests", "scripts") for path in sorted((ROOT / top).rglob("*.py"))]


def test_files_stay_short():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources()}
    allowed = {name: LONGEST_TEST if name.startswith("tests/") else LONGEST for name in lengths}
    assert {name: length for name, length in lengths.items() if length > allowed[name]} == {}


def test_no_loose_ends():
    marks = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
    assert [str(path.relative_to(ROOT)) for path in sources() if marks.search(path.read_text())] == []
