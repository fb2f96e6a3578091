"""The rules of the workflow as they are written."""

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "workflow/rules"
RULE = r'^( *)rule[: \n]+(?:name:\s+f")?(\w+).*\n(?:\1    .*\n|\n(?=\1    ))+'
RULES = {
    match.group(2): (path.name, match.group(0))
    for path in sorted(FOLDER.glob("*.smk"))
    for match in re.finditer(RULE, path.read_text(), flags=re.MULTILINE)
}
"""By the name of a rule: the file that has it, and its text."""
