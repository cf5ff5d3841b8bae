"""Where a path leads that stands in a variable of the roles."""

from __future__ import annotations

import os
from typing import Any


def absolute_path(path: Any) -> str:
    """Counted from the current folder. Links stay links: an archive's name tells its kind."""
    text = str(path or "")
    if not text or text.startswith("gs://"):
        return text
    # As Ansible does it for an option of the type path. Path's own way fails for a user that does not exist.
    return os.path.abspath(os.path.expandvars(os.path.expanduser(text)))  # noqa: PTH100, PTH111
