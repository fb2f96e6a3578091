# What every rules file uses: the checked configuration, the code digests and the functions that name inputs.
import functools
import os
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, f"{workflow.basedir}/workflow")

import content_sums
import slurm_arrays
from cortexclip import devices
from cortexclip.config import (
    compact,
    data_folder,
    encoder_settings,
    files_of,
    judge_of,
    load,
    pool_for,
    resources_of,
    source_name,
)
from cortexclip.errors import InputError
from cortexclip.files import sha256, write_if_changed
from cortexclip.launch import prepare_environment
from cortexclip.plan import make_plan
from cortexclip.provenance import code_digest
from cortexclip.results.paths import MADE_BY
from cortexclip.summary import closing, opening

try:
    CONFIG = load(config, workflow.basedir)
    DATA_DIR = data_folder(config)
    # What tables and figures need to know of the configuration; written here, since it is known before any job runs.
    PLANNED = make_plan(CONFIG)
    write_if_changed("results/plan.json", PLANNED.as_json())
except InputError as error:
    raise WorkflowError(str(error))

content_sums.hash_contents_once()
prepare_environment(workflow.basedir, DATA_DIR)
JUDGE = judge_of(config)
ENCODERS = [name for name in CONFIG.encoders if name == JUDGE or any(r.encoder == name for r in CONFIG.runs.values())]
ROOT = os.path.relpath(workflow.basedir)
PUBLISHED = f"{ROOT}/config/published.yaml"
PLAN = "results/plan.json"
TABLES = ["comparison", "retrieval", "audit", "statistics", "ablation", "claims", "paper", "cost", "grid"]
CSV_TABLES = ["leaders", "ranks", "remeasured", "configurations", "source_datasets"]
SUFFIXES = ["png", "pdf", "txt", "csv"]  # to look at, for a paper, its caption, its numbers
FIGURES = ["reconstructions"]
if any(run.trained for run in CONFIG.runs.values()):
    FIGURES.append("training_curves")
if any(run.encoder for run in CONFIG.runs.values()):
    FIGURES.extend(["retrieved", "similarity", "similarity_distribution"])


def growing(megabytes):
    """Memory for each attempt: a job that failed gets more."""
    return lambda wildcards, attempt: attempt * megabytes


def own_pictures():
    """The user's own pictures for the prior corpus, if the configuration names a folder."""
    folder = config.get("prior_images")
    return sorted(str(path) for path in Path(folder).rglob("*") if path.is_file()) if folder else []


def own_pictures_option():
    """The command-line option that adds these pictures."""
    return f"--images {shlex.quote(config['prior_images'])}" if config.get("prior_images") else ""


@functools.cache
def local_gpus():
    """Memory in MB of the GPUs for jobs that run here, by name; None where a cluster's scheduler has to know them."""
    return devices.gpus() if workflow.local_exec else None


def prepare_executor():
    """What has to be set once it is known where jobs run, when the run starts."""
    if not workflow.local_exec:
        slurm_arrays.mend(workflow.scheduler._executor)
    elif "gpu_mem_mb" not in workflow.global_resources:  # jobs here ask for no more at once than there is
        workflow.register_resource("gpu_mem_mb", sum(local_gpus().values()))


def asked(wildcards, name):
    """What a training job asks for. One that runs here gets no GPU where there is none, and a whole one (that is, the
    memory of the largest) where its method does not say how much memory it needs."""
    resources = resources_of(method_of(wildcards))
    gpus = local_gpus()
    if not name.startswith("gpu") or gpus is None:
        return resources[name]
    if not gpus or not resources["gpu"]:
        return 0
    return 1 if name == "gpu" else resources["gpu_mem_mb"] or max(gpus.values())


def digest(stage, *modules):
    """Digest of the code of a stage and of modules that it loads by name."""
    return code_digest(f"cortexclip.stages.{stage}", *modules)


def stages_of_results():
    """Modules of all stages that make results, and those that they load by the names in the catalogues."""
    stages = sorted({f"cortexclip.stages.{stage}" for stages in MADE_BY.values() for stage in stages})
    loaded = [entry["module"] for kind in (CONFIG.every_method, CONFIG.encoders) for entry in kind.values()]
    return [*stages, *loaded, *(entry["reader"] for entry in CONFIG.every_dataset.values())]


def files(kind, names):
    """Raw files or weights that have yet to be copied from the data folder, by the name of their entry.

    A file that is there is nobody's output, so that no option of Snakemake's can make it delete a user's data.
    """
    entries = CONFIG.every_dataset if kind == "data" else CONFIG.encoders
    wanted = {file: name for name in names for file in files_of(entries[name])}
    return {
        file: name
        for file, name in wanted.items()
        if not os.path.exists(f"resources/{kind}/{file}") and not os.path.isdir(f"{DATA_DIR}/{file}")
    }


def of_each_cell(path, **parts):
    """Files of all datasets in each of the protocols that apply to them."""
    return [
        file
        for dataset, protocols in CONFIG.protocols_of.items()
        for file in expand(path, dataset=dataset, protocol=protocols, **parts)
    ]


def of_each_job(path):
    """Files of all runs of all datasets in each of the protocols that apply to them."""
    return [
        file
        for dataset, protocols in CONFIG.protocols_of.items()
        for file in expand(path, dataset=dataset, protocol=protocols, run=CONFIG.cells[dataset])
    ]


def reported(paths):
    """The same output files; tables (CSV, PDF) and figures (PNG) among them are marked for Snakemake's own report."""
    return [marked(path) for path in paths]


def marked(path):
    """A table or figure marked for Snakemake's report, with caption, category and labels; other files as they are.

    Labels come from the name: NAME.csv, and NAME.PROTOCOL.DATASET.png with one, both or none of the parts.
    """
    folder, *between, file = path.removeprefix("results/").split("/")
    name, *parts, suffix = [*between, *file.split(".")]
    if (folder, suffix) not in {("tables", "csv"), ("tables", "pdf"), ("figures", "png")}:
        return path
    labels = {"table" if folder == "tables" else "figure": name.replace("_", " ")}
    for part in parts:
        labels["protocol" if part == "{protocol}" or part in CONFIG.protocols else "dataset"] = part
    kind = {"category": "Tables"} if folder == "tables" else {"category": "Figures", "subcategory": labels["figure"]}
    return report(path, caption=f"../captions/{name}.rst", labels=labels, **kind)


def splits_of(wildcards):
    """The splits of a dataset by all protocols that apply to it."""
    return expand(
        "results/splits/{protocol}/{dataset}.parquet",
        protocol=CONFIG.protocols_of[wildcards.dataset],
        dataset=wildcards.dataset,
    )


def judged():
    """The identification scores of all datasets, if an encoder judges reconstructions."""
    return expand(f"results/identification/{JUDGE}/{{dataset}}.parquet", dataset=CONFIG.datasets) if JUDGE else []


def judge_settings(wildcards):
    """Module and settings of the encoder in whose space reconstructions are identified."""
    return compact(encoder_settings(CONFIG.encoders[JUDGE], workflow.basedir))


def judge_modules():
    """The module that is loaded by name to judge reconstructions."""
    return [CONFIG.encoders[JUDGE]["module"]]


def of_each_run(path, **parts):
    """An input function: files of all runs that apply to the wildcards' dataset, in the wildcards' protocol."""

    def paths(wildcards):
        run = CONFIG.cells[wildcards.dataset]
        return expand(path, protocol=wildcards.protocol, dataset=wildcards.dataset, run=run, **parts)

    return paths


def fetched(kind, name, file):
    """What fetching a file needs of an entry; a changed note or setting fetches nothing again.

    A companion has neither an address nor a checksum of its own: it is copied from the data folder.
    """
    entry = (CONFIG.every_dataset if kind == "data" else CONFIG.encoders)[name]
    keys = ("addresses", "sha256", "how") if file == entry["file"] else ("how",)
    return compact({kind: {name: {"file": file, **{key: entry[key] for key in keys if key in entry}}}})


def training_entry(wildcards):
    """What a training job needs of its method's entry; a changed title or note retrains nothing."""
    entry = method_of(wildcards)
    used = {key: entry[key] for key in ("module", "settings", "by_size", "grid") if key in entry}
    name = as_dataset(wildcards)
    if wildcards.protocol in CONFIG.sources.protocols:
        used["procedures"] = {wildcards.protocol: entry["procedures"][wildcards.protocol]}
    for key in ("by_dataset", *(["configurations"] if follows_source(wildcards) else [])):
        if name in entry.get(key, {}):
            used[key] = {name: entry[key][name]}
    cell = (wildcards.protocol, wildcards.dataset, wildcards.run)
    if "configurations" in used and (only := CONFIG.sources.configurations[cell]):
        used["only"] = only
    return compact(used)


def as_dataset(wildcards):
    """The dataset whose settings a training uses: the one that the dataset stands for, or its own."""
    return source_name(wildcards.dataset, CONFIG.every_dataset[wildcards.dataset])


def follows_source(wildcards):
    """Whether a training follows the procedure of a source."""
    repeats = wildcards.protocol in CONFIG.sources.protocols
    return repeats and method_of(wildcards)["procedures"][wildcards.protocol] is not None


def seeds_of(wildcards):
    """How many trainings a fold gets."""
    if wildcards.protocol in CONFIG.sources.protocols:
        return CONFIG.settings["source_seeds"]
    return CONFIG.settings["seeds"] if CONFIG.runs[wildcards.run].trained else 1


def audit_of(wildcards):
    """The audit, which is made before a dataset's comparison is trained; what it says retrains nothing."""
    return [] if wildcards.protocol in CONFIG.sources.protocols else ancient(f"results/audit/{wildcards.dataset}.json")


def of_sources(path):
    """Files of all trainings by the procedures of sources."""
    return [path.format(protocol=p, dataset=d, run=r) for p, d, r in CONFIG.sources.cells]


def raw_file(wildcards):
    """The dataset's raw file; by its checksum where that is pinned (then its age does not matter)."""
    entry = CONFIG.every_dataset[wildcards.dataset]
    path = place_of(entry["file"])
    return ancient(path) if "sha256" in entry else path


def place_of(file):
    """Where a raw file is, or will be once fetched; a folder is read where it lies, and never copied."""
    if os.path.exists(f"resources/data/{file}") or not os.path.isdir(f"{DATA_DIR}/{file}"):
        return f"resources/data/{file}"
    return f"{DATA_DIR}/{file}"


def companions_of(wildcards):
    """Further files that the dataset's reader needs, in the order of its entry."""
    return [place_of(file) for file in CONFIG.every_dataset[wildcards.dataset].get("companions", {}).values()]


def ingestion_entry(wildcards):
    """What reading a dataset needs of its entry; a changed note reads nothing again."""
    entry = CONFIG.every_dataset[wildcards.dataset]
    return compact({key: value for key, value in entry.items() if key not in ("notes", "protocols")})


def weights_of(names):
    """The weights files of encoders, those that are fetched; pinned by their checksums, so their age is ignored."""
    entries = [CONFIG.encoders[name] for name in names]
    return [ancient(f"resources/weights/{file}") for file in sorted({e["file"] for e in entries if "file" in e})]


def encoder_option(wildcards):
    """The command-line option that names a run's embedding space, if it has one."""
    encoder = CONFIG.every_run[wildcards.run].encoder
    return f"--encoder {encoder}" if encoder else ""


def audited_protocols(wildcards):
    """What a dataset's audit needs of the protocols' entries; a changed title or note audits nothing again."""
    entries = {name: CONFIG.protocols[name] for name in CONFIG.protocols_of[wildcards.dataset]}
    return compact({n: {key: e[key] for key in ("over", "group_by") if key in e} for n, e in entries.items()})


def method_of(wildcards):
    """The entry in methods.yaml of a run."""
    return CONFIG.every_method[CONFIG.every_run[wildcards.run].method]


def pool_of(wildcards):
    """The other datasets that a run learns from, if its method pools them."""
    names = pool_for(wildcards.dataset, CONFIG.datasets) if method_of(wildcards).get("pools") else []
    return expand("results/data/{name}.nc", name=names)


def features_of_all(wildcards):
    """The embeddings that the runs of a dataset need."""
    encoders = dict.fromkeys(CONFIG.runs[run].encoder for run in CONFIG.cells[wildcards.dataset])
    return [f"results/features/{wildcards.dataset}/{encoder}.nc" for encoder in encoders if encoder]


def features_of(wildcards):
    """The embeddings that a run needs, if it needs any."""
    encoder = CONFIG.every_run[wildcards.run].encoder
    return [f"results/features/{wildcards.dataset}/{encoder}.nc"] if encoder else []


def pattern(names):
    """A wildcard constraint that allows these names only."""
    return "|".join(re.escape(name) for name in names) or "(?!)"


wildcard_constraints:
    dataset=pattern(CONFIG.every_dataset),
    protocol=pattern(CONFIG.every_protocol),
    run=pattern(CONFIG.every_run),


DATA_FILES = files("data", CONFIG.every_dataset)
WEIGHT_FILES = files("weights", CONFIG.encoders)
