"""What can be wrong with the storage role's variables: what the module that makes the bucket would refuse."""

from __future__ import annotations

from ..gcs import bucket, iam
from .arguments import refusals, typed
from .reading import Variables

_RULE = "bucket-options"
_ROLE = "The role's defaults/main.yml says what it takes."


def check_storage(variables: Variables) -> None:
    if variables.given.get("serving_model_source", "bucket") != "bucket":
        return  # Where the model is elsewhere, site.yml makes no bucket. The role by itself does not know.
    options = {
        "name": variables.text("storage_bucket"),
        "soft_delete_seconds": variables.given.get("storage_soft_delete_seconds"),
    }
    for text in refusals(lambda: bucket.check(options)):
        variables.tell("storage_bucket", text, _ROLE, rule=_RULE)
    tags, served = variables.listing("storage_model_tags"), variables.listing("serving_model_tags")
    if served and set(tags) != set(served):
        reason = f"TF Serving is told to serve the graph with others (serving_model_tags, {', '.join(map(str, served))})"
        variables.refuse("storage_model_tags", reason, "Set serving_model_tags alone, which both follow")
    name = "storage_iam_members"
    grants = variables.listing(name)
    for number, grant in enumerate(grants):
        _unused, wrongs = typed(grant, iam.GRANT_ARGUMENTS)
        members = grant.get("members") or []
        if not isinstance(members, list) or not all(
            isinstance(one, str) for one in (grant.get("role"), *members)
        ):
            wrongs = wrongs or ["role has to be a text, and members a list of texts"]
        for text in wrongs:
            variables.unreadable.add(name)
            variables.tell(name, f"{name}[{number}]: {text}", "Write {role: …, members: […]}.", rule=_RULE)
        if wrongs:
            return
    for text in refusals(lambda: iam.check(grants, variables.project, private=True)):
        variables.tell(name, text, _ROLE, rule=_RULE)
