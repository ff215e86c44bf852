"""Builds the Lambda layer that has pixigpt: the same bytes from the same pixigpt.py, whoever builds it, and wherever.

    python examples/aws_lambda/build_layer.py [--bytecode] [layer.zip]

The layer fits every Python runtime and both architectures: it is one file without dependencies. Comments, docstrings
and most of the indentation leave it, but the lines stay, so that a traceback names those of the original. (Only a
Python that is built with zlib-ng packs the same content into other bytes.)

Lambda cannot write to a layer, so Python compiles the file at each cold start. With --bytecode the layer also has what
the Python that runs this makes of it; functions with another version of Python compile the file as before.
"""

import argparse
import ast
import importlib.util
import io
import py_compile
import sys
import tempfile
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


def compiled(source: str) -> tuple[str, bytes]:
    """The name and the content of the file in which Python looks for the bytecode of python/pixigpt.py."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "pixigpt.py")
        file.write_text(source, "utf-8")
        unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH  # without a look at the time of the file
        place = py_compile.compile(str(file), dfile="/opt/python/pixigpt.py", doraise=True, invalidation_mode=unchecked)
        cache = Path(str(place))
        return f"python/__pycache__/{cache.name}", cache.read_bytes()


def build(path: Path, bytecode: bool) -> None:
    source = stripped(find_source().read_text("utf-8"))  # with one kind of line ends; a checkout on Windows has others
    files = {"python/pixigpt.py": source.encode()}  # where Lambda looks
    files.update([compiled(source)] if bytecode else [])
    with zipfile.ZipFile(path, "w") as layer:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)  # as old as a zip can say, 1980
            entry.create_system = 3  # Unix, also when Windows builds it ...
            entry.external_attr = 0o100644 << 16  # ... a file that everybody may read
            entry.compress_type = zipfile.ZIP_DEFLATED
            layer.writestr(entry, content, compresslevel=9)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", nargs="?", default="layer.zip", type=Path, help="where to (layer.zip)")
    parser.add_argument("--bytecode", action="store_true", help="spare functions with this Python the compiling")
    options = parser.parse_args()
    try:
        build(options.output, options.bytecode)
    except OSError as error:
        sys.exit(f"build_layer.py: {error}")
    print(f"{options.output}: {options.output.stat().st_size:,} bytes")
