"""Python's own bytecode for this collection, as soon as a plugin imports anything of this package: Ansible's importer keeps none,
and compiles in each run what tasks import.
"""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader
from types import ModuleType

_OURS = f"{__name__.rpartition('.')[0]}."

_finder = cache(lambda folder: FileFinder(folder, (SourceFileLoader, SOURCE_SUFFIXES)))


class Bytecode:
    """Finds the collection's files as Python finds others; folders that are packages by Ansible's word are left to it."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not name.startswith(_OURS):
            return None
        found = (_finder(folder).find_spec(name) for folder in path or ())
        return next((spec for spec in found if spec and spec.loader), None)


if not any(isinstance(finder, Bytecode) for finder in sys.meta_path):
    sys.meta_path.insert(0, Bytecode())
