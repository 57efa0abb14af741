"""A setting or hyperparameter as a dataclass field: its help, unit and range; read and checked."""

import dataclasses
import typing

from tf2gan.utils.errors import UsageError

WORDS = {"true": True, "false": False}


def setting(
    default, help, *, unit=None, at_least=None, at_most=None, choices=None, needs=None
) -> typing.Any:
    """A dataclass field; `needs` is (another field, its value) without which it does nothing."""
    limits = {"at_least": at_least, "at_most": at_most, "choices": choices, "needs": needs}
    return dataclasses.field(default=default, metadata={"help": help, "unit": unit, **limits})


def type_of(field):
    """The type of a field's values; the first, where its annotation names several."""
    return (typing.get_args(field.type) or (field.type,))[0]


def check(field, value):
    """Raises `UsageError` unless `value` has the type and the range that `field` declares."""
    kind, limits = type_of(field), field.metadata
    if value is None and type(None) in typing.get_args(field.type):
        return
    number = kind is float and type(value) is int
    if not (isinstance(value, kind) or number) or isinstance(value, bool) != (kind is bool):
        raise UsageError(f"{field.name} is {value!r}; it must be of type {kind.__name__}")
    if limits["choices"] and value not in limits["choices"]:
        raise UsageError(f"{field.name} is {value!r}; choose {' or '.join(limits['choices'])}")
    if limits["at_least"] is not None and not value >= limits["at_least"]:  # nor is NaN
        raise UsageError(f"{field.name} is {value}; the least is {limits['at_least']}")
    if limits["at_most"] is not None and value > limits["at_most"]:
        raise UsageError(f"{field.name} is {value}; the most is {limits['at_most']}")


def read(field, text):
    """The value that `text` stands for, checked."""
    kind = type_of(field)
    try:
        value = WORDS[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError) as error:
        expected = {bool: "true or false", int: "a whole number", float: "a number"}[kind]
        raise UsageError(f"{field.name} is {text!r}; it must be {expected}") from error
    check(field, value)
    return value


def describe(field):
    """A field's range, unit and help, on one line."""
    limits = field.metadata
    if limits["choices"]:
        values = " or ".join(limits["choices"])
    elif type_of(field) is bool:
        values = "true or false"
    else:
        values = f"{limits['at_least']} to {limits['at_most']}"
    return f"{values}{' ' + limits['unit'] if limits['unit'] else ''}: {limits['help']}"
