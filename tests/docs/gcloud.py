"""gcloud's commands in the documentation, and the flags that are used of each; held against gcloud where it is installed."""

FLAGS: dict[str, set[str]] = {
    "auth application-default login": {"--impersonate-service-account"},
    "billing projects link": {"--billing-account"},
    "compute regions describe": {"--project", "--flatten", "--format"},
    "container clusters list": set(),
    "container clusters update": {"--location", "--update-labels"},
    "iam roles create": {"--project", "--file"},
    "iam service-accounts add-iam-policy-binding": {"--project", "--member", "--role"},
    "iam service-accounts create": {"--project"},
    "iam service-accounts keys create": {"--iam-account"},
    "projects add-iam-policy-binding": {"--condition", "--member", "--role"},
    "projects create": set(),
    "projects delete": set(),
    "services enable": {"--project"},
    "storage buckets update": {"--update-labels"},
}
