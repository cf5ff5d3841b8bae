"""Options of modules that ask a model server, with that server's own ports."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from ..module_utils.model_server.runtime import TF_SERVING


class ModuleDocFragment:
    DOCUMENTATION: str = f"""
options:
  port:
    description: REST port to ask, of the model server itself or of a proxy in the pod.
    type: int
    default: {TF_SERVING.rest_port}
  grpc_port:
    description: gRPC port to ask with O(protocol=grpc).
    type: int
    default: {TF_SERVING.grpc_port}
"""
