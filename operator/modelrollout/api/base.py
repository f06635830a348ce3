"""What all blocks of the resource have in common: camelCase outside, frozen values inside, no unknown fields."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Block(BaseModel):
    """One block of the resource; a value, never changed in place."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )

    def but(self, **changes: Any) -> Self:  # noqa: ANN401  # values of any field's type, checked by the validation below
        """A copy with some fields changed.

        Raises:
            ValueError: for a name that is no field, which would otherwise be silently kept beside the fields.
        """
        unknown = changes.keys() - type(self).model_fields.keys()
        if unknown:
            raise ValueError(f"{type(self).__name__} has no field {sorted(unknown)}")
        return self.model_copy(update=changes)

    def to_json(self) -> dict[str, Any]:
        """The block as it is written to the API server: camelCase, without what is absent."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
