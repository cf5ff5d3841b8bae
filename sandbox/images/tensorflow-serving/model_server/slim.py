"""TensorFlow without most of its Python API, whose import takes half the CPU time of a small replica's start."""

from __future__ import annotations

import importlib.util
import sys
import types


def use_slim_tensorflow() -> None:
    """From now on its modules can be imported one by one, and `import tensorflow` imports none. Call it first."""
    for name in ("tensorflow", "tensorflow.python"):
        spec = importlib.util.find_spec(name)
        if name in sys.modules or spec is None:
            return
        package = types.ModuleType(name)
        package.__spec__, package.__path__ = spec, list(spec.submodule_search_locations or [])
        sys.modules[name] = package
