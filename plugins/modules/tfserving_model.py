#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

"""Asks every ready pod for the state of its models, for golden predictions, and how fast it answers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: tfserving_model
short_description: Check that every ready pod serves a model's version, and answers as expected
version_added: 0.1.0
description:
  - Asks each ready pod on its own, through the API server, so that one bad pod among many is found, and so that a
    pod outside of every Service can be asked.
  - Each must have the model's version in state AVAILABLE and, where given, answer golden predictions within
    their tolerance, and fast enough.
  - Pods are compared with each other, too. Where the right answer is not known (a golden prediction without
    O(golden[].expect)) a pod that answers otherwise than most is a problem.
  - Fails with a list of every pod that differs. Changes nothing in the cluster.
  - Records golden predictions of the version in production, to measure the next one by.
  - A pod that ends while it is asked does not count.
author: The mlops.tfserving developers (!UNKNOWN)
extends_documentation_fragment:
  - mlops.tfserving.options.tfserving_model
  - mlops.tfserving.kubernetes
attributes:
  check_mode:
    support: full
    description: Asks the pods as ever; with O(state=recorded) the file is not written.
  diff_mode:
    support: full
    description: Shows the versions and answers in the file before and after with O(state=recorded).
  idempotent:
    support: full
    description: A file that says the same already is left alone.
"""

OPTIONS = r"""
state:
  - V(checked) asks, and fails if something is not as wanted.
  - V(recorded) asks and writes the answers to O(golden_file). Nothing is written when pods disagree, and nothing changes
    when the file says the same already (within the tolerances). Without O(golden) the requests in the file are asked
    again.
namespace: Namespace of the pods.
deployment: Name of the Deployment whose pods are asked; or else O(label_selector) or O(pod).
label_selector: Label selector of the pods.
pod: Name of the only pod to ask, which needs to belong to nothing.
model: Name of the model; or else O(models).
version: The version that must be available; without it any, and the latest is asked.
label:
  - The version label by which the model is asked, such as V(stable).
  - With O(version) the label must point to that version.
golden: Requests, as a rule with known answers.
golden.name: Name of the request, for messages; each has its own.
golden.signature_name: Signature of the model to call.
golden.instances: Inputs in row format; or else O(golden[].inputs).
golden.inputs: Inputs in column format.
golden.expect:
  - What RV(ignore:predictions) (row format) or RV(ignore:outputs) (column format) must be.
  - Of an object only the keys given here are compared, of a list all elements. Texts and labels must be the same; NaN is
    the same as NaN.
  - Without it the pods are only compared with each other.
golden.tolerance: By how much a number may differ.
golden.relative_tolerance: By which share of what is expected a number may differ; the larger of the two counts.
golden.tolerances:
  - Other tolerances for some of the model's outputs, by the output's name.
  - Each is a dictionary of C(absolute) and C(relative); what is not given there is 0.
models: Several models, versions or labels, instead of O(model), O(version), O(label) and O(golden).
models.name: Name of the model.
models.version: As O(version).
models.label: As O(label).
models.golden: As O(golden).
golden_file:
  - A JSON file of golden predictions on the machine where the module runs.
  - With O(state=checked) it is read; its predictions of each model are asked beside those in O(golden).
  - With O(state=recorded) it is written, at once or not at all.
latency:
  - Measures how long each pod takes to answer the golden predictions, one request after the other and one pod after the
    other, after they were answered once.
  - The way through the API server is part of it; RV(pods[].latency) tells about how much.
latency.requests: How many requests are measured of each model on each pod.
latency.p50_ms: Milliseconds that the median must not exceed.
latency.p95_ms: Milliseconds that 95 of 100 requests must not exceed.
protocol:
  - How the pods are asked.
  - V(rest) needs no more than the API server's proxy (permission C(pods/proxy)).
  - V(grpc) needs the Python packages C(grpcio) and C(protobuf), and goes through a port forward of the API server
    (permission C(pods/portforward)). The inputs are written as for V(rest), and converted by the model's signature.
port: REST port to ask, of the model server itself or of a proxy in the pod.
grpc_port: gRPC port to ask with O(protocol=grpc).
minimum_pods: Fail when fewer pods than this are ready.
timeout: Seconds to wait for one answer.
"""

EXAMPLES = r"""
- name: Every pod answers with version 3, and knows an espresso
  mlops.tfserving.tfserving_model:
    kubeconfig: "{{ cluster_kubeconfig }}"
    namespace: tfserving
    deployment: image-classifier
    model: image_classifier
    version: 3
    golden:
      - name: coffee
        signature_name: serving_preprocess
        instances: [{b64: "{{ coffee_jpeg_base64 }}"}]
        expect: [{labels: [espresso, cup, eggnog, soup bowl, coffee mug]}]

- name: Record what the version in production answers
  mlops.tfserving.tfserving_model:
    state: recorded
    namespace: tfserving
    deployment: image-classifier
    model: image_classifier
    golden_file: golden/image_classifier.json
    golden:
      - name: coffee
        signature_name: serving_preprocess
        instances: [{b64: "{{ coffee_jpeg_base64 }}"}]
        tolerances:
          probabilities: {absolute: 0.01, relative: 0.02}

- name: The one pod with the new version answers alike, and fast enough
  mlops.tfserving.tfserving_model:
    namespace: tfserving
    pod: image-classifier-gate
    model: image_classifier
    version: 4
    golden_file: golden/image_classifier.json
    latency: {requests: 50, p95_ms: 120}

- name: Both labels are served, and by gRPC
  mlops.tfserving.tfserving_model:
    namespace: tfserving
    label_selector: app=image-classifier
    protocol: grpc
    models:
      - {name: image_classifier, label: stable, version: 3}
      - {name: image_classifier, label: canary, version: 4}
"""

RETURN = r"""
pods:
  description: One entry for each ready pod.
  type: list
  elements: dict
  returned: when pods were asked
  contains:
    pod: {description: Name of the pod., type: str}
    node: {description: Its node., type: str}
    versions: {description: State of each version that it has of the (first) model., type: dict}
    models: {description: "The same of every model asked for, by name and version or label.", type: dict}
    ok: {description: Whether it is as wanted., type: bool}
    problems: {description: What differs., type: list, elements: str}
    latency:
      description:
        - What was measured of each model, in milliseconds, as C(requests), C(p50_ms), C(p95_ms) and C(max_ms).
        - C(round_trip_ms) is the median of requests that only ask for the model's state, which is about the part
          that the way to the pod takes.
      type: dict
skew:
  description: Pods that differ from most others, in available versions or answers.
  type: list
  elements: dict
  returned: when pods were asked
  contains:
    subject: {description: In what they differ., type: str}
    pod: {description: The pod that differs., type: str}
    reference: {description: A pod of the majority., type: str}
    differences: {description: "Where, and by how much.", type: list, elements: str}
spread:
  description: By how much numbers differ at most between pods, within tolerances or not, for each golden prediction.
  type: dict
  returned: when pods were asked
  sample: {"golden coffee of image_classifier/3": 0.0}
gone:
  description: Pods that ended while they were asked, and do not count.
  type: list
  elements: str
  returned: when pods were asked
recorded:
  description: The version whose answers the file holds now, by model.
  type: dict
  returned: with O(state=recorded)
  sample: {image_classifier: 3}
"""

from ..module_utils import outcome
from ..module_utils.k8s.options import PACKAGES, Json, answered, client_from_params, module_spec
from ..module_utils.model_server.connect import missing_packages
from ..module_utils.model_server.converge import converge
from ..module_utils.model_server.options import ARGUMENTS, RULES

SPEC = module_spec(rules=RULES, **ARGUMENTS)


def answer(params: Json, *, check_mode: bool) -> Json:
    lacking = missing_packages(params["protocol"])
    return lacking or answered(lambda: converge(client_from_params(params), params, check_mode))


def main() -> None:
    outcome.main(SPEC, PACKAGES, answer)


if __name__ == "__main__":
    main()
