"""Makes the collection importable as Ansible imports it, so that tests and modules share one code path."""

from __future__ import annotations

from pathlib import Path

from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

_AnsibleCollectionFinder(paths=[str(ROOT / ".collections")])._install()

# How long an example takes is the machine's affair.
settings.register_profile("default", deadline=None)
settings.load_profile("default")
