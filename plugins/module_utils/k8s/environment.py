"""What the environment says of a cluster, and where it would lead others to another one than us. Pure."""

from __future__ import annotations

from collections.abc import Mapping

OPTIONS = (
    "API_KEY", "CA_CERT", "CERT_FILE", "CLIENT_CERT", "CLIENT_KEY", "CONTEXT", "HOST", "IMPERSONATE_GROUPS",
    "IMPERSONATE_USER", "KEY_FILE", "NO_PROXY", "PASSWORD", "PROXY", "PROXY_HEADERS_BASIC_AUTH",
    "PROXY_HEADERS_PROXY_BASIC_AUTH", "PROXY_HEADERS_USER_AGENT", "SSL_CA_CERT", "USERNAME", "VALIDATE_CERTS", "VERIFY_SSL",
)  # fmt: skip
"""Options of a connection that kubernetes.core takes from K8S_AUTH_… for itself, even over the kubeconfig that a task has.
https://docs.ansible.com/ansible/latest/collections/kubernetes/core/k8s_module.html"""


def contradiction(environment: Mapping[str, str]) -> tuple[str, str]:
    """Why tasks would not all reach one cluster, and the hint; both empty where they do."""
    found = [name for option in OPTIONS if (name := f"K8S_AUTH_{option}") in environment]
    if not found:
        return "", ""
    return (
        f"the environment has {', '.join(found)}: modules of kubernetes.core, by which roles write, follow that even "
        "over a kubeconfig that they are given, and those that read do not: it would be another cluster",
        f"Unset it (env {' '.join(f'-u {name}' for name in found)} ansible-playbook …; in AWX take the Kubernetes "
        "credential off the job template), and name a cluster that exists by its kubeconfig, in cluster_existing_kubeconfig.",
    )
