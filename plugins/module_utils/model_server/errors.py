"""What can be wrong with what is asked of a model, and with what it answers."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations


class GoldenError(Exception):
    """Golden predictions that cannot be used; the text says which, why, and the way out."""


class BadAnswer(Exception):
    """The model server (or what lies between) answered, but not with what was asked for."""
