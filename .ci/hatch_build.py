"""Build hook: the wheel also holds the module's types.

PEP 561 has no way to mark a single module as typed, so mypy takes an installed `pixigpt.py` for untyped.
It and every other checker do read a stubs package, and the module is its own best stub.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class StubsHook(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        # An editable install leads to the module in the tree; a copy beside it would soon be out of date.
        if version == "standard":
            # A file that is force-included is no longer included under its own name: hence a copy of it.
            self.directory_of_copy = tempfile.TemporaryDirectory()
            copy = shutil.copy(Path(self.root, "pixigpt.py"), self.directory_of_copy.name)
            build_data["force_include"][copy] = "pixigpt-stubs/__init__.pyi"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version == "standard":
            self.directory_of_copy.cleanup()
