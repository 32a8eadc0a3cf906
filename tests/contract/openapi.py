"""GitHub's OpenAPI descriptions as a judge of requests and answers.

The descriptions come with the npm package `@octokit/openapi`. They describe the oldest API version and
carry, as `x-github-breaking-changes`, the patches that lead to the newer ones.
"""

import copy
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

from jsonschema import ValidationError, validators
from openapi_schema_validator import OAS30Validator, oas30_format_checker
from referencing import Registry
from referencing.jsonschema import DRAFT4

GENERATED = Path(__file__).parents[2] / "node_modules" / "@octokit" / "openapi" / "generated"
FILES = {"github.com": "api.github.com.json", "ghes-3.17": "ghes-3.17.json"}
OLDEST = "2022-11-28"
_CHANGES = "x-github-breaking-changes"
_METHODS = {"get", "post", "put", "patch", "delete"}
_ROOT = "urn:github"


class NotDescribedError(LookupError):
    """Raised when the description says nothing about an operation or a status."""


def _closed_properties(
    validator: Any, properties: Any, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    """Check `properties` and refuse others, which the description leaves open by silence.

    Without this a field that a newer version removed would pass unnoticed.
    """
    yield from OAS30Validator.VALIDATORS["properties"](validator, properties, instance, schema)
    if isinstance(instance, dict) and "additionalProperties" not in schema:
        for name in instance.keys() - properties.keys():
            yield ValidationError(f"{name!r} is not described")


_extend: Any = validators.extend  # jsonschema leaves it untyped
_Validator = _extend(OAS30Validator, {"properties": _closed_properties})


def validate_request(version: str, method: str, path: str, body: Any, edition: str = "github.com") -> None:
    """Check a decoded request body.

    Raises:
        ValidationError: when the description forbids the body.
        NotDescribedError: when it knows no such operation, or none with a body.
    """
    template, operation = find_operation(version, method, path, edition)
    if "requestBody" not in operation:
        raise NotDescribedError(f"{method} {template} has no request body")
    pointer = ["paths", template, method.lower(), "requestBody", "content", "application/json", "schema"]
    _check(version, edition, pointer, body)


def validate_query(version: str, method: str, path: str, query: str, edition: str = "github.com") -> None:
    """Check the parameters of a query.

    Raises:
        ValidationError: when the description wants another value.
        NotDescribedError: when it knows no such parameter.
    """
    _, operation = find_operation(version, method, path, edition)
    shared = description(edition, version)["components"]["parameters"]
    parameters = [
        shared[each["$ref"].rpartition("/")[2]] if "$ref" in each else each
        for each in operation.get("parameters", ())
    ]
    schemas = {each["name"]: each["schema"] for each in parameters if each["in"] == "query"}
    for name, value in parse_qsl(query, strict_parsing=True) if query else ():
        if name not in schemas:
            raise NotDescribedError(f"{method} {path} takes no {name}")
        # A range is two of what its parameter is described as, says the search syntax that it refers to.
        for part in value.split("..") if schemas[name].get("format") == "date-time" else [value]:
            _check_text(schemas[name], part)


def validate_answer(
    version: str, method: str, path: str, status: int, body: Any, edition: str = "github.com"
) -> None:
    """Check a decoded answer; None stands for an empty body.

    Raises:
        ValidationError: when the description forbids the body.
        NotDescribedError: when it doesn't speak of this operation or this status.
    """
    template, operation = find_operation(version, method, path, edition)
    pointer = ["paths", template, method.lower(), "responses", str(status)]
    answer = operation["responses"].get(str(status))
    if answer is None:
        raise NotDescribedError(f"{method} {template} in {version} describes no {status}")
    if "$ref" in answer:
        pointer = answer["$ref"].removeprefix("#/").split("/")
        answer = description(edition, version)["components"]["responses"][pointer[-1]]
    if "content" in answer:
        _check(version, edition, [*pointer, "content", "application/json", "schema"], body)
    elif body is not None:
        raise ValidationError(f"{status} has no body")


def find_operation(
    version: str, method: str, path: str, edition: str = "github.com"
) -> tuple[str, Mapping[str, Any]]:
    """Return the path template and the operation that serve a path, GitHub's most literal one first."""
    paths = description(edition, version)["paths"]
    fitting = [each for each in paths if _fits(each, path) and method.lower() in paths[each]]
    if not fitting:
        raise NotDescribedError(f"{method} {path}")
    template = min(fitting, key=lambda each: each.count("{"))
    return template, paths[template][method.lower()]


@cache
def description(edition: str, version: str) -> Mapping[str, Any]:
    """Return a description as it reads in one API version."""
    plain = _load(edition)
    if version == OLDEST:
        return plain
    paths = {
        path: {name: _patched(each, version) if name in _METHODS else each for name, each in item.items()}
        for path, item in plain["paths"].items()
    }
    schemas = {name: _patched(each, version) for name, each in plain["components"]["schemas"].items()}
    return {**plain, "paths": paths, "components": {**plain["components"], "schemas": schemas}}


@cache
def _load(edition: str) -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = json.loads((GENERATED / FILES[edition]).read_bytes())
    return loaded


@cache
def _registry(edition: str, version: str) -> Registry[Any]:
    resource = DRAFT4.create_resource(description(edition, version))
    registry: Registry[Any] = Registry().with_resource(_ROOT, resource)
    return registry


def _check(version: str, edition: str, pointer: list[str], body: Any) -> None:
    steps = [quote(step.replace("~", "~0").replace("/", "~1"), safe="~") for step in pointer]
    schema = {"$ref": "/".join([f"{_ROOT}#", *steps])}
    _Validator(schema, registry=_registry(edition, version), format_checker=oas30_format_checker).validate(
        body
    )


def _check_text(schema: Any, text: str) -> None:
    value = int(text) if schema["type"] == "integer" and text.isdecimal() else text
    OAS30Validator(schema, format_checker=oas30_format_checker).validate(value)


def _fits(template: str, path: str) -> bool:
    names, parts = template.split("/"), path.split("/")
    return len(names) == len(parts) and all(
        name.startswith("{") or name == part for name, part in zip(names, parts, strict=True)
    )


def _patched(carrier: Any, version: str) -> Any:
    changes = [each for each in carrier.get(_CHANGES, ()) if each["version"] <= version]
    result = copy.deepcopy(carrier) if changes else carrier
    for change in changes:
        patch = change["patch"]
        result = merge_patch(result, patch) if isinstance(patch, dict) else json_patch(result, patch)
    return result


def merge_patch(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch (RFC 7396), in which null removes."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, change in patch.items():
        if change is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), change)
    return merged


def json_patch(target: Any, operations: list[Mapping[str, Any]]) -> Any:
    """Apply a JSON patch (RFC 6902), of which the descriptions use `add`, `remove` and `replace`."""
    result = copy.deepcopy(target)
    for operation in operations:
        *parents, last = [_unescaped(step) for step in operation["path"].split("/")[1:]]
        place = result
        for step in parents:
            place = place[_key(place, step)]
        _apply(place, _key(place, last), operation)
    return result


def _apply(place: Any, key: Any, operation: Mapping[str, Any]) -> None:
    match operation["op"]:
        case "remove":
            del place[key]
        case "add" if isinstance(place, list):
            place.insert(key, operation["value"])
        case "add" | "replace":
            place[key] = operation["value"]
        case other:
            raise NotImplementedError(other)


def _key(place: Any, step: str) -> Any:
    if not isinstance(place, list):
        return step
    return len(place) if step == "-" else int(step)


def _unescaped(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")
