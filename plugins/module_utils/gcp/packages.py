"""What every module needs that asks Google, imported: a module that may have nothing to ask does without this."""

from __future__ import annotations

from .auth import GOOGLE_AUTH_IMPORT_ERROR

PACKAGES = {"google-auth and requests": GOOGLE_AUTH_IMPORT_ERROR}
"""And why it can't be imported here, if so."""
