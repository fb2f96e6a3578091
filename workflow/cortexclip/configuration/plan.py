"""What is compared: the plan of a run (results/plan.json), made from the configuration and read by tables and figures.

Imports nothing heavy, since Snakemake makes it at every start.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

from cortexclip.data import title_of
from cortexclip.errors import InputError
from cortexclip.evaluation import READOUTS, own_name, readout_of
from cortexclip.runtime.files import read_json

HONEST = ("split", "folds")
"""Kinds of honest protocols."""
EXTENSION, ENCODER = "extension", "encoder"
"""Kinds of pairs of runs that differ in one part: a variant and its plain method, one embedding space and another."""


@dataclass(frozen=True)
class Dataset:
    """A dataset of the comparison; ``name`` is that of the configuration, which tables, figures and page use too."""

    title: str = ""
    notes: list[str] = field(default_factory=list)
    simulated: bool = False
    name: str = ""

    @property
    def heading(self) -> str:
        """The name with the title beside it."""
        return called(self.name, self.title)


@dataclass(frozen=True)
class Protocol:
    """A protocol.

    Attributes
    ----------
    optimistic : whether the scored samples choose anything.
    honest : "split" or "folds" for a protocol in which nothing is chosen on scored samples and beside which published
        numbers of one split, or of folds, are set.
    counterpart : the honest protocol of the same kind as an optimistic one.
    repeats : whether the image of a scored sample may have been trained on, in another trial.
    average : what means weigh equally, "sample" or "stimulus".
    over : which samples are trained on and scored, as in protocols.yaml.
    folds : their number, where it is configured.
    cuts : in how many cuts, shuffled from ``shuffle_seed``, in-sample scores are averaged; 0 for none.
    compared_with : a protocol that leaves less out, if any.
    train_share : share of the training samples that is learned from.
    needs : what a dataset must have for it to apply.
    """

    title: str = ""
    note: str = ""
    optimistic: bool = False
    honest: str | None = None
    counterpart: str | None = None
    repeats: bool = True
    average: str = "sample"
    over: str = "canonical"
    folds: int | None = None
    cuts: int = 0
    shuffle_seed: int = 0
    compared_with: str | None = None
    train_share: float = 1.0
    needs: str = "a train/test split"
    name: str = ""

    @property
    def heading(self) -> str:
        """The name, marked if the protocol is optimistic; ``note`` says more than the title."""
        name = self.name or self.title
        return f"{name} (optimistic)" if self.optimistic else name


@dataclass(frozen=True)
class Run:
    """A method with its embedding space.

    ``fits`` is how often it is fitted in a fold, ``role`` is of methods.yaml; ``trained`` says whether it has training
    curves, ``fields`` whether its weights hold the receptive fields of an encoding model and are kept, ``bases`` the
    same of image bases, and ``look`` how it is drawn, by its ``colour`` and ``marker``.
    """

    method: str
    encoder: str = "none"
    fits: int = 1
    title: str = ""
    published: str | None = None
    ablates: str | None = None
    control: bool = False
    role: str | None = None
    note: str = ""
    trained: bool = False
    fields: bool = False
    look: dict[str, str] | None = None
    bases: bool = False


@dataclass(frozen=True)
class SourceDataset:
    """A dataset on which published numbers are measured again.

    Attributes
    ----------
    stands_for : the dataset of the published numbers.
    brain_data : whether it holds any.
    published_trials : whether it has as many trials as were published.
    judges : whether it can decide what becomes of a number; white noise cannot.
    """

    title: str = ""
    notes: list[str] = field(default_factory=list)
    stands_for: str = ""
    brain_data: bool = True
    published_trials: bool = False
    judges: bool = True


@dataclass(frozen=True)
class Sources:
    """What is trained by the procedures of sources; ``cells`` are (protocol, dataset, method)."""

    datasets: dict[str, SourceDataset] = field(default_factory=dict)
    protocols: dict[str, Protocol] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    cells: list[tuple[str, str, str]] = field(default_factory=list)
    seeds: int = 0


@dataclass(frozen=True)
class Plan:
    """What is compared.

    Attributes
    ----------
    datasets, protocols, runs : by name, in the order of the configuration.
    encoders : name -> title.
    cells : dataset -> runs that apply to it.
    ablations : dataset -> pairs of runs that differ in one part, each ``kind``, ``run`` and ``reference``.
    not_applicable : dataset -> protocols that do not apply to it, if any.
    unavailable : name of a dataset or encoder that is not there -> reason.
    sources : what is trained by the procedures of sources.
    judge : the encoder in whose space reconstructions are identified, or None.
    rivals : the controls that every method is compared with, beside the reference.
    comparisons : the size of the family that p values are corrected for.
    named : what sentences name whether it is run or not: the first honest protocols of the catalogue ("split",
        "folds"), its datasets without brain data whose rows are all equal ("constant"), what the datasets without brain
        data stand for ("not_public") and their protocols ("without_brain_data").
    """

    datasets: dict[str, Dataset]
    protocols: dict[str, Protocol]
    runs: dict[str, Run]
    encoders: dict[str, str] = field(default_factory=dict)
    cells: dict[str, list[str]] = field(default_factory=dict)
    ablations: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    not_applicable: dict[str, list[str]] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)
    sources: Sources = field(default_factory=Sources)
    seeds: int = 1
    precision: str = "float32"
    judge: str | None = None
    rivals: list[str] = field(default_factory=list)
    comparisons: int = 1
    named: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, content: Mapping) -> Plan:
        """A plan from what its file holds."""
        made = {**content, "sources": dict(content.get("sources", {}))}
        made["sources"]["cells"] = [tuple(cell) for cell in made["sources"].get("cells", [])]
        for part, kind in ((made, Dataset), (made["sources"], SourceDataset)):
            for name, entry in {"datasets": kind, "protocols": Protocol, "runs": Run}.items():
                part[name] = {key: entry(**values) for key, values in part.get(name, {}).items()}
        return cls(**{**made, "sources": Sources(**made["sources"])})

    @classmethod
    def read(cls, path: str | os.PathLike) -> Plan:
        """The plan of a file (plan.json); InputError if it is missing or none."""
        try:
            return cls.of(read_json(path))
        except (TypeError, KeyError, AttributeError) as error:
            raise InputError(f"{path}: not a plan ({error}). Delete it and run the workflow again.") from error

    def as_json(self) -> str:
        """What its file holds."""
        return json.dumps(dataclasses.asdict(self), separators=(",", ":"), ensure_ascii=False)

    def protocols_of(self, dataset: str) -> list[str]:
        """Protocols that apply to a dataset, in the order of the plan."""
        without = self.not_applicable.get(dataset, [])
        return [name for name in self.protocols if name not in without]

    def trainings(self) -> list[tuple[str, str, str]]:
        """Every (protocol, dataset, run) of the comparison, dataset by dataset."""
        return [(p, d, run) for d in self.datasets for p in self.protocols_of(d) for run in self.cells.get(d, ())]

    def honest(self, *kinds: str) -> str | None:
        """The first protocol of the first of these kinds ("split", "folds") that there is one of."""
        found = {entry.honest: name for name, entry in reversed(self.protocols.items())}
        return next((found[kind] for kind in kinds if kind in found), None)

    @property
    def honest_protocols(self) -> str:
        """The honest protocols in words, also where none of a kind is run."""
        split, folds = ([name] if (name := self.honest(kind)) else self.named.get(kind, []) for kind in HONEST)
        return "; ".join([*split, *(f"for folds {name} if it is run" for name in folds)])

    def role(self, role: str) -> list[str]:
        """The methods with a role, see ``role`` in methods.yaml."""
        return list(dict.fromkeys(run.method for run in self.runs.values() if run.role == role))

    @property
    def reference(self) -> str | None:
        """The run that others are compared with where none is named."""
        return next((name for name, run in self.runs.items() if run.role == "reference"), None)

    def is_oracle(self, method: str) -> bool:
        """Whether a method, or another readout of it, is given something of the scored images."""
        return own_name(method) in self.role("oracle")

    def title(self, method: str, encoder: str) -> str:
        """What stands beside the name of a method: "Ridge to embedding (Pixels), nearest training image"."""
        own, readout = own_name(method), READOUTS[readout_of(method)]
        text = next((run.title for run in self.runs.values() if run.method == own), own)
        if encoder != "none":
            text += f" ({self.encoders.get(encoder, encoder)})"
        return f"{text}, {readout}" if readout else text

    def heading_of(self, dataset: str, protocol: str) -> str:
        """A dataset and protocol by their names, the dataset with its title, for headings."""
        return f"{self.datasets[dataset].heading}, {self.protocols[protocol].heading}"

    def without_split(self, dataset: str) -> str:
        """A sentence on the protocols that do not apply to a dataset, or "" if all do."""
        by_need: dict[str, list[str]] = {}
        for name in self.not_applicable.get(dataset, []):
            by_need.setdefault(self.protocols[name].needs, []).append(name)
        found = [
            f"{', '.join(titles)} {'needs' if len(titles) == 1 else 'need'} {need}, which the source does not give"
            for need, titles in by_need.items()
        ]
        return f"Not applicable: {'; '.join(found)}." if found else ""

    def reduced_precision(self) -> str:
        """A sentence on the precision in which networks were trained, or "" for single precision."""
        precision = {"tf32": "TF32 where they ran on a GPU", "bfloat16": "bfloat16"}.get(self.precision)
        return f"Networks were trained in {precision}." if precision else ""


def called(name: str, title: str) -> str:
    """A name with its title beside it, or one of them where the other says no more."""
    return f"{name}: {title}" if name and title.lower() != name else name or title


def run_name(method: str, encoder: str) -> str:
    """The short name of a method with its embedding space, the same everywhere: ``ridge_clip.gabor``."""
    return method if encoder == "none" else f"{method}.{encoder}"


def make_plan(configuration) -> Plan:
    """The plan of a checked configuration (`cortexclip.configuration.config.Configuration`)."""
    settings, protocols = configuration.settings, configuration.protocols
    runs = {}
    for name, run in configuration.runs.items():
        entry = configuration.methods[run.method]
        keys = ("title", "published", "ablates", "control", "role", "note", "look")
        kept = {key: entry[key] for key in keys if key in entry} | {"trained": run.is_network}
        if run.drawn and settings["save_weights"] != "none":
            kept[run.drawn] = True
        runs[name] = Run(run.method, run.encoder or "none", run.fits, **kept)
    return Plan(
        datasets={
            name: Dataset(title_of(entry), entry["notes"], "file" not in entry, name)
            for name, entry in configuration.datasets.items()
        },
        protocols={name: _protocol(name, entry, protocols) for name, entry in protocols.items()},
        runs=runs,
        encoders={name: entry["title"] for name, entry in configuration.encoders.items()},
        cells=configuration.cells,
        ablations={name: ablations(configuration, cells) for name, cells in configuration.cells.items()},
        not_applicable={
            name: [protocol for protocol in protocols if protocol not in found]
            for name, found in configuration.protocols_of.items()
            if len(found) < len(protocols)
        },
        unavailable=configuration.unavailable,
        sources=_sources(configuration),
        seeds=settings["seeds"],
        precision=settings["precision"],
        judge=None if settings["judge"] == "none" else settings["judge"],
        rivals=[
            name
            for rival in settings["rivals"]
            for name in [name for name, run in runs.items() if run.method == rival] or [rival]
        ],
        comparisons=settings["comparisons"],
        named=_named_in_sentences(configuration.known),
    )


def _named_in_sentences(known: Mapping[str, Mapping[str, Mapping]]) -> dict[str, list[str]]:
    protocols = known["protocols"].items()
    found = {kind: [name for name, entry in protocols if entry.get("honest") == kind][:1] for kind in HONEST}
    absent = {name: entry for name, entry in known["datasets"].items() if not entry.get("brain_data", True)}
    found["constant"] = [name for name, entry in absent.items() if entry.get("settings", {}).get("rows") == "constant"]
    found["not_public"] = list(dict.fromkeys(entry["stands_for"] for entry in absent.values() if "stands_for" in entry))
    measured = (entry.get("protocols", ())[:1] for entry in absent.values())
    found["without_brain_data"] = list(dict.fromkeys(name for names in measured for name in names))
    return found


def _protocol(name: str, entry: Mapping, protocols: Mapping[str, Mapping] | None = None) -> Protocol:
    """An entry of protocols.yaml; an optimistic one is set against the honest one of its kind among ``protocols``."""
    kept = {field.name: entry[field.name] for field in fields(Protocol) if field.name in entry}
    kept.pop("optimistic", None)
    kind, groups = entry.get("optimistic"), groups_needed(entry)
    same = [other for other, about in (protocols or {}).items() if kind and about.get("honest") == kind]
    needs = [] if entry["over"] == "all" else ["a train/test split"]
    needs += [f"the {' and the '.join(groups)} of every sample"] if groups else []
    return Protocol(
        **kept,
        name=name,
        optimistic=bool(kind),
        counterpart=same[0] if same else None,
        needs=" and ".join(needs) or "nothing",
    )


def groups_needed(protocol: Mapping) -> list[str]:
    """The groupings of samples that a protocol needs, beside those that every dataset has."""
    named = protocol.get("group_by", ())
    named = [*([named] if isinstance(named, str) else named), protocol.get("inner_by", "sample")]
    return [name for name in dict.fromkeys(named) if name not in ("sample", "stimulus", "cluster")]


def _sources(configuration) -> Sources:
    sources = configuration.sources
    used = {dataset for _, dataset, _ in sources.cells}
    datasets = {
        name: SourceDataset(
            title_of(entry),
            entry["notes"],
            stands_for=entry.get("stands_for", name),
            brain_data=entry.get("brain_data", True),
            published_trials="rows" in entry.get("settings", {}),
            judges=entry.get("settings", {}).get("rows") != "noise",
        )
        for name, entry in configuration.every_dataset.items()
        if name in used
    }
    return Sources(
        datasets,
        {name: _protocol(name, entry) for name, entry in sources.protocols.items()},
        {name: Run(name, title=entry["title"]) for name, entry in sources.methods.items()},
        sources.names,
        sources.cells,
        configuration.settings["source_seeds"],
    )


def ablations(configuration, cells: Iterable[str]) -> list[dict[str, str]]:
    """The pairs of runs that differ in one part, among those that apply to a dataset (``cells``, in order).

    A variant is compared with the plain method that its key ``ablates`` names, in the same embedding space, or without
    one if the plain method uses none; a variant whose plain method was not run there has no pair. The spaces of a
    method are compared with the last that no network learned (key ``plain`` of encoders.yaml), or the last of all.
    Variants come first. A pair has the keys ``kind`` (`EXTENSION` or `ENCODER`), ``run`` and ``reference`` (names of
    runs).
    """
    here = {name: configuration.runs[name] for name in cells}
    by_part = {(run.method, run.encoder): name for name, run in here.items()}
    pairs = []
    for name, run in here.items():
        base = configuration.methods[run.method].get("ablates")
        reference = by_part.get((base, run.encoder)) or by_part.get((base, None))
        if base and reference:
            pairs.append({"kind": EXTENSION, "run": name, "reference": reference})
    for method in dict.fromkeys(run.method for run in here.values()):
        spaces = {run.encoder: name for name, run in here.items() if run.method == method}
        if len(spaces) > 1:
            plain = [space for space in spaces if configuration.encoders.get(space, {}).get("plain")]
            against = (plain or list(spaces))[-1]
            pairs += [
                {"kind": ENCODER, "run": name, "reference": spaces[against]}
                for space, name in spaces.items()
                if space != against
            ]
    return pairs
