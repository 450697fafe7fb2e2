"""How pydantic checks the values of a comparison: one strict model each, derived from the rules of their fields."""

from dataclasses import asdict, fields, is_dataclass
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_type_hints

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StringConstraints,
    create_model,
)
from pydantic_core import CoreSchema, core_schema

from digest.catalog import clean
from digest.catalog.comparison import MAX_REVIEWERS, FieldRule, field_rules


class Checked:
    """Marks a field of a pydantic model that holds a `ToolReview` or a `ReviewerQuote`.

    The value is checked by the rules of its fields, whether it comes as JSON, as a dictionary or as a value.
    """

    def __get_pydantic_core_schema__(self, value_class: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        model = _input_model(value_class)
        names = [field.name for field in fields(value_class)]
        checked = core_schema.no_info_after_validator_function(
            lambda given: value_class(**{name: getattr(given, name) for name in names}),
            handler.generate_schema(model),
        )
        return core_schema.no_info_before_validator_function(
            _as_dict, checked, serialization=core_schema.plain_serializer_function_ser_schema(asdict)
        )


def _as_dict(given: Any) -> Any:
    return asdict(given) if is_dataclass(given) and not isinstance(given, type) else given


def _input_model(value_class: Any) -> type[BaseModel]:
    hints = get_type_hints(value_class)
    checks: dict[str, Any] = {
        name: _check(rule, hints[name]) for name, rule in field_rules(value_class).items()
    }
    config = ConfigDict(strict=True, frozen=True, extra="forbid")
    return create_model(value_class.__name__, __config__=config, __doc__=value_class.__doc__, **checks)


def _check(rule: FieldRule, hint: Any) -> tuple[Any, Any]:
    optional = NoneType in get_args(hint)
    checked = _type(rule)
    default: Any = {"default": None} if optional else {}
    return (checked | None if optional else checked), Field(description=rule.description, **default)


def _type(rule: FieldRule) -> Any:
    match rule.kind:
        case "percent":
            return Annotated[int, Field(ge=0, le=100)]
        case "reviewer":
            return Annotated[int, Field(ge=1, le=MAX_REVIEWERS)]
        case "side":
            return Literal["left", "right"]
        case "line":
            return _text(rule, clean.single_line)
        case "passage":
            return _text(rule, clean.multiline)


def _text(rule: FieldRule, cleaned: Any) -> Any:
    return Annotated[
        str, StringConstraints(min_length=1, max_length=rule.max_chars), BeforeValidator(cleaned)
    ]
