"""What every module of this collection that talks to a Kubernetes cluster has in common, beside its options."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
requirements:
  - kubernetes (Python package)
attributes:
  action_group:
    support: full
    description: The groups whose C(module_defaults) reach it.
    membership: [mlops.tfserving.all, mlops.tfserving.k8s]
"""
