"""Variables that have another name now. The old one is taken for one release, with a warning.

For each the role's default of the new name is the old one: ``"{{ old | default('') }}"``.
"""

from __future__ import annotations

RENAMED = {
    # Beside cluster_kubeconfig_path, which is written, the name did not say that it is read.
    "cluster_kubeconfig_file": "cluster_existing_kubeconfig",
    # As serving_model_version and storage_model_version; Locust has a version, too.
    "loadtest_version": "loadtest_model_version",
}
"""New names by old ones."""
