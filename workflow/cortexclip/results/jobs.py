"""What the jobs of the workflow need of the configuration: files, parts of entries, seeds and resources.

A job is given the parts of an entry that it uses, so that a changed title or note runs nothing again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cortexclip.configuration.config import (
    Configuration,
    compact,
    encoder_settings,
    files_of,
    pool_for,
    resources_of,
    source_name,
)
from cortexclip.results.paths import MADE_BY
from cortexclip.runtime.estimate import Job
from cortexclip.runtime.files import differ, known_sha256
from cortexclip.runtime.provenance import modules_used

SECONDS = {"train": 0.9, "figures": 7, "evaluation_figures": 5, "identify": 4.5, "tables": 4.6, "report": 4.1}
SECONDS |= {"corpus": 18, "encode": 3.7, "overview": 4.8, "evaluate": 1.9, "audit": 1.4}
SECONDS |= {"fetch_data": 0.3, "fetch_weights": 0.3}
"""What a job of a rule takes, about, on a core at the size of vangerven, a training without its fits; others 0.9."""


PRIORS = "resources/priors"
"""The folder of the priors that ship, in the project's root."""
SUMS = Path("resources/sums.json")
"""The checksums of raw files as of an earlier start."""


@dataclass(frozen=True)
class Jobs:
    """The jobs of a configuration; protocols, datasets and runs are given by name, results are for a command line.

    Attributes
    ----------
    configuration : what is compared, and what is trained as sources did it.
    root : the project's root folder.
    data_dir : the folder that already holds data, or None.
    """

    configuration: Configuration
    root: str
    data_dir: Path | None

    def entry(self, kind: str, name: str) -> Mapping:
        """The entry of a dataset, protocol, encoder, or of a run's method."""
        if kind == "encoder":
            return self.configuration.encoders[name]
        if kind == "run":
            return self.configuration.every_method[self.configuration.every_run[name].method]
        return getattr(self.configuration, f"every_{kind}")[name]

    def encoders(self, judge: str | None) -> list[str]:
        """The encoders that any run, the judge or a protocol that clusters stimuli uses."""
        used = {run.encoder for run in self.configuration.runs.values()} | {judge}
        used |= {entry.get("encoder") for entry in self.configuration.protocols.values()}
        return [name for name in self.configuration.encoders if name in used]

    def encoders_of(self, runs: Iterable[str]) -> list[str]:
        found = dict.fromkeys(self.configuration.every_run[run].encoder for run in runs)
        return [encoder for encoder in found if encoder]

    def encoder_entries(self, names: Iterable[str]) -> str:
        """Modules and settings of encoders, with the paths of their weights."""
        return compact({name: encoder_settings(self.entry("encoder", name), self.root) for name in names})

    def encoder_entry(self, name: str) -> str:
        return compact(encoder_settings(self.entry("encoder", name), self.root))

    def encoder_modules(self, names: Iterable[str]) -> list[str]:
        return [self.entry("encoder", name)["module"] for name in names]

    def weights(self, kind: str, names: Iterable[str]) -> list[str]:
        """What encoders (``kind`` "encoder") or runs ("run") read below resources/: fetched files, shipped folders."""
        entries = [self.entry(kind, name) for name in names]
        shipped = [entry["shipped"] for entry in entries if "shipped" in entry]
        for entry in entries:
            settings = [entry["settings"]] if "settings" in entry else []
            settings += [part for key in ("by_size", "by_dataset") for part in entry.get(key, {}).values()]
            shipped += [f"{PRIORS}/{part['prior']}" for part in settings if "prior" in part]
        there = {path for path in (Path(self.root, folder) for folder in shipped) if path.is_dir()}
        fetched = {f"resources/weights/{entry['file']}" for entry in entries if "file" in entry}
        return sorted(fetched | set(map(os.path.relpath, there)))

    def pool(self, dataset: str, run: str) -> list[str]:
        """The other datasets that a run learns from, if its method pools them."""
        return pool_for(dataset, self.configuration.datasets) if self.entry("run", run).get("pools") else []

    def repeats_source(self, protocol: str) -> bool:
        return protocol in self.configuration.sources.protocols

    def follows_source(self, protocol: str, run: str) -> bool:
        """Whether a training follows the procedure of a source."""
        return self.repeats_source(protocol) and self.entry("run", run)["procedures"][protocol] is not None

    def training(self, protocol: str, dataset: str, run: str) -> str:
        """What a training needs of its method's entry."""
        entry, name = self.entry("run", run), self.as_dataset(dataset)
        used = {key: entry[key] for key in ("module", "settings", "by_size", "grid") if key in entry}
        if self.repeats_source(protocol):
            used["procedures"] = {protocol: entry["procedures"][protocol]}
        for key in ("by_dataset", *(["configurations"] if self.follows_source(protocol, run) else [])):
            if name in entry.get(key, {}):
                used[key] = {name: entry[key][name]}
        if "configurations" in used and (only := self.configuration.sources.configurations[protocol, dataset, run]):
            used["only"] = only
        return compact(used)

    def as_dataset(self, dataset: str) -> str:
        """The dataset whose settings a training uses: the one that the dataset stands for, or its own."""
        return source_name(dataset, self.entry("dataset", dataset))

    def seeds(self, protocol: str, run: str) -> int:
        """How many trainings a fold gets."""
        if self.repeats_source(protocol):
            return self.configuration.settings["source_seeds"]
        return self.configuration.settings["seeds"] if self.configuration.runs[run].trained else 1

    def precision(self, run: str) -> str:
        return self.configuration.settings["precision"] if self.configuration.every_run[run].trained else "float32"

    def resource(self, run: str, name: str, gpus: Mapping[str, int] | None) -> int:
        """What a training asks for. One that runs here gets no GPU where there is none, and a whole one (that is, the
        memory of the largest) where its method does not say how much memory it needs; ``gpus`` is None on a cluster.
        """
        resources = resources_of(self.entry("run", run))
        if not name.startswith("gpu") or gpus is None:
            return resources[name]
        if not gpus or not resources["gpu"]:
            return 0
        return 1 if name == "gpu" else resources["gpu_mem_mb"] or max(gpus.values())

    def planned(
        self, number: int, rule: str, wildcards: Mapping[str, str], recorded: str | None, needs: Iterable[int], log: str
    ) -> Job:
        """What the logger has to know of a job that will run; ``recorded`` is the file of what its last run took."""
        words = "/".join(wildcards[name] for name in ("protocol", "dataset", "run", "file") if name in wildcards)
        expected = self.seconds(rule, wildcards, recorded)
        kind = f"{rule} {wildcards.get('run', '')}"
        return Job(number, kind, expected, frozenset(needs), f"{rule} {words}".strip(), str(log))

    def seconds(self, rule: str, wildcards: Mapping[str, str], recorded: str | None) -> float:
        """What a job is expected to take: as in the file of its last run (``recorded``), or as stated."""
        try:
            line = Path(recorded or os.devnull).read_text(encoding="utf-8").splitlines()[-1]
            return float(line.split("\t")[0])
        except (OSError, IndexError, ValueError):
            stated = SECONDS.get(rule.rstrip("0123456789"), 0.9)
        if rule == "train":
            protocol, run = wildcards["protocol"], wildcards["run"]
            fits = self.configuration.every_run[run].fits * self.entry("protocol", protocol).get("folds", 1)
            stated += fits * resources_of(self.entry("run", run))["seconds"]
        return stated

    def nearest_in_corpus(self, encoders: Iterable[str]) -> list[str]:
        """The shipped table of stimuli and the prior corpus, if anything here learned from the corpus.

        That is an encoder that ships, or a method with a prior.
        """
        methods = {entry["module"] for entry in self.configuration.every_method.values()}
        used = {file.split("/")[1] for module in methods for file in modules_used(module)}
        if "priors" in used or any("shipped" in self.entry("encoder", name) for name in encoders):
            return [os.path.relpath(Path(self.root, PRIORS, "glyphs/nearest.parquet"))]
        return []

    def raw_file(self, file: str) -> str:
        """Where a raw file is, or will be once fetched; a folder is read where it lies, and never copied."""
        if os.path.exists(f"resources/data/{file}") or not os.path.isdir(f"{self.data_dir}/{file}"):
            return f"resources/data/{file}"
        return f"{self.data_dir}/{file}"

    def replaced(self, dataset: str) -> str:
        """The checksums of a dataset's raw files, without that of the file that its entry asks for.

        As a parameter of the job that reads them, this has a replaced file noticed however old it is. A file that is
        yet to be copied from the data folder counts as if it were there.
        """
        entry = self.entry("dataset", dataset)
        candidates = [(Path(self.raw_file(file)), Path(f"{self.data_dir}/{file}")) for file in files_of(entry)]
        there = [path for pair in candidates if (path := next(filter(Path.is_file, pair), None))]
        return " ".join(digest for digest in map(_digest, there) if digest != entry.get("sha256"))

    def differing_copies(self) -> list[str]:
        """A line for each data file that is another one in the data folder than its copy here."""
        lines = []
        for entry in self.configuration.every_dataset.values():
            for file in files_of(entry) if self.data_dir else ():
                copy, source = Path("resources/data", file), Path(str(self.data_dir), file)
                if copy.is_file() and source.is_file() and differ(copy, source, _digest):
                    lines.append(f"{source} and its copy {copy} differ. The copy is used: remove it to use the other.")
        return lines

    def companions(self, dataset: str) -> dict[str, str]:
        """Further files that a dataset's reader needs, by their part in it."""
        found = self.entry("dataset", dataset).get("companions", {})
        return {part: self.raw_file(file) for part, file in found.items()}

    def ingestion(self, dataset: str) -> str:
        """What reading a dataset needs of its entry."""
        entry = self.entry("dataset", dataset)
        return compact({key: value for key, value in entry.items() if key not in ("notes", "protocols")})

    def audited(self, dataset: str) -> str:
        """What a dataset's audit needs of the protocols' entries."""
        entries = {name: self.entry("protocol", name) for name in self.configuration.protocols_of[dataset]}
        return compact({n: {key: e[key] for key in ("over", "group_by") if key in e} for n, e in entries.items()})

    def to_fetch(self, kind: str) -> dict[str, str]:
        """Raw files ("data") or weights that have yet to be copied from the data folder, by the name of their entry.

        A file that is there is nobody's output, so that no option of Snakemake's can make it delete a user's data.
        """
        entries = self.configuration.every_dataset if kind == "data" else self.configuration.encoders
        return {
            file: name
            for name, entry in entries.items()
            for file in files_of(entry)
            if not os.path.exists(f"resources/{kind}/{file}") and not os.path.isdir(f"{self.data_dir}/{file}")
        }

    def fetched(self, kind: str, name: str, file: str) -> str:
        """What fetching a file needs of an entry.

        A companion has neither an address nor a checksum of its own: it is copied from the data folder.
        """
        entry = self.entry("dataset" if kind == "data" else "encoder", name)
        keys = ("addresses", "sha256", "how") if file == entry["file"] else ("how",)
        return compact({kind: {name: {"file": file, **{key: entry[key] for key in keys if key in entry}}}})

    def modules(self) -> list[str]:
        """Modules of all stages that make results, and those that they load by the names in the catalogues."""
        stages = sorted({f"cortexclip.stages.{stage}" for stages in MADE_BY.values() for stage in stages})
        entries = [*self.configuration.every_method.values(), *self.configuration.encoders.values()]
        readers = [entry["reader"] for entry in self.configuration.every_dataset.values()]
        return [*stages, *(entry["module"] for entry in entries), *readers]


def _digest(path: Path) -> str:
    """The checksum of a raw file, which is not computed at every start."""
    return known_sha256(path, SUMS)


def any_of(names: Iterable[str]) -> str:
    """A wildcard constraint that allows these names only."""
    return "|".join(re.escape(name) for name in names) or "(?!)"


def pictures_in(folder: str | None) -> list[str]:
    """The user's own pictures for the prior corpus, if the configuration names a folder."""
    return sorted(str(path) for path in Path(folder).rglob("*") if path.is_file()) if folder else []


def report_labels(path: str, protocols: Iterable[str]) -> dict | None:
    """How Snakemake's own report shows a table (CSV, PDF) or figure (PNG); None for what it does not show.

    Labels come from the name: NAME.csv, and NAME.PROTOCOL.DATASET.png with one, both or none of the parts.
    """
    folder, *between, file = path.removeprefix("results/").split("/")
    name, *parts, suffix = [*between, *file.split(".")]
    if (folder, suffix) not in {("tables", "csv"), ("tables", "pdf"), ("figures", "png")}:
        return None
    labels = {"table" if folder == "tables" else "figure": name.replace("_", " ")}
    for part in parts:
        labels["protocol" if part == "{protocol}" or part in protocols else "dataset"] = part
    kind = {"category": "Tables"} if folder == "tables" else {"category": "Figures", "subcategory": labels["figure"]}
    return {"caption": f"../captions/{name}.rst", "labels": labels, **kind}
