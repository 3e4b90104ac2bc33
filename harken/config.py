"""A run is one full configuration file; the command line only picks the file and overrides keys."""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, get_args

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from harken.errors import HarkenError


def _ascending(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError(f"the least, {limits[0]:g}, is above the most, {limits[1]:g}")
    return limits


Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Range = Annotated[tuple[FiniteFloat, FiniteFloat], AfterValidator(_ascending)]
"""The least and the most of a value that is drawn uniformly."""


class Section(BaseModel):
    """A frozen group of settings; a key it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    def differs(self, option: str) -> bool:
        """Whether an option has another value than its default; the resolved configuration names all, used or not."""
        return bool(getattr(self, option) != type(self).model_fields[option].default)


Settings = TypeVar("Settings", bound=BaseModel)


def load_config(path: str | Path, overrides: Iterable[str], schema: type[Settings]) -> Settings:
    """Read ``path`` (YAML), apply ``key.path=value`` overrides (values are YAML), check against ``schema``.

    Raises:
        HarkenError: missing or unreadable file, a malformed override, an unknown key (with the nearest
            known one), or a value of the wrong type or range.
    """
    tree = _read_yaml(Path(path))
    for override in overrides:
        apply_override(tree, override)
    return check(tree, schema, source=str(path))


def check(tree: Mapping[str, Any], schema: type[Settings], source: str) -> Settings:
    """Validate a plain mapping, turning the first problem into a HarkenError that names key and remedy."""
    try:
        return schema.model_validate(tree)
    except ValidationError as failure:
        raise _explain(failure, schema, source) from None


def dump_yaml(settings: BaseModel) -> str:
    """The resolved configuration as YAML, keys in the order of the schema."""
    return yaml.safe_dump(settings.model_dump(mode="json"), allow_unicode=True, sort_keys=False)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise HarkenError("configuration file", str(path), "It does not exist: see configs/ for examples.") from None
    except (OSError, UnicodeDecodeError) as failure:
        raise HarkenError("configuration file", str(path), f"It cannot be read ({failure}).") from None
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as failure:
        raise HarkenError("configuration file", str(path), f"It is not valid YAML: {failure}") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise HarkenError("configuration file", str(path), "Its top level must be a mapping of sections.")
    return tree


def apply_override(tree: dict[str, Any], override: str) -> None:
    """Set one ``key.path=value`` (the value is YAML) in a plain tree of sections.

    Raises:
        HarkenError: it is written otherwise, or leads through a value that is no section.
    """
    key, separator, raw = override.partition("=")
    if not separator or not key.strip():
        raise HarkenError("override", override, "Write it as --set section.key=value.")
    try:
        value = yaml.safe_load(raw) if raw else ""
    except yaml.YAMLError as failure:
        raise HarkenError("override", override, f"The value is not valid YAML: {failure}") from None
    *parents, last = key.strip().split(".")
    node = tree
    for depth, name in enumerate(parents):
        child = node.setdefault(name, {})
        if not isinstance(child, dict):
            raise HarkenError("override", override, f"{'.'.join(parents[: depth + 1])} is a value, not a section.")
        node = child
    node[last] = value


def _explain(failure: ValidationError, schema: type[BaseModel], source: str) -> HarkenError:
    # Unknown keys first: a typo often causes a second, confusing "missing" error.
    problems = sorted(failure.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    problem = problems[0]
    location = [str(part) for part in problem["loc"]]
    key = ".".join(location)
    if problem["type"] == "extra_forbidden":
        known = _known_keys(schema, location[:-1])
        nearest = difflib.get_close_matches(location[-1], known, n=1, cutoff=0.0)
        prefix = ".".join(location[:-1])
        suggestion = f"{prefix}.{nearest[0]}" if prefix and nearest else (nearest[0] if nearest else "none")
        return HarkenError(f"unknown key in {source}", key, f"The nearest known key is {suggestion!r}.")
    remedy = f"{problem['msg'].removeprefix('Value error, ')}."
    if not key:
        # The whole tree as the value would bury what is wrong with it.
        return HarkenError("configuration", source, remedy)
    shown = "(missing)" if problem["type"] == "missing" else problem.get("input")
    return HarkenError(f"setting {key} in {source}", shown, remedy)


def _known_keys(schema: type[BaseModel], location: list[str]) -> list[str]:
    known: Any = schema
    for name in location:
        if _is_section(known):
            field = known.model_fields.get(name)
            known = field.annotation if field else None
        else:
            # Of a mapping the values, of a sequence the members: what a name or a number in the key leads to.
            known = next(reversed([part for part in get_args(known) if part is not ...]), None)
        known = next(filter(_is_section, get_args(known)), known) if isinstance(known, UnionType) else known
    return list(known.model_fields) if _is_section(known) else []


def _is_section(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
