"""A room logs what a transaction did with `log_when_committed`: after a rollback it did not happen."""

import ast
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "digest"


def test_no_room_logs_what_may_still_be_rolled_back() -> None:
    facts = {
        "relay refused, backing off",
        "partition in use, dropped later",
    }  # true whatever becomes of the transaction
    found = []
    for path, source in ((path, path.read_text()) for path in sorted(SOURCE.rglob("*.py"))):
        for function in ast.walk(ast.parse(source)) if "LOG." in source else ():
            if not isinstance(function, ast.FunctionDef) or "session" not in {
                argument.arg for argument in function.args.args
            }:
                continue
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and ast.unparse(call.func).startswith("LOG."):
                    found += [(path.name, word) for word in {ast.unparse(call.args[0]).strip("'")} - facts]
    assert found == [], "log these with digest.committed_log"
