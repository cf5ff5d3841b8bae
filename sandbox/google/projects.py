"""What follows from a project's name alone: its number and its workload identity pool."""

from __future__ import annotations

import hashlib


def project_number(project: str) -> str:
    """A number that stands for the project, the same each time."""
    return str(100_000_000_000 + int(hashlib.sha256(project.encode()).hexdigest()[:9], 16) % 900_000_000_000)


def workload_identity(project: str, namespace: str, account: str) -> str:
    """The principal of a Kubernetes service account in the project's workload identity pool."""
    number = project_number(project)
    pool = (
        f"iam.googleapis.com/projects/{number}/locations/global/workloadIdentityPools/{project}.svc.id.goog"
    )
    return f"principal://{pool}/subject/ns/{namespace}/sa/{account}"
