"""What the plan of a run (results/plan.json, see :func:`cortexclip.config.plan`) says of a dataset."""

from __future__ import annotations

from collections.abc import Mapping


def protocols_of(plan: Mapping, dataset: str) -> list[str]:
    """Protocols that apply to a dataset, in the order of the plan."""
    without = plan.get("not_applicable", {}).get(dataset, [])
    return [name for name in plan["protocols"] if name not in without]


def reduced_precision(plan: Mapping) -> str:
    """A sentence on the precision in which networks were trained, or "" for single precision."""
    precision = {"tf32": "TF32 where they ran on a GPU", "bfloat16": "bfloat16"}.get(plan.get("precision"))
    return f"Networks were trained in {precision}." if precision else ""


def without_split(plan: Mapping, dataset: str) -> str:
    """A sentence on the protocols that do not apply to a dataset, or "" if all do."""
    titles = [plan["protocols"][name]["title"] for name in plan.get("not_applicable", {}).get(dataset, [])]
    if not titles:
        return ""
    verb = "needs" if len(titles) == 1 else "need"
    return f"Not applicable: {', '.join(titles)} {verb} a train/test split, which the source does not give."
