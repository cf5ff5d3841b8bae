"""Models in Cloud Storage, read as TensorFlow's own file system reads them: no client library, its own token.

Sources: openxla/xla, xla/tsl/platform/cloud/{gcs_file_system,google_auth_provider,curl_http_request}.cc and
retrying_utils.cc. TensorFlow's addresses are constants; here STORAGE_EMULATOR_HOST may name another one, and objects
come through the JSON API instead of the XML one.
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import urllib3

from .errors import Code, ServingError

log = logging.getLogger("model_server")

ENDPOINT = "https://storage.googleapis.com"
METADATA_HOST = "metadata.google.internal"
TOKEN_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"  # noqa: S105 an address, not a secret
# A token this close to its end is not used any more.
TOKEN_MARGIN_SECONDS = 60
_CODES = {
    400: Code.INVALID_ARGUMENT,
    401: Code.PERMISSION_DENIED,
    403: Code.PERMISSION_DENIED,
    404: Code.NOT_FOUND,
    410: Code.NOT_FOUND,
    412: Code.FAILED_PRECONDITION,
    416: Code.OUT_OF_RANGE,
}
Sleep = Callable[[float], None]
T = TypeVar("T")


class Token:
    """The bearer token of this process, from the metadata server.

    When no token can be had at the first attempt, the empty one is kept for the life of the process, unless
    NO_GCE_CHECK forbids to ask at all: a pod whose metadata server is late never reads a private bucket.
    """

    def __init__(self, http: urllib3.PoolManager, environ: Mapping[str, str], sleep: Sleep) -> None:
        self._http, self._environ, self._sleep = http, environ, sleep
        self._token, self._good_until = "", 0.0

    def get(self) -> str:
        given = self._environ.get("GOOGLE_AUTH_TOKEN_FOR_TESTING")
        if given:
            return given
        if time.time() + TOKEN_MARGIN_SECONDS < self._good_until:
            return self._token
        if "GOOGLE_APPLICATION_CREDENTIALS" in self._environ:
            raise ServingError(
                Code.UNIMPLEMENTED,
                "GOOGLE_APPLICATION_CREDENTIALS is set: this stand-in for TensorFlow Serving asks only the "
                "metadata server for a token",
            )
        self._token, self._good_until = "", 0.0
        if self._environ.get("NO_GCE_CHECK", "").lower() == "true":
            return ""
        try:
            # 10 ms, doubled up to a second, as compute_engine_metadata_client.h has it.
            answer = _retried(self._from_metadata_server, (0.01, 1.0, 10), self._sleep)
        except ServingError as error:
            log.warning("All attempts to get a Google authentication bearer token failed, returning an empty "
                        "token. Retrieving token from GCE failed with \"%s\".", error.text)  # fmt: skip
            self._good_until = float("inf")
            return ""
        self._token, self._good_until = answer["access_token"], time.time() + answer["expires_in"]
        return self._token

    def _from_metadata_server(self) -> dict[str, Any]:
        host = self._environ.get("GCE_METADATA_HOST", METADATA_HOST)
        return json.loads(_fetch(self._http, f"http://{host}{TOKEN_PATH}", {"Metadata-Flavor": "Google"}))  # type: ignore[no-any-return]


class CloudStorage:
    """``write`` puts a file where TensorFlow can read it; ``remove`` takes it away again."""

    def __init__(
        self,
        environ: Mapping[str, str],
        write: Callable[[str, bytes], None],
        remove: Callable[[str], None],
        sleep: Sleep = time.sleep,
    ) -> None:
        self._http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=120, read=60))
        self._token = Token(self._http, environ, sleep)
        endpoint = environ.get("STORAGE_EMULATOR_HOST") or ENDPOINT
        self._endpoint = (endpoint if "://" in endpoint else f"http://{endpoint}").rstrip("/")
        self._write, self._remove, self._sleep = write, remove, sleep
        self._retry = (
            int(environ.get("GCS_RETRY_CONFIG_INIT_DELAY_TIME_US", 1_000_000)) / 1e6,
            int(environ.get("GCS_RETRY_CONFIG_MAX_DELAY_TIME_US", 32_000_000)) / 1e6,
            int(environ.get("GCS_RETRY_CONFIG_MAX_RETRIES", 10)),
        )
        self._loads = 0

    def children(self, base: str) -> list[str]:
        """A folder exists when there is any object under it, a placeholder included."""
        bucket, folder = _parts(base)
        objects, folders = self._list(bucket, folder, delimiter="/")
        if not objects and not folders:
            raise ServingError(Code.NOT_FOUND, f"The specified path {base} was not found.")
        names = (name.removeprefix(folder).rstrip("/") for name in (*objects, *folders))
        return [name for name in names if name]

    @contextmanager
    def local(self, path: str) -> Iterator[str]:
        """The objects that are there now: of an upload under way, a part."""
        bucket, folder = _parts(path)
        self._loads += 1
        target = f"ram://gcs-{self._loads}/{bucket}/{folder.rstrip('/')}"
        written = []
        try:
            for name in self._list(bucket, folder)[0]:
                if name.endswith("/"):
                    continue
                url = f"/storage/v1/b/{quote(bucket, safe='')}/o/{quote(name, safe='')}?alt=media"
                data = self._get(url, f"gs://{bucket}/{name}")
                written.append(f"{target}/{name.removeprefix(folder)}")
                self._write(written[-1], data)
            yield target
        finally:
            for file in written:
                self._remove(file)

    def _list(self, bucket: str, prefix: str, delimiter: str = "") -> tuple[list[str], list[str]]:
        objects: list[str] = []
        folders: list[str] = []
        query = {"prefix": prefix, "fields": "items/name,prefixes,nextPageToken"}
        if delimiter:
            query["delimiter"] = delimiter
        while True:
            url = f"/storage/v1/b/{quote(bucket, safe='')}/o?{urlencode(query)}"
            page = json.loads(self._get(url, f"gs://{bucket}/{prefix}"))
            objects += [item["name"] for item in page.get("items", ())]
            folders += page.get("prefixes", ())
            if "nextPageToken" not in page:
                return objects, folders
            query["pageToken"] = page["nextPageToken"]

    def _get(self, url: str, what: str) -> bytes:
        def once() -> bytes:
            token = self._token.get()
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            return _fetch(self._http, self._endpoint + url, headers)

        try:
            return _retried(once, self._retry, self._sleep)
        except ServingError as error:
            raise ServingError(error.code, f"{error.message}\n\t when reading {what}") from None


def _parts(path: str) -> tuple[str, str]:
    """Bucket and folder; the folder ends in a slash unless it is the bucket's root."""
    bucket, _, folder = path.removeprefix("gs://").partition("/")
    folder = folder.strip("/")
    return bucket, f"{folder}/" if folder else ""


def _fetch(http: urllib3.PoolManager, url: str, headers: Mapping[str, str]) -> bytes:
    try:
        answer = http.request("GET", url, headers=dict(headers))
    except urllib3.exceptions.HTTPError as error:
        raise ServingError(Code.UNAVAILABLE, f"Error executing an HTTP request: {error}") from None
    if answer.status in (200, 204, 206):
        return answer.data
    raise ServingError(
        _CODES.get(answer.status, Code.UNAVAILABLE),
        f"Error executing an HTTP request: HTTP response code {answer.status} with body "
        f"'{answer.data[:500].decode('utf-8', errors='replace')}'",
    )


def _retried(call: Callable[[], T], retry: tuple[float, float, int], sleep: Sleep) -> T:
    """``retry``: first and longest pause in seconds, and how many times; only UNAVAILABLE is tried again."""
    first, longest, times = retry
    for attempt in range(times + 1):
        try:
            return call()
        except ServingError as error:
            if error.code is not Code.UNAVAILABLE:
                raise
            if attempt == times:
                raise ServingError(
                    Code.ABORTED,
                    f"All {times} retry attempts failed. The last failure: {error.message}",
                ) from None
            sleep(min(first * 2**attempt, longest) + random.uniform(0, 1) * first)  # noqa: S311 no secret
    raise AssertionError("unreachable")
