"""The tables in the documentation that repeat what configuration, schemas and code say, made from these.

    python docs/generate.py            rewrite the generated parts
    python docs/generate.py --check    say which are out of date, and fail if any is

A generated part is between ``<!-- generated: NAME -->`` and ``<!-- end of generated -->``. The JSON schemas below
workflow/schemas are generated completely.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import math
import re
import sys
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "docs")]

import cards  # noqa: E402
import yaml  # noqa: E402

from cortexclip.configuration.schema import MODELS, read_yaml  # noqa: E402
from cortexclip.data import crell, epochs, mindbigdata, no_brain, simulated  # noqa: E402
from cortexclip.data.arrays import DEFAULT_PART, SETS, roles  # noqa: E402
from cortexclip.evaluation.metrics import METRICS  # noqa: E402
from cortexclip.evaluation.power import ALPHA  # noqa: E402
from cortexclip.evaluation.statistics import least_stimuli  # noqa: E402
from cortexclip.methods.catalogue import SIZES, load_method  # noqa: E402
from cortexclip.methods.procedure import Procedure  # noqa: E402
from cortexclip.runtime.settings import Checked  # noqa: E402

DOCUMENTS = ("config/README.md", "docs/add-a-method.md", "docs/evaluation.md", "docs/methods.md")
BLOCK = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end of generated -->)", re.DOTALL)
TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null"}
PYTHON_TYPES = {bool: "true or false", int: "whole number", float: "number", str: "text"}


def table(columns: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; cells may hold Markdown of their own."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(
        "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in row) + " |" for row in lines
    )


def code(value: object) -> str:
    """A value of a configuration file as it may stand there."""
    if isinstance(value, bool) or value is None:
        text = {True: "true", False: "false", None: "null"}[value]
    elif isinstance(value, list | tuple):
        text = "[" + ", ".join(code(item).strip("`") for item in value) + "]"
    elif isinstance(value, Mapping):
        text = "{" + ", ".join(f"{key}: {code(item).strip('`')}" for key, item in value.items()) + "}"
    else:
        text = str(value)
    return f"`{text}`"


def prose(docstring: str) -> str:
    """A docstring as one Markdown paragraph."""
    return " ".join(re.sub(r"``([^`]*)``|:\w+:`([^`]*)`", r"`\1\2`", inspect.cleandoc(docstring)).split())


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def settings(kind: str) -> dict:
    return read_yaml(ROOT / "config" / f"{kind}.yaml")


def schema(kind: str) -> dict:
    """The JSON schema of a file of config/, without the names that pydantic gives its parts."""

    def plain(rule: object) -> object:
        if isinstance(rule, list):
            return [plain(item) for item in rule]
        if isinstance(rule, dict):
            named = isinstance(rule.get("title"), str)
            return {
                key: plain(value) for key, value in rule.items() if key != "default" and not (named and key == "title")
            }
        return " ".join(rule.split()) if isinstance(rule, str) else rule

    made = plain(MODELS[kind].model_json_schema())
    return {**made, "additionalProperties": False} if "patternProperties" in made else made


def resolved(rule: Mapping, whole: Mapping) -> dict:
    """A rule with what it refers to."""
    return {**whole["$defs"][rule["$ref"].rpartition("/")[2]], **rule} if "$ref" in rule else dict(rule)


def what(rule: Mapping, whole: Mapping) -> str:
    """What a key may hold, in words."""
    if "$ref" in rule or rule.get("type") == "object":
        return "mapping"
    if "anyOf" in rule:
        return " or ".join(what(case, whole) for case in rule["anyOf"])
    if "const" in rule or "enum" in rule:
        values = rule.get("enum", [rule.get("const")])
        return " or ".join(code(value) for value in values if value != "")  # "" stands for a key that is left out
    if rule["type"] == "array":
        kind = what(rule["items"], whole)
        kind = {"mapping": "mappings"}.get(kind, kind)
        return f"list of {kind}" + (", not empty" if rule.get("minItems") else "")
    text = TYPES[rule["type"]]
    if "minimum" in rule:
        text += f" from {rule['minimum']:g}"
    if "exclusiveMinimum" in rule:
        text += f" between {rule['exclusiveMinimum']:g} and {rule['exclusiveMaximum']:g}"
    return text


def conditions(rule: Mapping) -> dict[str, str]:
    """Key -> when an entry needs it."""
    needed = {key: "yes" for key in rule.get("required", [])}
    for case in rule.get("allOf", []):
        (key,) = case["if"]["required"]
        values = case["if"].get("properties", {}).get(key, {}).get("enum", [])
        text = f"if `{key}` is " + " or ".join(map(code, values)) if values else f"with `{key}`"
        for other in case["then"]["required"]:
            needed[other] = f"{needed[other]}, {text}" if other in needed else text
    return needed


def keys(rule: Mapping, whole: Mapping, above: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Name, need, type and meaning of every key of a mapping and of the mappings in it."""
    needed = conditions(rule)
    for name, about in rule["properties"].items():
        yield f"{above}{name}", needed.get(name, ""), what(about, whole), resolved(about, whole).get("description", "")
        if "$ref" in about:
            yield from keys(resolved(about, whole), whole, f"{above}{name}.")


def key_table(rule: Mapping, whole: Mapping) -> str:
    rows = [[f"`{name}`", *cells] for name, *cells in keys(resolved(rule, whole), whole)]
    return table(["key", "needed", "type", "meaning"], rows)


def main_keys() -> str:
    rule, default = schema("config"), settings("config")
    rows = [
        [f"`{name}`", kind, code(default[name]) if name in default else "", meaning]
        for name, _, kind, meaning in keys(rule, rule)
    ]
    return table(["key", "type", "default", "meaning"], rows)


def catalogue_keys(kind: str) -> str:
    whole = schema(kind)
    (rule,) = whole["patternProperties"].values()
    return key_table(rule, whole)


def array_names() -> str:
    rows = []
    for parts in SETS:
        for role, name in roles(parts).items():
            name = DEFAULT_PART if role == "part" else name
            rows.append([code(parts), code(role), code(name) if name else "none, not read"])
    return table(["parts", "role", "array, if not given"], rows)


def simulated_settings() -> str:
    given = settings("datasets")["simulated"]["settings"]
    rows = [
        [code(name), code(field.default), code(given[name]) if name in given else "", field.description or ""]
        for name, field in simulated.Settings.model_fields.items()
    ]
    return table(["setting", "if not given", "in datasets.yaml", "meaning"], rows)


def reader_settings(model: type[Checked]) -> str:
    """The fields that a reader's Settings adds to those that it inherits."""
    own = {name: model.model_fields[name] for name in model.__annotations__}
    rows = [[code(name), code(field.default), field.description or ""] for name, field in own.items()]
    return table(["setting", "if not given", "meaning"], rows)


def grouped(entry: Mapping) -> str:
    """What the folds of a protocol keep together."""
    by = entry.get("group_by", "sample")
    return by if isinstance(by, str) else " and ".join(by)


def protocol_table() -> str:
    rows = []
    for name, entry in settings("protocols").items():
        if not entry.get("source"):
            folds = "one split" if entry["over"] == "canonical" else f"{entry['folds']}, by {grouped(entry)}"
            optimistic = "yes" if entry["select"] == "scored" else "no"
            rows.append([f"`{name}`", entry["over"], folds, choosing(entry), optimistic, entry["note"]])
    return table(["protocol", "over", "folds", "chooses", "optimistic", "note"], rows)


def source_protocol_table() -> str:
    rows = []
    for name, entry in settings("protocols").items():
        if entry.get("source"):
            folds = f"{entry['folds']}, by {grouped(entry)}" if "folds" in entry else "one split"
            rows.append([f"`{name}`", entry["over"], folds, choosing(entry), entry["note"]])
    return table(["protocol", "over", "folds", "chooses", "note"], rows)


def choosing(entry: Mapping) -> str:
    """Which samples choose under a protocol, in words."""
    most = f", at most {entry['select_most']}" if "select_most" in entry else ""
    if entry["select"] == "scored":
        return f"the scored samples{most}"
    share = f"{entry['inner_fraction']:.0%}".replace("%", " %")
    if entry["select"] == "last":
        return f"the last {share} of training{most}"
    if entry["select"] == "shuffled":
        return f"a random {share} of training"
    return f"{share} of training, by {entry['inner_by']}"


def control_table() -> str:
    controls = {name: entry for name, entry in settings("methods").items() if entry.get("control")}
    return table(["control", "what"], [[f"`{name}`", entry.get("note", "")] for name, entry in controls.items()])


def python_type(hint: object) -> str:
    if typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    if typing.get_origin(hint) is typing.Literal:
        return " or ".join(map(code, typing.get_args(hint)))
    if typing.get_origin(hint) is tuple:
        return f"list of {python_type(typing.get_args(hint)[0])}s"
    return PYTHON_TYPES[hint]


def method_settings() -> str:
    """For each method its note, what its module says about the settings (once for each module), and their values."""
    parts = []
    described: dict[str, str] = {}
    for name, entry in settings("methods").items():
        cls = load_method(entry["module"]).Settings
        cases = {"value": entry.get("settings", {})}
        cases |= {size: entry["by_size"][size] for size in SIZES if size in entry.get("by_size", {})}
        cases |= entry.get("by_dataset", {})
        cases = {case: values for case, values in cases.items() if values}
        rows = [
            [f"`{key}`", python_type(field.annotation), *(code(v[key]) if key in v else "" for v in cases.values())]
            for key, field in cls.model_fields.items()
        ]
        parts += [f"#### `{name}`: {entry['title']}", ""]
        parts += [" ".join(filter(None, [entry.get("note", ""), f"Module `{entry['module']}`."])), ""]
        if rows:
            first = described.setdefault(entry["module"], name)
            meaning = prose(cls.__doc__) if first == name else f"Settings as explained for `{first}`."
            parts += [meaning, "", table(["setting", "type", *cases], rows), ""]
        else:
            parts += ["No settings.", ""]
    return "\n".join(parts).rstrip()


def procedure_fields() -> str:
    """The fields of a source's procedure and what its docstring says of each."""
    parameters = inspect.cleandoc(Procedure.__doc__).partition("----------\n")[2]
    meanings = dict(line.split(" : ", 1) for line in re.sub(r"\n\s+", " ", parameters).splitlines())
    rows = [
        [code(key), python_type(field.annotation), capital(prose(meanings.get(key, "see `schedule`.")))]
        for key, field in Procedure.model_fields.items()
    ]
    return table(["key", "type", "meaning"], rows)


def encoder_settings() -> str:
    """What the fields of each encoder's Settings mean; read without importing, since some need torch."""
    parts = []
    for module in dict.fromkeys(entry["module"] for entry in settings("encoders").values()):
        source = ROOT / "workflow" / Path(*module.split(".")).with_suffix(".py")
        classes = [
            node for node in ast.parse(source.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)
        ]
        body = next((node.body for node in classes if node.name == "Settings"), [])
        rows = [
            [f"`{ast.unparse(field.target)}`", prose(" ".join(ast.literal_eval(meaning.value).split()))]
            for field, meaning in zip(body, body[1:], strict=False)
            if isinstance(field, ast.AnnAssign) and isinstance(meaning, ast.Expr)
        ]
        parts += [f"#### `{module}`", "", table(["setting", "meaning"], rows) if rows else "No settings.", ""]
    return "\n".join(parts).rstrip()


def published_keys(part: str) -> str:
    whole = schema("published")
    about = whole["properties"][part]
    return key_table(about["additionalProperties" if part == "sources" else "items"], whole)


def metric_table() -> str:
    better = {True: "higher", False: "lower", None: ""}
    rows = []
    for metric in METRICS.values():
        low, high = ("no bound" if math.isinf(v) else f"{v:g}" for v in (metric.low, metric.high))
        chance = f"{metric.chance:g}" if metric.chance is not None else ""
        if metric.chance_from is not None:
            chance = f"from `{metric.chance_from[0]}`"
        rows.append(
            [f"`{metric.name}`", metric.label, f"{low} to {high}", metric.unit, better[metric.higher_is_better], chance]
        )
    return table(["metric", "called", "range", "unit", "better", "chance"], rows)


def coverage() -> str:
    """What benchmarks/coverage.py found."""
    found = json.loads((ROOT / "benchmarks/results/coverage.json").read_text(encoding="utf-8"))["tables"][0]
    return "\n\n".join([table(found["columns"], found["rows"]), *found["notes"]])


def least_stimuli_table() -> str:
    """The least number of images for a verdict, by the size of the declared family."""
    default = settings("config")["comparisons"]
    rows = []
    for comparisons in sorted({1, 10, 50, default, 500}):
        flips = next(n for n in range(2, 99) if 2.0 ** (1 - n) * comparisons < ALPHA)
        mark = " (default)" if comparisons == default else ""
        rows.append([f"{comparisons}{mark}", str(flips), str(least_stimuli(comparisons))])
    return table(["declared comparisons", "images for the smallest p", "images for a verdict"], rows)


MAKERS = {
    "coverage": coverage,
    "least-stimuli": least_stimuli_table,
    "config": main_keys,
    "datasets": lambda: catalogue_keys("datasets"),
    "arrays": array_names,
    "simulated": simulated_settings,
    "mindbigdata": lambda: reader_settings(mindbigdata.Settings),
    "crell": lambda: reader_settings(crell.Settings),
    "no-brain": lambda: reader_settings(no_brain.Settings),
    "epochs": lambda: reader_settings(epochs.EpochSettings),
    "protocols": lambda: catalogue_keys("protocols"),
    "methods": lambda: catalogue_keys("methods"),
    "method-settings": method_settings,
    "encoders": lambda: catalogue_keys("encoders"),
    "encoder-settings": encoder_settings,
    "published-sources": lambda: published_keys("sources"),
    "published-numbers": lambda: published_keys("numbers"),
    "published-statements": lambda: published_keys("statements"),
    "protocol-table": protocol_table,
    "source-protocol-table": source_protocol_table,
    "procedure": procedure_fields,
    "metric-table": metric_table,
    "control-table": control_table,
    "method-cards": cards.cards,
}


def regenerated(text: str) -> str:
    """A document with all its generated parts made anew."""
    return BLOCK.sub(lambda found: f"{found[1]}{MAKERS[found[2]]()}\n{found[3]}", text)


def schema_text(kind: str) -> str:
    about = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"{kind}.yaml", **schema(kind)}
    text = yaml.safe_dump(about, sort_keys=False, allow_unicode=True, width=116, default_flow_style=None)
    return f"# Made from workflow/cortexclip/configuration/schema.py by python docs/generate.py.\n{text}"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a part is out of date")
    check = parser.parse_args(argv).check
    fresh = {name: regenerated((ROOT / name).read_text(encoding="utf-8")) for name in DOCUMENTS}
    fresh |= {f"workflow/schemas/{kind}.schema.yaml": schema_text(kind) for kind in MODELS}
    status = 0
    for name, text in fresh.items():
        path = ROOT / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            status = int(check)
            print(f"{name}: out of date. Run python docs/generate.py." if check else f"{name}: rewritten")
            if not check:
                path.write_text(text, encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
