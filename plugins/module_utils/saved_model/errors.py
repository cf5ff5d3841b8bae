"""What can be wrong with a SavedModel's files."""

from __future__ import annotations


class InvalidModel(Exception):
    """A file of the model can't be read for what it should be; the text says which and why."""
