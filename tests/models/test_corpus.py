"""Whether a model can be served is what TensorFlow says, for every model that make_corpus.py made: `make model-corpus`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.saved_model.files import read_files, sizes_of
from ansible_collections.mlops.tfserving.plugins.module_utils.saved_model.info import inspect

CORPUS = Path(os.environ["MODEL_CORPUS"])
VERDICTS = {
    f"{path.parent.name}/{name}": words
    for path in sorted(CORPUS.glob("*/verdicts.json"))
    for name, words in json.loads(path.read_text())["made"].items()
}


def test_the_corpus_is_large_and_of_several_versions() -> None:
    assert len({name.partition("/")[0] for name in VERDICTS}) >= 2
    assert len(VERDICTS) >= 100
    assert sum(words != "" for words in VERDICTS.values()) >= 20


@pytest.mark.parametrize("name", sorted(VERDICTS))
def test_the_verdict_is_tensorflows(name: str) -> None:
    folder = CORPUS / name
    info = inspect(folder, sizes_of(read_files(str(folder))))
    assert info.loadable == (VERDICTS[name] == ""), (VERDICTS[name], info.problems)
