"""`python -m tasks.coloring.checker FILE...`: one line per file, exit code 0 iff all are valid."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tasks.coloring.checker import Verdict, check
from tasks.coloring.checker.limits import MAX_BYTES

EXIT_CODES = {"valid": 0, "invalid": 1, "refused": 2}


def check_file(path: Path) -> Verdict:
    """The verdict for a file; one that cannot be read is refused."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        return Verdict("refused", f"it cannot be read: {getattr(error, 'strerror', None) or error}")
    return check(data, path.name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Check files and print a line for each; the exit code is 1 if one is invalid, 2 if refused."""
    parser = argparse.ArgumentParser(
        prog="python -m tasks.coloring.checker",
        description="Check certificates of plane colorings in exact arithmetic.",
        epilog="Exit code: 0 all valid, 1 one is invalid, 2 one is refused or cannot be read.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="print one JSON object per file")
    options = parser.parse_args(arguments)
    code = 0
    for path in options.files:
        verdict = check_file(path)
        code = max(code, EXIT_CODES[verdict.state])
        if options.json:
            line = json.dumps(
                {
                    "file": str(path),
                    "state": verdict.state,
                    "reason": verdict.reason,
                    "details": dict(verdict.details),
                }
            )
        else:
            line = str(verdict) if len(options.files) == 1 else f"{path}: {verdict}"
        is_plain = line.isascii() and line.isprintable()
        sys.stdout.write((line if is_plain else ascii(line)[1:-1]) + "\n")
        sys.stdout.flush()
    return code


if __name__ == "__main__":
    sys.exit(main())
