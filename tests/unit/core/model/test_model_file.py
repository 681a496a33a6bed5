"""What is known of a model's files comes back from JSON as it was."""

import json

import pytest

from xops.core.model.model_file import ModelFile

pytestmark = pytest.mark.unit


def test_it_comes_back_from_json_as_it_was():
    file = ModelFile("model.skops", 12, "a", "b", ("numpy==2.1",), "changed")
    assert ModelFile.from_json(json.loads(json.dumps(file.to_json()))) == file
