"""The configuration: what config/*.yaml say, checked, merged and resolved to the cells of the comparison.

Imports nothing heavy, since Snakemake reads it at every start.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cortexclip.configuration.plan import ablations, groups_needed
from cortexclip.configuration.schema import CATALOGUES, check, read_yaml
from cortexclip.data import GROUPINGS
from cortexclip.errors import InputError, nearest


@dataclass(frozen=True)
class Run:
    """One method with its embedding space; ``name`` is how files call it, ``fits`` how often it is fitted per fold.

    ``trained`` says whether it is a stochastic method fitted once per seed, ``is_network`` whether it is trained over
    epochs, and ``drawn`` what of its weights a figure shows, "fields", "bases" or "".
    """

    method: str
    encoder: str | None
    fits: int
    trained: bool
    is_network: bool = False
    drawn: str = ""

    @property
    def name(self) -> str:
        return self.method if self.encoder is None else f"{self.method}.{self.encoder}"


@dataclass(frozen=True)
class Sources:
    """What is trained as published sources trained it, for the claims and the paper's table alone.

    ``datasets`` are those that stand for the data of published numbers (stand-ins, other files) and no part of the
    comparison; ``protocols``, ``runs`` and ``methods`` by name; ``cells`` are (protocol, dataset, run);
    ``configurations`` says which of a source's configurations, from 1, a cell needs, None for all; ``names`` are the
    sources of published.yaml.
    """

    datasets: dict[str, dict]
    protocols: dict[str, dict]
    runs: dict[str, Run]
    methods: dict[str, dict]
    cells: list[tuple[str, str, str]]
    configurations: dict[tuple[str, str, str], list[int] | None]
    names: list[str]


@dataclass(frozen=True)
class Configuration:
    """A checked configuration.

    ``datasets``, ``encoders``, ``protocols`` and ``methods`` map the selected and available names to their entries, in
    the order of the configuration; ``unavailable`` maps the names of selected datasets and encoders that are not there
    to a sentence on why and how to get them; ``runs`` are the methods with their embedding spaces, and ``cells`` says
    which of them apply to each dataset; ``protocols_of`` says which protocols do. ``sources`` is what is trained
    besides the comparison, as published sources did it; ``every_...`` are the entries, or runs, of both. ``known`` are
    the entries of the catalogues, selected or not.
    """

    settings: dict
    datasets: dict[str, dict]
    protocols: dict[str, dict]
    methods: dict[str, dict]
    encoders: dict[str, dict]
    unavailable: dict[str, str]
    runs: dict[str, Run]
    cells: dict[str, list[str]]
    protocols_of: dict[str, list[str]]
    sources: Sources
    known: dict[str, dict[str, dict]]

    @property
    def every_dataset(self) -> dict[str, dict]:
        return {**self.datasets, **self.sources.datasets}

    @property
    def every_protocol(self) -> dict[str, dict]:
        return {**self.protocols, **self.sources.protocols}

    @property
    def every_method(self) -> dict[str, dict]:
        return {**self.methods, **self.sources.methods}

    @property
    def every_run(self) -> dict[str, Run]:
        return {**self.runs, **self.sources.runs}


def merge(base: Mapping, changes: Mapping) -> dict:
    """A copy of ``base`` with ``changes`` merged in, mapping by mapping; other values are replaced."""
    merged = dict(base)
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def load(settings: dict, root: str | os.PathLike, catalogues: str | os.PathLike | None = None) -> Configuration:
    """Check ``settings`` (content of config.yaml after all merging) and resolve it against the catalogues beside it.

    Shipped weights are found below ``root``, the project's; ``catalogues`` is the folder with datasets.yaml,
    protocols.yaml, methods.yaml and encoders.yaml, by default ``root/config``.
    """
    root, settings = Path(root), with_lists(settings)
    folder = Path(catalogues) if catalogues else root / "config"
    check(settings, "config", "config.yaml")
    known = {kind: read_catalogue(folder, kind, settings["overrides"].get(kind, {})) for kind in CATALOGUES}
    published = read_yaml(folder / "published.yaml")
    check(published, "published", "config/published.yaml")
    _check_published(published, known)

    chosen, fallback = _chosen(settings, known)
    names = _source_names(settings, published)
    fits = check_method_settings(chosen["methods"], settings["seeds"])
    data_dir = data_folder(settings)
    unavailable = _leave_out_unavailable(chosen["datasets"], "data", data_dir, root)
    measured = _measured(names, published, chosen["datasets"])
    chosen["stand_ins"] = {  # none is looked for where no source is trained on it
        name: entry for name, entry in chosen["stand_ins"].items() if source_name(name, entry) in measured
    }
    unavailable |= _leave_out_unavailable(chosen["stand_ins"], "data", data_dir, root)
    unavailable |= _leave_out_unavailable(chosen["encoders"], "weights", data_dir, root)
    judge = judge_of(settings)
    if judge in unavailable:
        raise InputError(f"config.yaml: judge: {unavailable[judge]} Or name another encoder, or none.")
    for name, entry in chosen["protocols"].items():
        if (encoder := entry.get("encoder")) in unavailable:
            raise InputError(f"config/protocols.yaml: {name}: encoder: {unavailable[encoder]} Or name another encoder.")
    if settings["strict"] and unavailable:
        raise InputError(f"config.yaml: strict is true and something is not available. {_reasons(unavailable)}")
    chosen["datasets"] = chosen["datasets"] or fallback
    if not chosen["datasets"]:
        free = [f"'{name}' needs no file." for name, entry in known["datasets"].items() if "file" not in entry]
        raise InputError(
            f"config.yaml: none of the datasets is available. {' '.join([_reasons(unavailable), *free[:1]])}"
        )
    runs = _runs(settings, chosen, known["encoders"], fits)
    configuration = Configuration(
        settings=settings,
        **{kind: chosen[kind] for kind in CATALOGUES},
        unavailable=unavailable,
        runs=runs,
        cells={name: _runs_on(name, chosen, runs) for name in chosen["datasets"]},
        protocols_of={name: _protocols_on(name, chosen, known["protocols"]) for name in chosen["datasets"]},
        sources=_sources(settings, published, names if measured else [], chosen, known),
        known=known,
    )
    _check_comparisons(configuration, known["methods"])
    return configuration


def with_lists(settings: Mapping) -> dict:
    """The settings with a list for each text where a list of names is meant: ``--config datasets=mine``."""
    names = (*CATALOGUES, "sources", "stand_ins")
    return {
        key: [name.strip() for name in value.split(",")]
        if key in names and isinstance(value, str) and value != "all"
        else value
        for key, value in settings.items()
    }


def read_catalogue(folder: Path, kind: str, changes: Mapping) -> dict[str, dict]:
    """The entries of one of ``CATALOGUES`` with changes merged in, checked."""
    entries = merge(read_yaml(folder / f"{kind}.yaml"), changes)
    check(entries, kind, f"config/{kind}.yaml")
    return entries


def _chosen(settings: Mapping, known: Mapping[str, dict]) -> tuple[dict[str, dict[str, dict]], dict[str, dict]]:
    """The entries that config.yaml names, of each catalogue and of the stand-ins, and that of the fallback."""
    chosen = {kind: _named(settings[kind], known[kind], f"config.yaml: {kind}") for kind in CATALOGUES}
    fallback = [settings["fallback"]] if settings["fallback"] else []
    stand_ins = _named(settings["stand_ins"], known["datasets"], "config.yaml: stand_ins")
    chosen["stand_ins"] = {name: entry for name, entry in stand_ins.items() if name not in chosen["datasets"]}
    judge = judge_of(settings)
    if judge is not None:  # its features are needed even where no method is trained against it
        chosen["encoders"] |= _named([judge], known["encoders"], "config.yaml: judge")
    for name, entry in chosen["protocols"].items():
        if "encoder" in entry:
            where = f"config/protocols.yaml: {name}: encoder"
            chosen["encoders"] |= _named([entry["encoder"]], known["encoders"], where)
    for name, entry in chosen["methods"].items():
        base = entry.get("ablates", name)
        if base not in known["methods"]:
            raise InputError(
                f"config/methods.yaml: {name}: ablates: unknown method '{base}'. {nearest(base, known['methods'])}"
            )
    for entry in chosen["protocols"].values():  # where the scored samples choose, scores flatter
        entry["optimistic"] = entry["select"] == "scored" and entry.get("optimistic", "yes")
    return chosen, _named(fallback, known["datasets"], "config.yaml: fallback")


def _leave_out_unavailable(entries: dict[str, dict], kind: str, data_dir: Path | None, root: Path) -> dict[str, str]:
    """Take out the datasets (``kind`` "data") or encoders ("weights") whose files are not there; returns why."""
    unavailable = {}
    for name, entry in list(entries.items()):
        missing = [file for file in files_of(entry) if locate(file, kind, data_dir) is None]
        if missing:
            verb = "is" if len(missing) == 1 else "are"
            unavailable[name] = f"{', '.join(missing)} {verb} not there. {entry['how']}"
            del entries[name]
        if "shipped" in entry and not (root / entry["shipped"]).is_dir():
            raise InputError(f"{root / entry['shipped']}: missing, though it ships with the project. Restore it.")
    return unavailable


def _reasons(unavailable: Mapping[str, str]) -> str:
    return " ".join(f"{name}: {reason}" for name, reason in unavailable.items())


def _runs(settings: Mapping, chosen: Mapping[str, dict], encoders: Mapping, fits: Mapping) -> dict[str, Run]:
    """The chosen methods with each of their embedding spaces that is chosen and there, by the name of the run."""
    runs: dict[str, Run] = {}
    for method, entry in chosen["methods"].items():
        for encoder in entry.get("encoders", [None]):
            if encoder is not None and encoder not in encoders:
                raise InputError(
                    f"config/methods.yaml: {method}: unknown encoder '{encoder}'. {nearest(encoder, encoders)}"
                )
            if encoder is None or (encoder in settings["encoders"] and encoder in chosen["encoders"]):
                run = Run(method, encoder, *fits[method])
                runs[run.name] = run
    if not runs:
        raise InputError(
            "config.yaml: no method can run: all of them need an encoder that is not selected or not there."
        )
    return runs


def _check_comparisons(configuration: Configuration, methods: Mapping[str, dict]) -> None:
    """InputError for an unknown rival, or a family of comparisons that is smaller than what would be tested."""
    declared, runs = configuration.settings["comparisons"], configuration.runs
    references = {*_named(configuration.settings["rivals"], methods, "config.yaml: rivals")}
    references |= {name for name, entry in methods.items() if entry.get("role") == "reference"}
    parts = len(ablations(configuration, runs))
    readouts = len(runs) + sum(run.encoder is not None for run in runs.values())  # at most two of an embedding
    readouts += sum("draws" in methods[run.method].get("settings", {}) for run in runs.values())
    if (tested := readouts * len(references) + parts) > declared:
        raise InputError(
            f"config.yaml: comparisons: found {declared}, expected at least {tested}: {readouts} readouts of methods "
            f"times {len(references)} references ({', '.join(sorted(references))}), and {parts} comparisons of "
            "variants. Raise it, or name fewer rivals."
        )


def _runs_on(dataset: str, chosen: Mapping[str, dict], runs: Mapping[str, Run]) -> list[str]:
    """The names of the runs that apply to a dataset."""
    found = []
    for name, run in runs.items():
        method = chosen["methods"][run.method]
        alone = method.get("pools") and not pool_for(dataset, chosen["datasets"])
        if applies(method, chosen["datasets"][dataset]) and not alone:
            found.append(name)
    if not found:
        raise InputError(
            f"config.yaml: no method applies to dataset '{dataset}', which lacks the class labels, sessions or "
            "regions that they need."
        )
    return found


def _protocols_on(dataset: str, chosen: Mapping[str, dict], known: Mapping[str, dict]) -> list[str]:
    """The names of the protocols that apply to a dataset."""
    found = [name for name, entry in chosen["protocols"].items() if splits(entry, chosen["datasets"][dataset])]
    if not found:
        names = " or ".join(plain_protocols(known, {"parts": "none", "labels": "none"}))
        raise InputError(
            f"config.yaml: no protocol applies to dataset '{dataset}', which has no train/test split (parts: none), or "
            f"no sessions. Add a protocol that cuts all samples into folds, such as {names}."
        )
    return found


def _named(names: Iterable[str], known: Mapping[str, dict], where: str) -> dict[str, dict]:
    for name in names:
        if name not in known:
            raise InputError(f"{where}: unknown name '{name}'. {nearest(name, known)}")
    return {name: known[name] for name in names}


def _source_names(settings: Mapping, published: Mapping) -> list[str]:
    """The sources of published.yaml that a configuration chooses."""
    known = published["sources"]
    return list(known if settings["sources"] == "all" else _named(settings["sources"], known, "config.yaml: sources"))


def _check_published(published: Mapping, known: Mapping[str, dict]) -> None:
    """InputError for a dataset, protocol or method of published.yaml that no catalogue has."""
    where = "config/published.yaml:"
    datasets = {source_name(name, entry): entry for name, entry in known["datasets"].items()}
    _named(published["paper"]["datasets"], datasets, f"{where} paper.datasets")
    for kind in ("numbers", "statements"):
        for at, entry in enumerate(published[kind]):
            _named([entry["dataset"]] if "dataset" in entry else [], datasets, f"{where} {kind}.{at}.dataset")
    for name, source in published["sources"].items():
        _named({source["protocol"]} - {None}, known["protocols"], f"{where} sources.{name}.protocol")
        _named(source["methods"].values(), known["methods"], f"{where} sources.{name}.methods")


def _measured(names: Iterable[str], published: Mapping, datasets: Iterable[str]) -> set[str]:
    """The datasets of the numbers of these sources; none where no dataset of the comparison has published numbers."""
    if not {entry["dataset"] for entry in published["numbers"]} & set(datasets):
        return set()
    return {entry["dataset"] for entry in published["numbers"] if entry["source"] in names}


def _sources(
    settings: Mapping, published: Mapping, names: list[str], chosen: Mapping[str, dict], known: Mapping[str, dict]
) -> Sources:
    """What is trained as the chosen sources of published.yaml did it: what their numbers need, and nothing else."""
    protocols, methods = known["protocols"], known["methods"]
    cells: dict[tuple[str, str, str], set] = {}
    for entry in published["numbers"]:
        source = published["sources"][entry["source"]]
        protocol, method = source["protocol"], source["methods"].get(entry["name"])
        if entry["source"] not in names or protocol is None or method is None or not protocols[protocol].get("source"):
            continue
        if protocol not in methods[method].get("procedures", {}):
            raise InputError(
                f"config/published.yaml: {entry['source']}: '{method}' has no procedure for {protocol}. State it in "
                "config/methods.yaml."
            )
        for name, dataset in {**chosen["datasets"], **chosen["stand_ins"]}.items():
            if source_name(name, dataset) == entry["dataset"]:
                allowed = dataset.get("protocols", [protocol])
                if protocol not in allowed and dataset.get("brain_data", True):
                    continue
                cell = (protocol if protocol in allowed else allowed[0], name, method)
                cells.setdefault(cell, set()).add(entry.get("configuration", entry.get("reported")))
    used = {dataset for _, dataset, _ in cells}
    check_method_settings({name: methods[name] for _, _, name in cells}, 1)
    return Sources(
        {name: entry for name, entry in chosen["stand_ins"].items() if name in used},
        {name: protocols[name] for name, _, _ in cells},
        {name: Run(name, None, settings["source_seeds"], True) for _, _, name in cells},
        {name: methods[name] for _, _, name in cells},
        list(cells),
        {cell: None if None in wanted else sorted(wanted) for cell, wanted in cells.items()},
        names,
    )


def source_name(dataset: str, entry: Mapping) -> str:
    """The dataset whose published numbers, settings and configurations a dataset has: its own or what it stands for."""
    return entry.get("stands_for", dataset)


def splits(protocol: Mapping, dataset: Mapping) -> bool:
    """Whether a protocol applies to a dataset: one that needs the source's parts, or groups, only where they are."""
    parts = protocol["over"] == "all" or dataset.get("parts") != "none"
    return parts and set(groups_needed(protocol)) <= groupings(dataset)


def plain_protocols(protocols: Mapping[str, dict], dataset: Mapping) -> dict[str, dict]:
    """The protocols that apply to a dataset, repeat no source and are not compared with one that leaves less out."""
    return {
        name: entry
        for name, entry in protocols.items()
        if splits(entry, dataset) and not entry.get("source") and "compared_with" not in entry
    }


def groupings(dataset: Mapping) -> set[str]:
    """The groupings of samples that a dataset has by its entry."""
    of_labels = {"class": "label", "session": "session"}.get(dataset.get("labels", "class"))
    found = {of_labels, *dataset.get("groups", ()), *(role.split("_")[0] for role in dataset.get("arrays", {}))}
    found |= {"session"} if dataset.get("settings", {}).get("sessions", 1) > 1 else set()
    return found & {"label", *GROUPINGS}


def applies(method: Mapping, dataset: Mapping) -> bool:
    """Whether a method can run on a dataset: one that needs classes, sessions or regions only where they are known."""
    has = {
        "classes": dataset.get("labels", "class") == "class",
        "sessions": "session" in groupings(dataset),
        "regions": "region" in dataset.get("arrays", {}) or dataset.get("settings", {}).get("regions", 1) > 1,
    }
    return all(has[need] for need in method.get("needs", []))


def pool_for(dataset: str, datasets: Mapping[str, Mapping]) -> list[str]:
    """The other datasets that a method which pools them learns from: measured ones only.

    Datasets that stand for the same published one may hold the same trials in other parts, so none learns from another.
    """
    published = {name: entry.get("stands_for", name) for name, entry in datasets.items()}
    return [
        name
        for name, entry in datasets.items()
        if "file" in entry and entry.get("brain_data", True) and published[name] != published[dataset]
    ]


def check_method_settings(methods: Mapping[str, dict], seeds: int) -> dict[str, tuple[int, bool, bool, str]]:
    """Check each method's settings, for every size class and dataset, against its Settings.

    Returns, for each method, how many fits a fold gets (one for each seed, one in all for a method without chance, or
    what the method itself says), whether these are trainings with seeds of their own, whether it trains a network, and
    what of its weights a figure shows.
    """
    from cortexclip.methods.catalogue import SIZES, points_of, source_points

    fits = {}
    for name, entry in methods.items():
        for dataset in [*entry.get("by_dataset", {}), ""]:
            for n_samples in [0, *SIZES.values()][:-1]:
                method = points_of(entry, dataset, int(n_samples), f"config/methods.yaml: {name}")[0].method
        for protocol, procedure in entry.get("procedures", {}).items():
            for dataset in [*entry.get("configurations", {}), ""] if procedure is not None else ():
                source_points(entry, protocol, dataset, 0, f"config/methods.yaml: {name}")
        trained = method.stochastic and method.seeds_are_trainings
        fits[name] = method.fits(seeds), trained, method.is_network, method.drawn
    return fits


def resources_of(method: Mapping) -> dict[str, int]:
    """What a training job of a method asks for: ``mem_mb``, ``runtime`` in minutes, ``gpu``, ``gpu_mem_mb``, and
    ``seconds`` that a fit may take.

    ``gpu_mem_mb`` is 0 where the method does not say how much of a GPU's memory it needs.
    """
    return {"mem_mb": 2000, "runtime": 60, "gpu": 0, "gpu_mem_mb": 0, "seconds": 0.1, **method.get("resources", {})}


def judge_of(settings: Mapping) -> str | None:
    """The encoder in whose space reconstructions are identified, or None."""
    return None if settings["judge"] == "none" else settings["judge"]


def data_folder(settings: Mapping) -> Path | None:
    """The folder that already holds data: the variable CORTEXCLIP_DATA, else ``data_dir``, else None."""
    named = os.environ.get("CORTEXCLIP_DATA") or settings.get("data_dir")
    if not named:
        return None
    if not Path(named).expanduser().is_dir():
        raise InputError(f"CORTEXCLIP_DATA or data_dir: {named} is not a folder. Name the folder that holds the data.")
    return Path(named).expanduser()


def files_of(entry: Mapping) -> list[str]:
    """The files or folders that an entry of datasets.yaml or encoders.yaml needs, relative to the data's folder."""
    return ([entry["file"]] if "file" in entry else []) + list(entry.get("companions", {}).values())


def locate(file: str, kind: str, data_dir: Path | None, root: Path = Path()) -> Path | None:
    """Where a file or folder of a dataset (``kind`` "data") or of an encoder ("weights") is already, or None.

    Looked for below resources/<kind> of ``root`` first and then below the data folder (weights: below its weights/).
    """
    paths = [root / "resources" / kind / file]
    if data_dir is not None:
        paths.append(data_dir / file if kind == "data" else data_dir / "weights" / file)
    return next((path for path in paths if path.exists()), None)


def encoder_settings(entry: Mapping, root: str | os.PathLike) -> dict:
    """An encoder's module and settings with the path of its weights, relative to the working folder."""
    settings = {"module": entry["module"], **entry["settings"]}
    if "file" in entry:
        settings["weights"] = str(Path("resources/weights") / entry["file"])
    if "shipped" in entry:
        settings["weights"] = f"local-dir:{os.path.relpath(Path(root) / entry['shipped'])}"
    if "sha256" in entry:
        settings["sha256"] = entry["sha256"]
    return settings


def compact(content: object) -> str:
    """One line of JSON, in the order of the configuration, for a command line."""
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False)
