"""Builds the Lambda layer that has pixigpt: the same bytes from the same pixigpt.py, whoever builds it, and wherever.

    python examples/aws_lambda/build_layer.py [layer.zip]

The layer fits every Python runtime and both architectures: it is one file without dependencies. Comments, docstrings
and most of the indentation leave it, but the lines stay, so that a traceback names those of the original. (Only a
Python that is built with zlib-ng packs the same content into other bytes.)
"""

import ast
import importlib.util
import io
import sys
import tokenize
import zipfile
from pathlib import Path

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def find_source() -> Path:
    """The pixigpt.py of this checkout, else the installed one."""
    source = Path(__file__).resolve().parent.parent.parent / "pixigpt.py"
    if source.exists():
        return source
    spec = importlib.util.find_spec("pixigpt")
    if spec is None or spec.origin is None:
        sys.exit("build_layer.py: there is no pixigpt: pip install pixigpt")
    return Path(spec.origin)


def stripped(source: str) -> str:
    lines = source.split("\n")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    in_texts: set[int] = set()  # indices of lines that begin within a text, whose spaces are its own
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node):
            text = node.body[0]
            end = text.end_lineno or text.lineno
            lines[text.lineno - 1 : end] = [" " * text.col_offset + '""', *[""] * (end - text.lineno)]
        elif isinstance(node, (ast.Constant, ast.JoinedStr)):
            in_texts.update(range(node.lineno, node.end_lineno or node.lineno))
    for index, line in enumerate(lines):
        if index not in in_texts:
            code = line.lstrip(" ")
            lines[index] = " " * ((len(line) - len(code)) // 4) + code
    return "\n".join(lines)


def build(path: Path) -> None:
    entry = zipfile.ZipInfo("python/pixigpt.py")  # where Lambda looks; as old as a zip can say, 1980
    entry.create_system = 3  # Unix, also when Windows builds it ...
    entry.external_attr = 0o100644 << 16  # ... a file that everybody may read
    entry.compress_type = zipfile.ZIP_DEFLATED
    source = find_source().read_text("utf-8")  # with one kind of line ends, as a checkout on Windows has others
    with zipfile.ZipFile(path, "w") as layer:
        layer.writestr(entry, stripped(source), compresslevel=9)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit("usage: build_layer.py [layer.zip]")
    output = Path(sys.argv[1] if len(sys.argv) == 2 else "layer.zip")
    build(output)
    print(f"{output}: {output.stat().st_size:,} bytes")
