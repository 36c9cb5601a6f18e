"""The base of every config table: unknown keys are errors, values never change after loading."""

from types import NoneType
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, model_validator

UNSET = "unset"


class Table(BaseModel):
    """A TOML table. Every field carries its meaning as `description`, which `fleet config` prints.

    TOML has no null: a setting that may be unset is unset by the word "unset".
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _unset(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {key: None if value == UNSET and cls.may_be_unset(key) else value for key, value in data.items()}

    @classmethod
    def may_be_unset(cls, key: str) -> bool:
        """Whether the field admits None."""
        return key in cls.model_fields and NoneType in get_args(cls.model_fields[key].annotation)
