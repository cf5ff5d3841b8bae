"""Google's own clients, unchanged, against the emulated Cloud Storage over real HTTP."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import google.auth.credentials
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from emulator import Emulator
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.cloud.storage import transfer_manager
from google.oauth2 import service_account
from googleapiclient import discovery, http

from sandbox.google.faults import PATH
from sandbox.google.tokens import ACCOUNT, PROJECT

DATA = hashlib.shake_128(b"seed").digest(3_000_000)


class _Token(google.auth.credentials.Credentials):
    def __init__(self, token: str) -> None:
        super().__init__()
        self.token = token

    def refresh(self, request: Any) -> None:
        raise AssertionError("the token is valid")


@pytest.fixture
def client(emulator: Emulator, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[storage.Client]:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
    yield storage.Client(project=PROJECT, credentials=_Token(emulator.token))


@pytest.fixture
def bucket(client: storage.Client) -> storage.Bucket:
    return client.create_bucket("models", location="us-central1")


def order(emulator: Emulator, url: str, match: dict[str, Any], **fault: Any) -> None:
    headers = {"Authorization": f"Bearer {emulator.token}"}
    assert requests.post(url + PATH, json={"match": match, "fault": fault}, headers=headers, timeout=10).ok


def test_credentials_of_a_service_account_fetch_their_own_token(
    emulator: Emulator, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = emulator.tokens._key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    info = {
        "type": "service_account", "project_id": PROJECT, "private_key_id": "1", "private_key": key.decode(),
        "client_email": ACCOUNT, "token_uri": f"{url}/token",
    }  # fmt: skip
    credentials = service_account.Credentials.from_service_account_info(info)
    # google-auth signs for Google's endpoint, whatever the address is.
    monkeypatch.setenv("API_ENDPOINT_OVERRIDE", url)
    client = storage.Client(project=PROJECT, credentials=credentials)
    client.create_bucket("models").blob("o").upload_from_string(b"1")
    assert client.bucket("models").blob("o").download_as_bytes() == b"1"


def test_a_public_bucket_needs_no_credentials(bucket: storage.Bucket) -> None:
    bucket.blob("o").upload_from_string(b"1")
    policy = bucket.get_iam_policy(requested_policy_version=3)
    policy.bindings.append({"role": "roles/storage.objectViewer", "members": {"allUsers"}})
    bucket.set_iam_policy(policy)
    stranger = storage.Client(project=PROJECT, credentials=AnonymousCredentials())
    assert stranger.bucket("models").blob("o").download_as_bytes() == b"1"


def test_buckets(client: storage.Client) -> None:
    wanted = storage.Bucket(client, "b-1")
    wanted.iam_configuration.uniform_bucket_level_access_enabled = True
    wanted.labels = {"team": "ml"}
    wanted.versioning_enabled = True
    wanted.add_lifecycle_delete_rule(age=30, is_live=False)
    made = client.create_bucket(wanted, location="EU")
    made.reload()
    assert (made.location, made.location_type, made.labels) == ("EU", "multi-region", {"team": "ml"})
    assert made.soft_delete_policy.retention_duration_seconds == 604_800
    assert [rule["condition"] for rule in made.lifecycle_rules] == [{"age": 30, "isLive": False}]
    made.labels = {"team": "ops"}
    made.patch(if_metageneration_match=made.metageneration)
    assert client.get_bucket("b-1").labels == {"team": "ops"}
    with pytest.raises(exceptions.Conflict):
        client.create_bucket("b-1")
    assert client.lookup_bucket("nothing") is None
    assert [b.name for b in client.list_buckets()] == ["b-1"]
    made.delete()


def test_objects(bucket: storage.Bucket) -> None:
    blob = bucket.blob("a b/ü.bin")
    blob.metadata = {"k": "v"}
    blob.upload_from_string(DATA, checksum="crc32c", if_generation_match=0)
    with pytest.raises(exceptions.PreconditionFailed):
        blob.upload_from_string(b"", if_generation_match=0)
    same = bucket.get_blob("a b/ü.bin")
    assert same.download_as_bytes(checksum="md5") == DATA
    assert same.download_as_bytes(start=5, end=9) == DATA[5:10]
    assert (same.size, same.metadata, same.crc32c) == (len(DATA), {"k": "v"}, blob.crc32c)
    same.content_type = "text/x"
    same.patch()
    assert (same.metageneration, bucket.get_blob(same.name).content_type) == (2, "text/x")
    copy = bucket.copy_blob(same, bucket, "copy", if_generation_match=0)
    renamed = bucket.rename_blob(copy, "renamed")
    assert renamed.download_as_bytes() == DATA
    both = bucket.blob("both")
    both.compose([same, renamed])
    assert both.download_as_bytes() == DATA * 2
    token, _, _ = bucket.blob("rewritten").rewrite(same)
    assert token is None
    listed = bucket.list_blobs(prefix="r", fields="items(name),nextPageToken", page_size=1)
    assert [found.name for found in listed] == ["renamed", "rewritten"]
    assert next(iter(bucket.list_blobs(match_glob="**.bin"))).name == same.name
    bucket.delete_blobs([same, renamed, both, bucket.blob("rewritten")])
    assert list(bucket.list_blobs()) == []
    gone = list(bucket.list_blobs(soft_deleted=True))
    back = bucket.restore_blob("renamed", generation=next(b.generation for b in gone if b.name == "renamed"))
    assert back.download_as_bytes() == DATA


@pytest.mark.parametrize("how", ["media", "resumable"])
def test_of_many_who_create_the_same_object_one_does(bucket: storage.Bucket, how: str) -> None:
    def create(content: int) -> bool:
        blob = bucket.blob("o", chunk_size=1 << 18 if how == "resumable" else None)
        try:
            data = io.BytesIO(bytes([content]) * 600_000)
            blob.upload_from_file(data, size=None if how == "resumable" else 600_000, if_generation_match=0)
        except exceptions.PreconditionFailed:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = [index for index, made in enumerate(pool.map(create, range(8))) if made]
    assert len(won) == 1
    assert bucket.blob("o").download_as_bytes() == bytes(won) * 600_000


def test_policies(client: storage.Client, bucket: storage.Bucket, emulator: Emulator) -> None:
    policy = bucket.get_iam_policy(requested_policy_version=3)
    member = "serviceAccount:reader@sandbox-project.iam.gserviceaccount.com"
    policy.bindings.append({"role": "roles/storage.objectViewer", "members": {member}})
    assert member in bucket.set_iam_policy(policy)["roles/storage.objectViewer"]
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.set_iam_policy(policy)
    bucket.blob("o").upload_from_string(b"1")
    token = emulator.tokens.issue(member.partition(":")[2])["access_token"]
    reader = storage.Client(project=PROJECT, credentials=_Token(token))
    assert reader.bucket("models").blob("o").download_as_bytes() == b"1"
    with pytest.raises(exceptions.Forbidden, match=r"storage\.objects\.create"):
        reader.bucket("models").blob("p").upload_from_string(b"1")
    assert bucket.test_iam_permissions(["storage.objects.get"]) == ["storage.objects.get"]


def test_batches(client: storage.Client, bucket: storage.Bucket) -> None:
    for name in "abc":
        bucket.blob(name).upload_from_string(name)
    with client.batch(raise_exception=False) as batch:
        bucket.blob("a").delete()
        bucket.blob("missing").delete()
        changed = bucket.blob("b")
        changed.metadata = {"k": "v"}
        changed.patch()
    assert [answer.status_code for answer in batch._responses] == [204, 404, 200]
    assert [(b.name, b.metadata) for b in bucket.list_blobs()] == [("b", {"k": "v"}), ("c", None)]


def test_many_files_at_once(bucket: storage.Bucket, tmp_path: Path) -> None:
    (tmp_path / "up/variables").mkdir(parents=True)
    names = ["saved_model.pb", "variables/variables.index", "variables/variables.data"]
    for name in names:
        (tmp_path / "up" / name).write_bytes(name.encode() * 100_000)
    up = transfer_manager.upload_many_from_filenames(
        bucket, names, source_directory=str(tmp_path / "up"), blob_name_prefix="m/1/", worker_type="thread",
        upload_kwargs={"if_generation_match": 0, "checksum": "crc32c"},
    )  # fmt: skip
    assert up == [None] * 3
    down = transfer_manager.download_many_to_path(
        bucket,
        [f"m/1/{n}" for n in names],
        destination_directory=str(tmp_path / "down"),
        worker_type="thread",
    )
    assert down == [None] * 3
    for name in names:
        assert (tmp_path / "down/m/1" / name).read_bytes() == (tmp_path / "up" / name).read_bytes()
    target = tmp_path / "sliced"
    transfer_manager.download_chunks_concurrently(
        bucket.blob(f"m/1/{names[2]}"), str(target), chunk_size=700_000, worker_type="thread"
    )
    assert target.read_bytes() == (tmp_path / "up" / names[2]).read_bytes()


def test_parts_of_a_file_at_once(bucket: storage.Bucket, tmp_path: Path) -> None:
    data = DATA * 5
    (tmp_path / "file").write_bytes(data)
    blob = bucket.blob("a b/sliced")
    blob.metadata = {"k": "v"}
    transfer_manager.upload_chunks_concurrently(
        str(tmp_path / "file"), blob, chunk_size=6 << 20, worker_type="thread", checksum="crc32c"
    )
    made = bucket.get_blob("a b/sliced")
    assert made.download_as_bytes() == data
    assert (made.md5_hash, made.component_count, made.metadata) == (None, 3, {"k": "v"})


@pytest.mark.parametrize("fault", [{"status": 503}, {"reset": True}, {"lost_response": True}])
@pytest.mark.parametrize("after", [0, 1_000_000])
def test_a_resumable_upload_gets_through(
    bucket: storage.Bucket, emulator: Emulator, url: str, fault: dict[str, Any], after: int
) -> None:
    blob = bucket.blob("o", chunk_size=1 << 20)
    for nth in (1, 2):
        order(emulator, url, {"method": "PUT", "path": "upload_id", "nth": nth}, bytes=after, **fault)
    blob.upload_from_file(io.BytesIO(DATA), size=len(DATA), if_generation_match=0, checksum="crc32c")
    assert bucket.blob("o").download_as_bytes() == DATA


@pytest.mark.parametrize(
    "fault",
    [
        {"reset": True, "of": "response", "bytes": 1_000_000},
        {"status": 503},
        {"reset": True},
    ],
)
def test_a_download_gets_through(
    bucket: storage.Bucket, emulator: Emulator, url: str, fault: dict[str, Any]
) -> None:
    bucket.blob("o").upload_from_string(DATA)
    order(emulator, url, {"path": "alt=media"}, **fault)
    assert bucket.blob("o").download_as_bytes() == DATA


def test_a_flipped_bit_is_noticed(bucket: storage.Bucket, emulator: Emulator, url: str) -> None:
    bucket.blob("o").upload_from_string(DATA)
    order(emulator, url, {"path": "alt=media", "times": 9}, corrupt=True, of="response", bytes=5)
    with pytest.raises(Exception, match="Checksum mismatch"):
        bucket.blob("o").download_as_bytes()


@pytest.fixture
def built(emulator: Emulator, url: str) -> Any:
    """The client that is made of the discovery document itself."""
    import googleapiclient

    folder = Path(googleapiclient.__file__).parent / "discovery_cache/documents"
    document = json.loads((folder / "storage.v1.json").read_text())
    document |= {"rootUrl": f"{url}/", "baseUrl": f"{url}/storage/v1/"}
    return discovery.build_from_document(document, credentials=_Token(emulator.token))


def test_the_client_made_of_the_contract(built: Any) -> None:
    body = {"name": "models", "location": "US"}
    built.buckets().insert(project=PROJECT, body=body).execute()
    for resumable in (False, True):
        name = f"o-{resumable}"
        media = http.MediaIoBaseUpload(
            io.BytesIO(DATA), "application/x", chunksize=1 << 20, resumable=resumable
        )
        request = built.objects().insert(bucket="models", name=name, media_body=media, ifGenerationMatch=0)
        assert request.execute()["size"] == str(len(DATA))
        assert built.objects().get_media(bucket="models", object=name).execute() == DATA
    target = io.BytesIO()
    download = http.MediaIoBaseDownload(
        target, built.objects().get_media(bucket="models", object="o-True"), 1 << 20
    )
    done = False
    while not done:
        _, done = download.next_chunk()
    assert target.getvalue() == DATA
    names: list[str] = []
    request = built.objects().list(bucket="models", maxResults=1)
    while request is not None:
        page = request.execute()
        names += [item["name"] for item in page["items"]]
        request = built.objects().list_next(request, page)
    assert names == ["o-False", "o-True"]
    batch = built.new_batch_http_request()
    answers: list[Any] = []
    for name in (*names, "missing"):
        batch.add(built.objects().delete(bucket="models", object=name), lambda *a: answers.append(a))
    batch.execute()
    assert [getattr(error, "status_code", None) for _, _, error in answers] == [None, None, 404]
