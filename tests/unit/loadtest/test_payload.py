"""Bodies from files, and what of them a model would refuse."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest import payload
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.payload import PayloadError

COFFEE = (Path(__file__).resolve().parents[3] / "roles/loadtest/files/coffee.jpg").read_bytes()
PNG = b"\x89PNG\r\n\x1a\n rest"


def dims(*sizes: int) -> dict[str, Any]:
    return {"dim": [{"size": str(size), "name": ""} for size in sizes], "unknown_rank": False}


METADATA = {
    "model_spec": {"name": "m", "signature_name": "", "version": "1"},
    "metadata": {
        "signature_def": {
            "signature_def": {
                "serving_preprocess": {
                    "inputs": {"raw_images": {"dtype": "DT_STRING", "tensor_shape": dims(-1), "name": "x:0"}}
                },
                "serving_default": {
                    "inputs": {"x": {"dtype": "DT_FLOAT", "tensor_shape": dims(-1, 2, 3), "name": "y:0"}}
                },
                "two": {
                    "inputs": {
                        "a": {"dtype": "DT_INT64", "tensor_shape": dims(-1), "name": "a:0"},
                        "b": {"dtype": "DT_BOOL", "tensor_shape": {"unknown_rank": True}, "name": "b:0"},
                    }
                },
                "__saved_model_init_op": {"inputs": {}},
            }
        }
    },
}
KNOWN = payload.signatures(METADATA)


def one(name: str, content: bytes, signature: str, **more: Any) -> Any:
    (body,) = payload.bodies({name: content}, signature=signature, known=KNOWN, **more)
    return json.loads(body.content)


def test_a_picture_is_sent_as_its_bytes() -> None:
    body = one("coffee.jpg", COFFEE, "serving_preprocess")
    assert body["signature_name"] == "serving_preprocess"
    assert base64.b64decode(body["instances"][0]["b64"]) == COFFEE
    columns = one("coffee.jpg", COFFEE, "serving_preprocess", columnar=True)
    assert base64.b64decode(columns["inputs"][0]["b64"]) == COFFEE


def test_json_is_one_instance_or_a_whole_request() -> None:
    rows = [[1, 2, 3], [4, 5, 6]]
    assert one("a.json", json.dumps(rows).encode(), "serving_default")["instances"] == [rows]
    whole = {"signature_name": "two", "inputs": {"a": [1, 2], "b": [True, False]}}
    assert one("a.json", json.dumps(whole).encode(), "serving_default") == whole
    columns = one("a.json", b'{"a": 1, "b": true}', "two", columnar=True)
    assert columns["inputs"] == {"a": [1], "b": [True]}


@pytest.mark.parametrize(
    ("name", "content", "signature", "words"),
    [
        ("a.jpg", PNG, "serving_preprocess", "called a JPEG and is a PNG"),
        ("a.jpg", b"hello", "serving_preprocess", "is no picture"),
        ("a.jpg", b"", "serving_preprocess", "is empty"),
        ("a.jpg", COFFEE, "serving_default", "serving_preprocess takes bytes"),
        ("a.jpg", COFFEE, "nope", "it has serving_default, serving_preprocess, two"),
        ("a.jpg", COFFEE, "two", "serving_preprocess takes bytes"),
        ("a.json", b"{", "serving_default", "is not JSON"),
        ("a.json", b"[[1, 2, 3]]", "serving_default", "1 elements where the signature has 2"),
        ("a.json", b"[1, 2]", "serving_default", "too few dimensions"),
        ("a.json", b"[[[1], 2, 3], [4, 5, 6]]", "serving_default", "too many dimensions"),
        ("a.json", b'[["x", 2, 3], [4, 5, 6]]', "serving_default", "takes float"),
        ("a.json", b'{"a": 1.0, "b": true}', "two", "takes int64"),
        ("a.json", b'{"a": 1, "b": 1}', "two", "takes bool"),
        ("a.json", b'{"a": 1}', "two", "the signature's inputs are a, b"),
        ("a.json", b"5", "two", "name them"),
        ("a.json", b'{"b64": "%%%"}', "serving_preprocess", "takes string"),
        ("a.json", b'{"instances": [], "inputs": []}', "two", "not both"),
        ("a.json", b'{"instances": []}', "two", "at least one"),
        ("a.json", b'{"signature_name": "nope", "instances": [1]}', "two", "asks for signature 'nope'"),
    ],
)
def test_what_the_model_would_refuse_is_refused_before_the_run(
    name: str, content: bytes, signature: str, words: str
) -> None:
    with pytest.raises(PayloadError) as refused:
        one(name, content, signature)
    assert words in str(refused.value)


def test_without_a_model_to_ask_only_the_files_are_checked() -> None:
    (body,) = payload.bodies({"a.jpg": COFFEE}, signature="anything", known=None)
    assert b"anything" in body.content


def test_weights_choose_by_name_and_pattern() -> None:
    files = {"a.png": PNG, "big-1.png": PNG, "big-2.png": PNG}
    made = payload.bodies(files, signature="s", known=None, weights={"big-*": 0.5, "a.png": 0})
    assert {body.name: body.weight for body in made} == {"big-1.png": 0.5, "big-2.png": 0.5}
    for weights, words in (
        ({"z": 1}, "name no file: z"),
        ({"*": 0}, "nothing would be sent"),
        ({"*": -1}, "at least 0"),
    ):
        with pytest.raises(PayloadError, match=words):
            payload.bodies(files, signature="s", known=None, weights=weights)


def test_bodies_are_packed_so_that_each_part_fits_a_config_map() -> None:
    files = {f"{n:02}.bin": bytes(200_000) for n in range(11)}
    made = payload.bodies(files, signature="s", known=None)
    parts = payload.pack(made)
    assert [body for part in parts for body in part] == made
    assert all(sum(len(body.content) for body in part) <= payload.PART_BYTES for part in parts)
    with pytest.raises(PayloadError, match="does not fit a ConfigMap"):
        payload.bodies({"a.bin": bytes(1_000_000)}, signature="s", known=None)


def test_what_is_no_metadata_of_tensorflow_serving_is_told() -> None:
    with pytest.raises(PayloadError, match="is it TensorFlow Serving"):
        payload.signatures({"hello": 1})
