"""What modules of this collection that ask Google have in common, beside their options."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
requirements:
  - google-auth (Python package)
  - requests (Python package)
attributes:
  action_group:
    support: full
    description: The groups whose C(module_defaults) reach it.
    membership: [mlops.tfserving.all, mlops.tfserving.gcp]
"""

    PLANNED = r"""
attributes:
  check_mode:
    support: full
    description: The plan is made and shown, and nothing is changed.
  diff_mode:
    support: full
    description: Shows what is there before and after.
  idempotent:
    support: full
    description: A second run changes nothing.
"""
