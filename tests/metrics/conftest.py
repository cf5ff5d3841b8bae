"""The faults of sources are a drill, too."""

from __future__ import annotations

from tests.drills.report import as_often_as_told as pytest_generate_tests

__all__ = ["pytest_generate_tests"]
