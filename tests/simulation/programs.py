"""Random programs of DynamoDB calls: strategies for hypothesis."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from hypothesis import strategies as st

NAMES: Final = {"#a": "aa", "#b": "bb", "#c": "cc", "#m": "mm", "#s": "ss"}
_PATHS: Final = ("#a", "#b", "#c", "#m", "#m.#a", "#m.#b", "#s", "id")

numbers = st.one_of(
    st.integers(-20, 20).map(str),
    st.decimals(-100, 100, places=2, allow_nan=False).map(str),
    st.sampled_from(["1790000000.123", "0.10", "1e3", "-0"]),
)
texts = st.sampled_from(["", "a", "ab", "b", "é", "waiting"])
scalars = st.one_of(
    numbers.map(lambda number: {"N": number}),
    texts.map(lambda text: {"S": text}),
    st.booleans().map(lambda truth: {"BOOL": truth}),
    st.just({"NULL": True}),
)
sets = st.one_of(
    st.sets(st.sampled_from(["x", "y", "z"]), min_size=1).map(lambda members: {"SS": sorted(members)}),
    st.sets(st.integers(0, 3).map(str), min_size=1).map(lambda members: {"NS": sorted(members)}),
)
maps = st.dictionaries(st.sampled_from(["aa", "bb"]), scalars, max_size=2).map(lambda inner: {"M": inner})
values = st.one_of(scalars, scalars, sets, maps)


@dataclass
class Expression:
    """An expression under construction, with the placeholders that it uses."""

    values: dict[str, Any] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def value(self, value: Any) -> str:
        """Give a placeholder for a value."""
        placeholder = f":v{len(self.values)}"
        self.values[placeholder] = value
        return placeholder

    def path(self, path: str) -> str:
        """Note the placeholders of a path."""
        self.names |= {part: NAMES[part] for part in path.split(".") if part in NAMES}
        return path

    def parameters(self) -> dict[str, Any]:
        """Give what stands beside the expression; DynamoDB takes no empty map."""
        given = {"ExpressionAttributeNames": self.names, "ExpressionAttributeValues": self.values}
        return {name: content for name, content in given.items() if content}


@st.composite
def conditions(draw: st.DrawFn, made: Expression, depth: int = 2) -> str:
    """Give a condition."""
    kinds = ["compare", "compare", "between", "in", "exists", "missing", "begins"]
    kind = draw(st.sampled_from([*kinds, "and", "or", "not"] if depth else kinds))
    if kind in {"and", "or"}:
        parts = [f"({draw(conditions(made, depth - 1))})" for _ in range(2)]
        return f" {kind.upper()} ".join(parts)
    if kind == "not":
        return f"NOT {draw(conditions(made, depth - 1))}" if depth > 1 else "NOT attribute_exists(id)"
    path = "id" if kind == "begins" else made.path(draw(st.sampled_from(_PATHS)))
    return draw(_simple(made, kind, path))


@st.composite
def _simple(draw: st.DrawFn, made: Expression, kind: str, path: str) -> str:
    match kind:
        case "compare":
            sign = draw(st.sampled_from(["=", "<>", "<", "<=", ">", ">="]))
            ordered = st.one_of(numbers.map(lambda n: {"N": n}), texts.map(lambda t: {"S": t}))
            return f"{path} {sign} {made.value(draw(values if sign in {'=', '<>'} else ordered))}"
        case "between":
            low, high = sorted(draw(st.tuples(st.integers(-20, 20), st.integers(-20, 20))))
            return f"{path} BETWEEN {made.value({'N': str(low)})} AND {made.value({'N': str(high)})}"
        case "in":
            options = draw(st.lists(scalars, min_size=1, max_size=3))
            return f"{path} IN ({', '.join(made.value(option) for option in options)})"
        case "exists":
            return f"attribute_exists({path})"
        case "missing":
            return f"attribute_not_exists({path})"
        case _:
            # Of text: whether begins_with of a number is false or refused, the documentation does not say.
            return f"begins_with(id, {made.value({'S': draw(st.sampled_from(['a', 'key', 'k']))})})"


@st.composite
def updates(draw: st.DrawFn, made: Expression) -> str:
    """Give an update of paths that don't overlap, now and then of one that can't be updated."""
    paths = draw(
        st.lists(
            st.sampled_from(["#a", "#b", "#c", "#s", "#m.#a", "#m"]),
            min_size=1,
            max_size=4,
            unique_by=lambda path: path.split(".")[0],
        )
    )
    sections: dict[str, list[str]] = {"SET": [], "REMOVE": [], "ADD": []}
    for path in paths:
        # ADD is documented for top-level attributes only.
        section = draw(st.sampled_from(["SET", "SET", "REMOVE", *(["ADD"] if "." not in path else [])]))
        sections[section].append(draw(_action(made, section, made.path(path))))
    return " ".join(f"{name} {', '.join(actions)}" for name, actions in sections.items() if actions)


@st.composite
def _action(draw: st.DrawFn, made: Expression, section: str, path: str) -> str:
    if section == "REMOVE":
        return path
    if section == "ADD":
        return f"{path} {made.value(draw(st.one_of(numbers.map(lambda n: {'N': n}), sets)))}"
    if path == "#m":  # A path into what is no map: the two disagree about that within a transaction.
        return f"{path} = {made.value(draw(maps))}"
    return f"{path} = {draw(_source(made))}"


@st.composite
def _source(draw: st.DrawFn, made: Expression) -> str:
    """Give what an attribute is set to."""
    kind = draw(st.sampled_from(["value", "value", "copy", "default", "plus", "minus"]))
    if kind == "value":
        return made.value(draw(values))
    other = made.path(draw(st.sampled_from(["#a", "#b", "#c", "#m.#b"])))
    if kind == "copy":
        return other
    if kind == "default":
        return f"if_not_exists({other}, {made.value(draw(values))})"
    number = made.value({"N": draw(numbers)})
    return f"if_not_exists({other}, {number}) + {number}" if kind == "plus" else f"{other} - {number}"


@st.composite
def writes(draw: st.DrawFn, key: str, table: str) -> tuple[str, dict[str, Any]]:
    """Give an Update, Put, Delete or ConditionCheck of an item."""
    kind = draw(st.sampled_from(["Update", "Update", "Put", "Delete", "ConditionCheck"]))
    made = Expression()
    given: dict[str, Any] = {"TableName": table}
    if kind == "Put":
        item = draw(st.dictionaries(st.sampled_from(["aa", "bb", "cc", "ss"]), values, max_size=4))
        given["Item"] = {"id": {"S": key}, **item, **({"mm": draw(maps)} if draw(st.booleans()) else {})}
    else:
        given["Key"] = {"id": {"S": key}}
    if kind == "ConditionCheck" or draw(st.booleans()):
        given["ConditionExpression"] = draw(conditions(made))
        given["ReturnValuesOnConditionCheckFailure"] = draw(st.sampled_from(["NONE", "ALL_OLD"]))
    if kind == "Update":
        given["UpdateExpression"] = draw(updates(made))
    return kind, {**given, **made.parameters()}


@st.composite
def programs(draw: st.DrawFn, table: str, keys: tuple[str, str]) -> list[tuple[str, dict[str, Any]]]:
    """Give calls about two items, in their order: the client's method and its parameters."""
    calls: list[tuple[str, dict[str, Any]]] = []
    for _ in range(draw(st.integers(1, 6))):
        if draw(st.integers(0, 3)) == 0:
            steps = [draw(writes(key, table)) for key in keys]
            calls.append(("transact_write_items", {"TransactItems": [{kind: step} for kind, step in steps]}))
            continue
        kind, step = draw(writes(draw(st.sampled_from(keys)), table))
        if kind == "ConditionCheck":
            calls.append(("transact_write_items", {"TransactItems": [{kind: step}]}))
        else:
            calls.append((f"{kind.lower()}_item", step))
    return calls
