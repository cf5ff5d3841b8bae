"""The emulated API with what it lacks: IAM policies under their etags, and rewrites that take several calls."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.rest import Answer, Google
from ansible_collections.mlops.tfserving.plugins.module_utils.retry import Clock
from emulator import Emulator
from starlette.testclient import TestClient

from sandbox.google.errors import GoogleError

Json = dict[str, Any]
REWRITTEN_AT_ONCE = 2**20


class FullGoogle:
    """A transport. ``interfere``: is called before each policy is stored, as somebody else's change would come.
    ``hide``: a field that no listed object has, as composite objects have no md5Hash.
    """

    def __init__(self, emulator: Emulator) -> None:
        self._http = TestClient(emulator.app, headers={"Authorization": f"Bearer {emulator.token}"})
        self.policies: dict[str, Json] = {}
        self.requests: list[str] = []
        self.rewrites: dict[str, int] = {}
        self.interfere: Any = lambda: None
        self.hide = ""

    def connect(self, _: Mapping[str, Any] | None = None) -> Google:
        return Google("http://emulator", self, Clock(sleep=lambda seconds: None))

    def __call__(self, method: str, url: str, *, body: Any, headers: Mapping[str, str]) -> Answer:
        parts = urlsplit(url)
        self.requests.append(f"{method} {parts.path}")
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        path = parts.path.removeprefix("/storage/v1/b/")
        try:
            if path.endswith("/iam"):
                return _ok(self._iam(path.removesuffix("/iam"), method, body))
            if "/rewriteTo/" in path:
                return _ok(self._rewrite(path, query))
        except GoogleError as error:
            return Answer(error.status, {}, json.dumps(error.storage_body()).encode())
        answer = self._http.request(method, url, content=body, headers=dict(headers))
        content = answer.content
        if self.hide and path.endswith("/o") and b'"items"' in content:
            page = json.loads(content)
            page["items"] = [{k: v for k, v in item.items() if k != self.hide} for item in page["items"]]
            content = json.dumps(page).encode()
        return Answer(answer.status_code, dict(answer.headers), content)

    def _iam(self, bucket: str, method: str, body: Any) -> Json:
        current = self.policies.setdefault(
            bucket,
            {
                "kind": "storage#policy", "version": 1, "etag": "0",
                "bindings": [{"role": "roles/storage.legacyBucketOwner", "members": ["projectOwner:sandbox-project"]}],
            },
        )  # fmt: skip
        if method == "GET":
            return current
        self.interfere()
        policy, current = json.loads(body), self.policies[bucket]
        if policy.get("etag") != current["etag"]:
            raise GoogleError(412, "At least one of the pre-conditions you specified did not hold.")
        self.policies[bucket] = policy | {"etag": str(int(current["etag"]) + 1)}
        return self.policies[bucket]

    def grant(self, bucket: str, binding: Json) -> None:
        """Somebody else's change."""
        policy = self.policies[bucket]
        self.policies[bucket] = policy | {
            "bindings": [*policy["bindings"], binding],
            "etag": str(int(policy["etag"]) + 1),
        }

    def _rewrite(self, path: str, query: Json) -> Json:
        source, _, destination = path.partition("/rewriteTo/b/")
        (bucket, _, name), (to, _, new) = source.partition("/o/"), destination.partition("/o/")
        metadata = self._http.get(f"/storage/v1/b/{bucket}/o/{name}").json()
        assert query["ifSourceGenerationMatch"] == metadata["generation"]
        done = min(int(query.get("rewriteToken", 0)) + REWRITTEN_AT_ONCE, int(metadata["size"]))
        self.rewrites[unquote(new)] = self.rewrites.get(unquote(new), 0) + 1
        answer: Json = {"totalBytesRewritten": str(done), "objectSize": metadata["size"]}
        if done < int(metadata["size"]):
            return answer | {"done": False, "rewriteToken": str(done)}
        content = self._http.get(f"/storage/v1/b/{bucket}/o/{name}?alt=media").content
        conditions = {"ifGenerationMatch": query["ifGenerationMatch"]}
        made = self._http.post(
            f"/upload/storage/v1/b/{to}/o",
            params={"uploadType": "media", "name": unquote(new), **conditions},
            content=content,
        )
        if made.status_code != 200:
            raise GoogleError(made.status_code, made.json()["error"]["message"])
        return answer | {"done": True, "resource": made.json()}


def _ok(body: Json) -> Answer:
    return Answer(200, {}, json.dumps(body).encode())
