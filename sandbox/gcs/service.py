"""One request of the JSON API, without HTTP: what is asked is found in the contract, checked, and done."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..google.discovery import Method
from ..google.errors import GoogleError
from ..google.tokens import Tokens, caller
from . import fields
from .contract import contract
from .request import Call
from .store import Store

Json = dict[str, Any]
Query = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Prepared:
    """A call, and the method it is for."""

    method: Method
    call: Call


class Service:
    """The methods that are emulated, by their names in the contract."""

    def __init__(self, store: Store, tokens: Tokens) -> None:
        self._tokens = tokens
        buckets, objects, copies = store.buckets_api, store.objects_api, store.copies_api
        self._handlers: dict[str, Callable[[Call], Json | None]] = {
            "bucketAccessControls.delete": buckets.delete_acl,
            "bucketAccessControls.get": buckets.get_acl,
            "bucketAccessControls.insert": buckets.put_acl,
            "bucketAccessControls.list": buckets.list_acl,
            "bucketAccessControls.patch": buckets.put_acl,
            "bucketAccessControls.update": buckets.put_acl,
            "buckets.delete": buckets.delete,
            "buckets.get": buckets.get,
            "buckets.getIamPolicy": buckets.get_policy,
            "buckets.getStorageLayout": buckets.layout,
            "buckets.insert": buckets.insert,
            "buckets.list": buckets.list,
            "buckets.patch": buckets.patch,
            "buckets.setIamPolicy": buckets.set_policy,
            "buckets.testIamPermissions": buckets.test_permissions,
            "buckets.update": buckets.update,
            "managedFolders.list": buckets.list_managed_folders,
            "objects.compose": copies.compose,
            "objects.copy": copies.copy,
            "objects.delete": objects.delete,
            "objects.get": objects.get,
            "objects.insert": _wrong_url,
            "objects.list": objects.list,
            "objects.move": copies.move,
            "objects.patch": objects.patch,
            "objects.restore": objects.restore,
            "objects.rewrite": copies.rewrite,
            "objects.update": objects.update,
        }

    def identity(self, headers: Mapping[str, str]) -> str | None:
        """Whose request it is; None for one without credentials. Raises ``GoogleError`` 401."""
        return caller(headers, self._tokens)

    def prepare(self, verb: str, path: str, query: Query, identity: str | None, base: str) -> Prepared:
        """``path``: as it came, percent-encoded, below ``/storage/v1/``. Raises ``GoogleError`` 400, 404."""
        method, values = contract().find(verb, path)
        return Prepared(method, Call(contract().parameters(method, values, query), identity, base))

    def answer(self, prepared: Prepared, body: bytes, query: Query) -> Json | None:
        """Does what is asked. Raises ``GoogleError``."""
        method = prepared.method
        handler = self._handlers.get(method.id)
        if handler is None:
            raise GoogleError(501, f"not emulated here: storage.{method.id}")
        call = prepared.call
        if method.request:
            try:
                value = json.loads(body or b"{}")
            except ValueError:
                raise GoogleError(400, "Parse Error", reason="parseError") from None
            call = replace(
                call, body=contract().canonical(method.request, value, nulls=method.verb == "PATCH")
            )
        wanted = dict(query).get("fields")
        selection = fields.parse(wanted) if wanted else {}
        result = handler(call)
        return result if result is None else fields.select(result, selection)


def _wrong_url(_: Call) -> None:
    text = (
        "Upload requests must be uploaded to a URL that starts with /upload/*. See "
        "https://cloud.google.com/storage/docs/json_api/v1/how-tos/upload."
    )
    raise GoogleError(400, text, reason="wrongUrlForUpload")
