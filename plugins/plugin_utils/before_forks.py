"""What each process that Ansible forks for a task would load anew, loaded once, before it does.

Action plugins that are to be fast import this: Ansible reads their files in the process that all others come from.
"""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from ansible.plugins.loader import filter_loader, test_loader

# Asked for one of its own, a loader reads all that come with Ansible; every task has a condition or an option with some.
filter_loader.get("ternary")
test_loader.get("version")
# Of a collection's it reads all, too.
filter_loader.get("mlops.tfserving.absolute_path")
test_loader.get("mlops.tfserving.ours")
