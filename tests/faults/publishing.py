"""What a publisher's process does."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

ROOT = Path(__file__).resolve().parents[2]
if not any(isinstance(finder, _AnsibleCollectionFinder) for finder in sys.meta_path):
    _AnsibleCollectionFinder(paths=[str(ROOT / ".collections")])._install()

import requests  # noqa: E402, F401 what the module imports late
from ansible.module_utils.testing import patch_module_args  # noqa: E402
from ansible_collections.mlops.tfserving.plugins.modules import gcs_saved_model  # noqa: E402


def run(arguments: dict[str, Any], cache: str, output: str) -> None:
    os.environ["XDG_CACHE_HOME"] = cache
    with Path(output).open("w") as file, contextlib.redirect_stdout(file), patch_module_args(arguments):
        gcs_saved_model.main()
