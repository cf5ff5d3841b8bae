"""How teardown is started against the emulated Google."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from emulator import Emulator

ROOT = Path(__file__).resolve().parents[3]


def played(emulator: Emulator, url: str, folder: Path, *arguments: str, **variables: Any) -> dict[str, Any]:
    """What subprocess takes to run the playbook. ``folder`` has the kubeconfig, and below reports/ receipts."""
    given = {
        "storage_bucket": "models", "storage_api_endpoint": url, "cluster_api_endpoint": url, "cluster_name": "none",
        "preflight_api_endpoint": url, "loadtest_reports_dir": str(folder / "reports"), "teardown_wait": 0,
        "gcp_project": "sandbox-project", "gcp_auth_kind": "accesstoken", "serving_namespace": "shared",
        "cluster_existing_kubeconfig": "", "cluster_kubeconfig_path": str(folder / "config"), "teardown_bucket": True,
        **variables,
    }  # fmt: skip
    return {
        "args": [
            Path(sys.executable).parent / "ansible-playbook", "-i", "inventories/existing", "playbooks/teardown.yml",
            "-e", json.dumps(given), *arguments,
        ],
        "cwd": ROOT,
        "env": {
            **os.environ, "ANSIBLE_NOCOLOR": "1", "GCP_ACCESS_TOKEN": emulator.token,
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        },
    }  # fmt: skip
