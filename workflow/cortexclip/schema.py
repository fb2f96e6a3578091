"""Reading YAML safely and checking it against workflow/schemas, with messages that say what to change."""

from __future__ import annotations

import os
from pathlib import Path

import jsonschema
import yaml

from cortexclip.errors import InputError, nearest
from cortexclip.project import root

SCHEMAS = root() / "workflow" / "schemas"


class _Loader(yaml.SafeLoader):
    """Refuses a mapping that has a key twice, of which YAML's other readers silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"'{key.value}' stands there twice; delete or rename one", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: str | os.PathLike) -> dict:
    """Read a YAML file safely; raises InputError if it is missing, not YAML, not a mapping, or has a key twice."""
    try:
        content = _Loader(Path(path).read_text(encoding="utf-8")).get_single_data()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: found {type(content).__name__}, expected a mapping of keys to values.")
    return content


def check(content: object, schema: str, where: str) -> None:
    """Check content against workflow/schemas/<schema>.schema.yaml; raises InputError that names key and remedy."""
    validator = jsonschema.Draft202012Validator(read_yaml(SCHEMAS / f"{schema}.schema.yaml"))
    errors = sorted(validator.iter_errors(content), key=lambda e: (len(e.absolute_path), str(e.absolute_path)))
    if not errors:
        return
    error = errors[0]
    key = ".".join(str(part) for part in error.absolute_path)
    place = f"{where}: {key}" if key else where
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        unknown = next(name for name in error.instance if name not in known)
        raise InputError(f"{place}: unknown key '{unknown}'. {nearest(unknown, known)}")
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        raise InputError(f"{place}: missing key '{missing}'. Add it; config/README.md explains it.")
    described = error.schema.get("description", "") if isinstance(error.schema, dict) else ""
    raise InputError(f"{place}: {error.message}. {described}".rstrip())
