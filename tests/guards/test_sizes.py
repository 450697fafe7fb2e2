"""Functions, modules and packages stay small enough to read in one go."""

import ast
import statistics
from collections import defaultdict
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "digest"
FUNCTION_MEDIAN, FUNCTION_P90, FUNCTION_MAX = 7, 17, 50
MODULE_MEDIAN, MODULE_MAX = 105, 300
PACKAGE_MODULES = 25


def function_lengths() -> dict[str, int]:
    """Lines of every function, decorators and docstring included, by `path:line name`."""
    lengths = {}
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                place = f"{path.relative_to(SOURCE)}:{node.lineno} {node.name}"
                lengths[place] = _body_lines(node)
    return lengths


def _body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the statements, without the signature and the docstring."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0  # type: ignore[operator]


def module_lengths() -> dict[str, int]:
    """Lines of every module, by path; a package's empty `__init__` is not one."""
    lengths = {
        str(path.relative_to(SOURCE)): path.read_text().count("\n") for path in sorted(SOURCE.rglob("*.py"))
    }
    return {path: lines for path, lines in lengths.items() if lines > 1}


def longest(lengths: dict[str, int], limit: int) -> list[str]:
    over = sorted(((lines, place) for place, lines in lengths.items() if lines > limit), reverse=True)
    return [f"{place} has {lines} lines (at most {limit})" for lines, place in over]


def test_functions_are_short() -> None:
    lengths = function_lengths()
    assert not longest(lengths, FUNCTION_MAX), "\n".join(longest(lengths, FUNCTION_MAX))
    median = statistics.median(lengths.values())
    p90 = statistics.quantiles(lengths.values(), n=10)[-1]
    assert median <= FUNCTION_MEDIAN, f"half of all functions have more than {median} lines"
    assert p90 <= FUNCTION_P90, f"a tenth of all functions have more than {p90} lines"


def test_modules_are_short() -> None:
    lengths = module_lengths()
    assert not longest(lengths, MODULE_MAX), "\n".join(longest(lengths, MODULE_MAX))
    median = statistics.median(lengths.values())
    assert median <= MODULE_MEDIAN, f"half of all modules have more than {median} lines"


def test_packages_hold_few_modules() -> None:
    packages: defaultdict[Path, int] = defaultdict(int)
    for path in SOURCE.rglob("*.py"):
        packages[path.parent] += path.name != "__init__.py"
    crowded = [
        f"{folder.relative_to(SOURCE.parent)} holds {count} modules (at most {PACKAGE_MODULES})"
        for folder, count in packages.items()
        if count > PACKAGE_MODULES
    ]
    assert not crowded, "\n".join(crowded)
