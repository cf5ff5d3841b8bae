"""What can be wrong with the load test's variables. Payload and limits are held against the model by
mlops.tfserving.locust_prepare.
"""

from __future__ import annotations

from pathlib import Path

from ..loadtest.own_locustfile import LocustfileError, check_locustfile
from ..loadtest.shapes import ShapeError, plan, read_shape
from ..paths import absolute_path
from .images import check_images
from .reading import Variables


def check_loadtest(variables: Variables) -> None:
    variables.integer("loadtest_workers", 1)
    check_images(variables, "loadtest")
    _check_shape(variables)
    for name, minimum, example in (
        ("loadtest_master_cpu", "1m", "500m"),
        ("loadtest_worker_cpu", "1m", "1 or 500m"),
        ("loadtest_memory", "16Mi", "256Mi"),
    ):
        variables.amount(name, minimum, example)


def _check_shape(variables: Variables) -> None:
    """With the files that it names, which begin in the folder where Ansible was started."""
    name = "loadtest_shape"
    shape = variables.mapping(name)
    if shape.get("file"):
        shape["file"] = absolute_path(str(shape["file"]))
    model = str(shape.get("model") or "closed")
    if shape:
        try:
            model = plan(read_shape(shape)).model
        except ShapeError as error:
            variables.refuse(name, str(error), "docs/loadtest.md has all shapes")
    own = variables.text("loadtest_locustfile")
    if own:
        try:
            check_locustfile(Path(absolute_path(own)), model)
        except LocustfileError as error:
            variables.refuse(
                "loadtest_locustfile",
                str(error),
                "docs/loadtest.md says what a locustfile of one's own may do",
            )
