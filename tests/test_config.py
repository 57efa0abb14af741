"""Settings: checked when built, whole in `config.json`, the same when read again."""

import dataclasses
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf2gan.settings.config import TrainConfig
from tf2gan.settings.recipes import HYPERPARAMETERS, RECIPES, Recipe, read_changes
from tf2gan.utils.errors import UsageError


def test_json_both_ways():
    config = TrainConfig(data="a b/ü.npz", steps=7, name="x", seed=2**31 - 1)
    assert TrainConfig.from_json(config.to_json()) == config


def test_json_holds_every_value_of_the_recipe():
    """So that nobody depends on what a later version calls `modern`."""
    changes = {"g_learning_rate": 0.002, "shift": 0}
    config = TrainConfig(recipe="modern", recipe_values=changes)
    written = json.loads(config.to_json())["recipe_values"]
    assert set(written) == {field.name for field in dataclasses.fields(Recipe)}
    assert written == {**dataclasses.asdict(RECIPES["modern"]), **changes}
    assert TrainConfig.from_json(config.to_json()) == config
    assert config.title == "modern with g_learning_rate=0.002, shift=0"
    assert TrainConfig(recipe="modern").title == "modern"


def test_what_a_file_says_counts_not_what_a_recipe_is_called_today(monkeypatch):
    text = TrainConfig(recipe="modern").to_json()
    monkeypatch.setitem(RECIPES, "modern", dataclasses.replace(RECIPES["modern"], shift=5))
    assert TrainConfig.from_json(text).recipe_values.shift == 2
    of_0_1 = json.loads(text)
    del of_0_1["recipe_values"]
    assert TrainConfig.from_json(json.dumps(of_0_1)).recipe_values.shift == 2
    assert TrainConfig(recipe="modern").recipe_values.shift == 5
    of_0_1["recipe_values"] = {"optimizer": "adam"}  # an earlier one without the others
    assert TrainConfig.from_json(json.dumps(of_0_1)).recipe_values == Recipe(optimizer="adam")


@pytest.mark.parametrize(
    "values, said",
    [
        ({"shift": "2"}, "shift is '2'; it must be of type int"),
        ({"shift": True}, "shift is True; it must be of type int"),
        ({"nesterov": 1}, "nesterov is 1; it must be of type bool"),
        ({"shift": 64}, "shift is 64; the most is 63"),
        ({"shift": -1}, "shift is -1; the least is 0"),
        ({"beta_1": float("nan")}, "beta_1 is nan; the least is 0"),
        ({"optimizer": "rmsprop"}, "optimizer is 'rmsprop'; choose sgd or adam"),
        ({"beta1": 0.5}, "no hyperparameter 'beta1'; beta_1?"),
        ({"beta_1": 0.9}, "beta_1 does nothing where optimizer is sgd; set optimizer too"),
        ({"shift_edge": "mirror"}, "shift_edge does nothing without shift, zoom or rotation; set "),
        ({"augment_probability": 0.5}, "augment_probability does nothing without shift, mirror, "),
        ({"shift_after": 0.3}, "shift_after does nothing without shift, mirror, "),
        (
            {"zoom": 0.1, "augment_target": 0.6, "augment_probability": 0.5},
            "augment_probability does nothing where augment_target is 0.6",
        ),
    ],
)
def test_a_value_of_the_recipe_is_checked(values, said):
    with pytest.raises(UsageError, match=re.escape(said)) as error:
        TrainConfig(recipe_values=values)
    assert "\n" not in str(error.value)
    assert TrainConfig(recipe_values={"optimizer": "adam", "beta_1": 0}).recipe_values.beta_1 == 0.0


@pytest.mark.parametrize("name", HYPERPARAMETERS)
def test_every_value_is_read_from_text_as_it_was_written(name):
    for recipe in RECIPES.values():
        value = getattr(recipe, name)
        assert read_changes([f"{name}={value}"]) == {name: value}


@given(st.text(max_size=20), st.text(max_size=20))
def test_whatever_is_set_is_read_or_refused_in_one_line(name, text):
    for words in (
        [f"{name}={text}"],
        [f"{list(HYPERPARAMETERS)[len(text) % len(HYPERPARAMETERS)]}={text}"],
        [text],
    ):
        try:
            TrainConfig(recipe_values=read_changes(words))
        except UsageError as error:
            assert "\n" not in str(error)


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
    "text",
    [
        "",
        "{",
        "[1]",
        '{"recipe_values": 3}',
        '{"recipe_values": {"alpha": 1}}',
        '{"batches": 3}',
        '{"batch": "many"}',
        '{"batch": NaN}',
    ],
)
def test_json_of_something_else_is_refused(text):
    with pytest.raises(UsageError):
        TrainConfig.from_json(text)
