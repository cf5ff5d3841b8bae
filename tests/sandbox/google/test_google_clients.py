"""Google's own clients, as they are, against the emulated GKE over HTTP."""

from __future__ import annotations

import json
import time
from importlib.resources import files
from typing import Any

import pytest
from emulator import PROJECT, ZONE, Emulator
from google.api_core.exceptions import BadRequest, Conflict, NotFound
from google.cloud import container_v1
from google.cloud.container_v1.services.cluster_manager.transports import ClusterManagerRestTransport
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build_from_document
from googleapiclient.errors import HttpError

from sandbox.google.descriptors import NUMBERS, OPTIONAL
from sandbox.google.discovery import load

PARENT = f"projects/{PROJECT}/locations/{ZONE}"
CLUSTER = f"{PARENT}/clusters/c"


@pytest.fixture
def gke(emulator: Emulator, url: str) -> container_v1.ClusterManagerClient:
    transport = ClusterManagerRestTransport(
        host=url.removeprefix("http://"), url_scheme="http", credentials=Credentials(emulator.token)
    )
    return container_v1.ClusterManagerClient(transport=transport)


def finished(gke: container_v1.ClusterManagerClient, operation: Any) -> Any:
    done = container_v1.Operation.Status.DONE
    deadline = time.monotonic() + 10
    while operation.status != done:
        assert time.monotonic() < deadline
        operation = gke.get_operation(name=f"{PARENT}/operations/{operation.name}")
    return operation


def test_google_cloud_container_runs_a_life(gke: container_v1.ClusterManagerClient) -> None:
    surge = container_v1.NodePool.UpgradeSettings(strategy="BLUE_GREEN")
    pool = container_v1.NodePool(
        name="default-pool",
        upgrade_settings=surge,
        initial_node_count=1,
        config=container_v1.NodeConfig(
            machine_type="e2-small",
            taints=[
                container_v1.NodeTaint(key="a", value="b", effect=container_v1.NodeTaint.Effect.NO_SCHEDULE)
            ],
        ),
        autoscaling=container_v1.NodePoolAutoscaling(enabled=True, min_node_count=1, max_node_count=3),
    )
    channel = container_v1.ReleaseChannel(channel=container_v1.ReleaseChannel.Channel.RAPID)
    wanted = container_v1.Cluster(name="c", node_pools=[pool], release_channel=channel)
    operation = finished(gke, gke.create_cluster(parent=PARENT, cluster=wanted))
    assert not operation.error.message
    cluster = gke.get_cluster(name=CLUSTER)
    assert cluster.status == container_v1.Cluster.Status.RUNNING
    assert cluster.release_channel == channel
    assert cluster.node_pools[0].config.taints == pool.config.taints
    assert cluster.node_pools[0].upgrade_settings.strategy == surge.strategy
    assert [found.name for found in gke.list_clusters(parent=f"projects/{PROJECT}/locations/-").clusters] == [
        "c"
    ]
    with pytest.raises(Conflict, match="Already exists"):
        gke.create_cluster(parent=PARENT, cluster=wanted)

    update = container_v1.ClusterUpdate(
        desired_vertical_pod_autoscaling=container_v1.VerticalPodAutoscaling(enabled=True), etag=cluster.etag
    )
    finished(gke, gke.update_cluster(name=CLUSTER, update=update))
    assert gke.get_cluster(name=CLUSTER).vertical_pod_autoscaling.enabled
    with pytest.raises(BadRequest, match="Must specify a field"):
        gke.update_cluster(name=CLUSTER, update=container_v1.ClusterUpdate())

    more = container_v1.NodePool(name="more", initial_node_count=2, config={"machine_type": "e2-small"})
    finished(gke, gke.create_node_pool(parent=CLUSTER, node_pool=more))
    taints = container_v1.NodeTaints(taints=[container_v1.NodeTaint(key="x", effect="NO_EXECUTE")])
    upgrade = gke.update_node_pool(
        container_v1.UpdateNodePoolRequest(name=f"{CLUSTER}/nodePools/more", taints=taints)
    )
    assert finished(gke, upgrade).operation_type == container_v1.Operation.Type.UPGRADE_NODES
    size = container_v1.SetNodePoolSizeRequest(name=f"{CLUSTER}/nodePools/more", node_count=1)
    finished(gke, gke.set_node_pool_size(size))
    assert gke.get_cluster(name=CLUSTER).current_node_count == 2
    finished(gke, gke.delete_node_pool(name=f"{CLUSTER}/nodePools/more"))
    labels = container_v1.SetLabelsRequest(
        name=CLUSTER,
        resource_labels={"team": "ml"},
        label_fingerprint=gke.get_cluster(name=CLUSTER).label_fingerprint,
    )
    finished(gke, gke.set_labels(labels))
    assert gke.get_cluster(name=CLUSTER).resource_labels == {"team": "ml"}
    assert len(gke.list_operations(parent=PARENT).operations) == 7
    finished(gke, gke.delete_cluster(name=CLUSTER))
    with pytest.raises(NotFound, match=f"Not found: projects/{PROJECT}/zones/{ZONE}/clusters/c"):
        gke.get_cluster(name=CLUSTER)


def test_google_cloud_container_is_told_of_a_running_operation(
    gke: container_v1.ClusterManagerClient, emulator: Emulator
) -> None:
    emulator.next.hold.clear()
    wanted = container_v1.Cluster(name="c", initial_node_count=1)
    operation = gke.create_cluster(parent=PARENT, cluster=wanted)
    with pytest.raises(BadRequest) as refusal:
        gke.delete_cluster(name=CLUSTER)
    assert refusal.value.reason == "CLUSTER_ALREADY_HAS_OPERATION"
    emulator.release()
    finished(gke, operation)


def test_googleapiclient_runs_a_life(emulator: Emulator, url: str) -> None:
    text = (files("googleapiclient.discovery_cache") / "documents" / "container.v1.json").read_text()
    document = json.loads(text) | {"rootUrl": f"{url}/", "mtlsRootUrl": f"{url}/"}
    gke = build_from_document(document, credentials=Credentials(emulator.token))
    clusters = gke.projects().locations().clusters()
    body = {"cluster": {"name": "c", "initialNodeCount": 1}}
    operation = clusters.create(parent=PARENT, body=body).execute()
    operations = gke.projects().locations().operations()
    deadline = time.monotonic() + 10
    while operation["status"] != "DONE":
        assert time.monotonic() < deadline
        operation = operations.get(name=f"{PARENT}/operations/{operation['name']}").execute()
    assert clusters.get(name=CLUSTER).execute()["status"] == "RUNNING"
    with pytest.raises(HttpError, match="Must specify a field to update"):
        clusters.update(name=CLUSTER, body={"update": {}}).execute()
    assert gke.projects().zones().clusters().list(projectId=PROJECT, zone="-").execute()["clusters"]


def messages(found: Any) -> Any:
    """The messages of a protocol buffer's file, those within others, too."""
    for message in found:
        yield message
        yield from messages(message.nested_types)


def test_fields_with_presence_are_those_of_google_s_client() -> None:
    file = container_v1.Cluster.pb(container_v1.Cluster()).DESCRIPTOR.file
    told = {
        f"{message.name}.{field.json_name}"
        for message in messages(file.message_types_by_name.values())
        for field in message.fields
        if field.has_presence
        and field.message_type is None
        and field.containing_oneof is not None
        and len(field.containing_oneof.fields) == 1
    }
    assert told == OPTIONAL


def test_numbers_of_enums_are_those_of_google_s_client() -> None:
    """The REST transport sends numbers instead of names."""
    file = container_v1.Cluster.pb(container_v1.Cluster()).DESCRIPTOR.file
    schemas = load("container.v1").schemas
    checked = 0
    for message in messages(file.message_types_by_name.values()):
        for field in message.fields:
            spec = schemas.get(message.name, {}).get("properties", {}).get(field.json_name, {})
            names = spec.get("enum") or spec.get("items", {}).get("enum")
            if field.enum_type is None or not names:
                continue
            owner = f"{message.name}.{field.json_name}"
            numbers = list(NUMBERS.get(owner) or range(len(names)))
            for name, number in zip(names, numbers, strict=True):
                if name in field.enum_type.values_by_name:
                    assert field.enum_type.values_by_name[name].number == number, f"{owner}: {name}"
                    checked += 1
    assert checked > 200
