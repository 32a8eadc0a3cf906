"""Random programs of DynamoDB calls: strategies for hypothesis."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from hypothesis import strategies as st

NAMES: Final = {"#a": "aa", "#b": "bb", "#c": "cc", "#m": "mm", "#s": "ss"}
KEYS: Final = ("k1", "k2")
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
    path = made.path(draw(st.sampled_from(_PATHS)))
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
            return f"begins_with({path}, {made.value({'S': draw(st.sampled_from(['a', 'w', 'k']))})})"


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
        section = draw(st.sampled_from(["SET", "SET", "SET", "REMOVE", "ADD"]))
        sections[section].append(draw(_action(made, section, made.path(path))))
    return " ".join(f"{name} {', '.join(actions)}" for name, actions in sections.items() if actions)


@st.composite
def _action(draw: st.DrawFn, made: Expression, section: str, path: str) -> str:
    if section == "REMOVE":
        return path
    if section == "ADD":
        return f"{path} {made.value(draw(st.one_of(numbers.map(lambda n: {'N': n}), sets)))}"
    kind = draw(st.sampled_from(["value", "value", "copy", "plus", "minus", "default"]))
    source = made.path(draw(st.sampled_from(["#a", "#b", "#c", "#m.#b"]))) if kind != "value" else ""
    number = made.value({"N": draw(numbers)}) if kind in {"plus", "minus"} else ""
    match kind:
        case "value":
            return f"{path} = {made.value(draw(values))}"
        case "copy":
            return f"{path} = {source}"
        case "default":
            return f"{path} = if_not_exists({source}, {made.value(draw(values))})"
        case "plus":
            return f"{path} = if_not_exists({source}, {number}) + {number}"
        case _:
            return f"{path} = {source} - {number}"


@st.composite
def writes(draw: st.DrawFn, key: str, table: str) -> tuple[str, dict[str, Any]]:
    """Give an Update, Put, Delete or ConditionCheck of an item."""
    kind = draw(st.sampled_from(["Update", "Update", "Put", "Delete", "ConditionCheck"]))
    made = Expression()
    given: dict[str, Any] = {"TableName": table}
    if kind == "Put":
        item = draw(st.dictionaries(st.sampled_from(["aa", "bb", "cc", "mm", "ss"]), values, max_size=4))
        given["Item"] = {"id": {"S": key}, **item}
    else:
        given["Key"] = {"id": {"S": key}}
    if kind == "ConditionCheck" or draw(st.booleans()):
        given["ConditionExpression"] = draw(conditions(made))
        given["ReturnValuesOnConditionCheckFailure"] = draw(st.sampled_from(["NONE", "ALL_OLD"]))
    if kind == "Update":
        given["UpdateExpression"] = draw(updates(made))
    return kind, {**given, **made.parameters()}


@st.composite
def programs(draw: st.DrawFn, table: str = "compared") -> list[tuple[str, dict[str, Any]]]:
    """Give calls in their order: the client's method and its parameters."""
    calls: list[tuple[str, dict[str, Any]]] = []
    for _ in range(draw(st.integers(1, 6))):
        if draw(st.integers(0, 3)) == 0:
            steps = [draw(writes(key, table)) for key in KEYS]
            calls.append(("transact_write_items", {"TransactItems": [{kind: step} for kind, step in steps]}))
            continue
        kind, step = draw(writes(draw(st.sampled_from(KEYS)), table))
        if kind == "ConditionCheck":
            calls.append(("transact_write_items", {"TransactItems": [{kind: step}]}))
        else:
            calls.append((f"{kind.lower()}_item", step))
    return calls
