"""Checks the consumer files beside this one with every type checker, as a user's editor would.

    python check.py PYTHON      (PYTHON: an interpreter that has the built wheel installed)

A line marked `# E` must be an error, and no other line may be one. `# E !ty` excepts a checker: there the line must
pass. Run it on a copy outside the tree, or the checkers find the project's own settings and source.
"""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
FILES = ["consumer_ok.py", "consumer_errors.py"]
TOOLS = Path(sys.executable).parent

Lines = set[tuple[str, int]]


def commands(python: str) -> dict[str, list[str]]:
    return {
        "mypy": ["--strict", "--no-error-summary", "--python-executable", python],
        "pyright": ["--pythonpath", python],  # strict by a comment in the files
        "ty": ["check", "--output-format", "concise", "--python", python],
        "pyrefly": ["check", "--preset", "strict", "--output-format", "min-text", "--python-interpreter-path", python],
    }


def expected(checker: str) -> Lines:
    return {
        (name, number)
        for name in FILES
        for number, line in enumerate((HERE / name).read_text().splitlines(), 1)
        if (mark := re.search(r"# E\b(.*)", line)) and f"!{checker}" not in mark[1]
    }


def reported(output: str) -> Lines:
    """The lines with an error. All four print `FILE.py:LINE:` and the severity in one line, if in different places."""
    return {
        (place[1], int(place[2]))
        for line in output.splitlines()
        if (place := re.search(r"(consumer_\w+\.py):(\d+):", line))
        and re.search("error", line.replace(place[1], ""), re.IGNORECASE)
        and ": note:" not in line
    }


def check(checker: str, arguments: list[str]) -> bool:
    output = subprocess.run([TOOLS / checker, *arguments, *FILES], cwd=HERE, capture_output=True, text=True).stdout
    want, got = expected(checker), reported(output)
    for name, number in sorted(want - got):
        print(f"{checker}: {name}:{number}: no error: {(HERE / name).read_text().splitlines()[number - 1].strip()}")
    if got - want:
        print(f"{checker}: errors where none should be: {sorted(got - want)}", output, sep="\n")
    return want == got


if __name__ == "__main__":
    # No generator: every checker shall have its say.
    sys.exit(not all([check(*item) for item in commands(sys.argv[1]).items()]))  # noqa: C419
