"""Bodies from files, and what of them a model would refuse."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest import payload
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.payload import PayloadError, Tensor
from ansible_collections.mlops.tfserving.plugins.module_utils.model_server.rest import Servable
from ansible_collections.mlops.tfserving.plugins.module_utils.protos import message

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
        payload.pack(payload.bodies({"a.bin": bytes(1_000_000)}, signature="s", known=None))
    with pytest.raises(PayloadError, match="more than 20: send fewer"):
        payload.pack([payload.Body(str(n), 1, bytes(800_000)) for n in range(30)])


def signature(dtype: str) -> dict[str, dict[str, Tensor]]:
    return {
        "s": {"x": Tensor(dtype, (-1,))},
        "other": {"a": Tensor("DT_BOOL", (-1,)), "b": Tensor("DT_STRING", None)},
    }


@pytest.mark.parametrize(
    ("dtype", "number", "field", "values", "kept"),
    [
        ("DT_HALF", 19, "half_val", [0.5, -2], [0x3800, 0xC000]),
        ("DT_UINT32", 22, "uint32_val", [2**32 - 1], [2**32 - 1]),
        ("DT_UINT64", 23, "uint64_val", [2**64 - 1], [2**64 - 1]),
        ("DT_UINT16", 17, "int_val", [65535], [65535]),
        ("DT_FLOAT", 1, "float_val", [1, 2.5], [1.0, 2.5]),
        ("DT_INT64", 9, "int64_val", [-1], [-1]),
    ],
)
def test_every_type_goes_by_grpc(
    dtype: str, number: int, field: str, values: list[Any], kept: list[Any]
) -> None:
    known = signature(dtype)
    made = payload.bodies({"a.json": json.dumps({"inputs": values}).encode()}, signature="s", known=known)
    (body,) = payload.for_grpc(made, Servable("m", 7), known)
    request = message("PredictRequest")
    request.ParseFromString(body.content)
    spec, tensor = request.model_spec, request.inputs["x"]
    assert (spec.name, spec.version.value, spec.signature_name) == ("m", 7, "s")
    assert (tensor.dtype, [dim.size for dim in tensor.tensor_shape.dim]) == (number, [len(values)])
    assert list(getattr(tensor, field)) == kept


def test_bodies_of_several_signatures_go_by_grpc() -> None:
    known = signature("DT_INT32")
    other = {
        "signature_name": "other",
        "instances": [{"a": True, "b": "x"}, {"a": False, "b": {"b64": "//8="}}],
    }
    files = {"a.json": b"3", "b.json": json.dumps(other).encode()}
    made = payload.for_grpc(payload.bodies(files, signature="s", known=known), Servable("m"), known)
    requests = [message("PredictRequest") for _unused in made]
    for request, body in zip(requests, made, strict=True):
        request.ParseFromString(body.content)
    assert [request.model_spec.signature_name for request in requests] == ["s", "other"]
    assert list(requests[1].inputs["b"].string_val) == [b"x", b"\xff\xff"]
    assert not requests[0].model_spec.HasField("version"), "the newest"


def test_what_grpc_can_not_send_is_told() -> None:
    for dtype, values, words in (
        ("DT_BFLOAT16", [1], "a.json: inputs of type DT_BFLOAT16 can't be written as JSON"),
        ("DT_INT32", [2**40], "a.json: input x does not hold values of type int32"),
    ):
        known = signature(dtype)
        made = payload.bodies({"a.json": json.dumps({"inputs": values}).encode()}, signature="s", known=known)
        with pytest.raises(PayloadError, match=words):
            payload.for_grpc(made, Servable("m"), known)


def test_what_counts_is_the_size_that_is_sent() -> None:
    """As text a -1 has three bytes, as a number of Protocol Buffers ten."""
    known = signature("DT_INT32")
    made = payload.bodies(
        {"a.json": json.dumps({"inputs": [-1] * 100_000}).encode()}, signature="s", known=known
    )
    assert payload.pack(made)
    with pytest.raises(PayloadError, match=r"a request body of 10000.. bytes does not fit a ConfigMap"):
        payload.pack(payload.for_grpc(made, Servable("m"), known))


def test_what_is_no_metadata_of_tensorflow_serving_is_told() -> None:
    with pytest.raises(PayloadError, match="is it TensorFlow Serving"):
        payload.signatures({"hello": 1})
