import dataclasses

import pytest

from tf2gan.config import TrainConfig
from tf2gan.errors import UsageError


def test_json_both_ways():
    config = TrainConfig(data="a b/ü.npz", steps=7, name="x", seed=2**31 - 1)
    assert TrainConfig.from_json(config.to_json()) == config


def test_it_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainConfig().batch = 3


@pytest.mark.parametrize(
    "field, value",
    [
        ("batch", 0),
        ("batch", -1),
        ("batch", 10**9),
        ("batch", 1.5),
        ("batch", True),
        ("epochs", None),
        ("epochs", 0),
        ("steps", 0),
        ("seed", -1),
        ("seed", 2**31),
        ("log_every", 0),
        ("keep", 0),
        ("recipe", "cubist"),
        ("data", ""),
        ("data", "a\0b"),
        ("data", 3),
        ("name", ""),
        ("name", ".."),
        ("name", "a/b"),
        ("name", "a\nb"),
        ("name", "x" * 300),
        ("name", ".hidden"),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(field, value):
    with pytest.raises(UsageError, match=f"^{field} is ") as error:
        TrainConfig(**{field: value})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", '{"batches": 3}', '{"batch": "many"}', '{"batch": NaN}']
)
def test_json_of_something_else_is_refused(text):
    with pytest.raises(UsageError):
        TrainConfig.from_json(text)
