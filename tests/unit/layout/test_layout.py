"""The layout and the language of the code, as far as a program can hold them."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from radon.complexity import cc_visit

ROOT = Path(__file__).parents[3]
CODE = sorted(path for top in ("factory", "plugins", "localcloud") for path in (ROOT / top).rglob("*.py"))
TREES = {str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8")) for path in CODE}

LONGEST, SHORTEST = 300, 15
TINY = {"__init__.py", "__main__.py"}

SHARED = {
    "Condor",  # plugins of several categories are found by one name in queues.conf
    "CondorEC2",
    "CondorLocal",
    "main",  # the entry point of a command
}
"""Public names that several modules may define."""

PLAIN, MOST = 15, 25
"""McCabe's cyclomatic complexity: at most PLAIN in the rooms that decide about machines, at most MOST elsewhere."""
DECIDING = ("factory/decide/", "factory/lifecycle/", "factory/audit/", "factory/health/")
FOR_LATER = {
    "factory/audit/history.py: observe",
    "factory/audit/snapshot.py: take_snapshot",
}
"""Functions that wait for a carving of their own."""

RIDDLES = re.compile(r"(What|Whether|Whose|Which|Who|How|Why|Where|Of|Those|So)\b")


def _docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "lineno", 1), text.splitlines()[0]


def _public(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name


def test_modules_are_neither_long_nor_tiny() -> None:
    lines = {path: len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in TREES}
    assert {path: n for path, n in lines.items() if n > LONGEST} == {}
    assert {path: n for path, n in lines.items() if n < SHORTEST and Path(path).name not in TINY} == {}


def test_every_room_says_what_it_is_about() -> None:
    rooms = {str(path.parent) for path in map(Path, TREES)}
    missing = [room for room in rooms if not ast.get_docstring(TREES.get(f"{room}/__init__.py", ast.parse("")))]
    assert missing == []


def test_public_names_have_one_meaning() -> None:
    where: dict[str, list[str]] = defaultdict(list)
    for path, tree in TREES.items():
        for name in _public(tree):
            where[name].append(path)
    assert {name: paths for name, paths in where.items() if len(paths) > 1 and name not in SHARED} == {}


def test_docstrings_begin_with_a_verb_or_a_noun() -> None:
    odd = [
        f"{path}:{n}: {line}" for path, tree in TREES.items() for n, line in _docstrings(tree) if RIDDLES.match(line)
    ]
    assert odd == []


@pytest.mark.parametrize("path", TREES)
def test_functions_are_simple(path: str) -> None:
    limit = PLAIN if path.startswith(DECIDING) else MOST
    blocks = cc_visit((ROOT / path).read_text(encoding="utf-8"))
    functions = [block for block in blocks if not hasattr(block, "methods")]
    found = {f"{path}: {block.name}": block.complexity for block in functions if block.complexity > limit}
    assert {name: n for name, n in found.items() if name not in FOR_LATER} == {}
