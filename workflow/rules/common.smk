# What every rules file uses: the checked configuration, the table of paths and the functions that name inputs.
import os

import run_hooks
from cortexclip.configuration.config import judge_of
from cortexclip.runtime.files import sha256
from cortexclip.results.jobs import any_of, compact, pictures_in, report_labels
from cortexclip.runtime.provenance import code_digest
from cortexclip.results import drawn
from cortexclip.results.paths import CSV_TABLES, FILES, READABLE_TABLES, TRAINED, expand as paths_of
from cortexclip.runtime.project import PACKAGE

JOBS, PLAN = run_hooks.read(workflow, ROOT, config)
CONFIG = JOBS.configuration
JUDGE, PICTURES = judge_of(CONFIG.settings), CONFIG.settings.get("prior_images")
ENCODERS = JOBS.encoders(JUDGE)
PUBLISHED = os.path.relpath(ROOT / "config/published.yaml")
DATA_FILES, WEIGHT_FILES = JOBS.to_fetch("data"), JOBS.to_fetch("weights")


wildcard_constraints:
    dataset=any_of(CONFIG.every_dataset),
    protocol=any_of(CONFIG.every_protocol),
    run=any_of(CONFIG.every_run),


def files(name, **names):
    """The files called `name` in the table of paths, of all runs of the comparison that have these names."""
    return paths_of(name, PLAN.trainings(), **names)


def files_of_sources(name):
    """The files of all trainings by the procedures of sources."""
    return paths_of(name, PLAN.sources.cells)


def same(name, *wildcard):
    """An input function: the files called `name` of all runs that have the job's dataset, or its protocol too."""
    return lambda wildcards: files(name, **{key: wildcards[key] for key in wildcard})


def features_of(dataset, runs):
    """The embeddings that runs of a dataset need."""
    return [FILES.features.format(dataset=dataset, encoder=encoder) for encoder in JOBS.encoders_of(runs)]


def features_of_clusters(wildcards):
    """The embeddings by which a protocol clusters stimuli, if it does."""
    encoder = JOBS.entry("protocol", wildcards.protocol).get("encoder")
    return [FILES.features.format(dataset=wildcards.dataset, encoder=encoder)] if encoder else []


def raw_file(wildcards):
    """The dataset's raw file; by its checksum where that is pinned (then its age does not matter)."""
    entry = JOBS.entry("dataset", wildcards.dataset)
    path = JOBS.raw_file(entry["file"])
    return ancient(path) if "sha256" in entry else path


def reported(paths):
    """The same output files; tables and figures among them are marked for Snakemake's own report."""
    labels = {path: report_labels(path, CONFIG.protocols) for path in paths}
    return [report(path, **about) if about else path for path, about in labels.items()]


def memory(megabytes):
    """Memory for each attempt: a job that failed gets more."""
    return lambda wildcards, attempt: attempt * megabytes


def needed(name):
    """What a training needs of a resource."""
    return lambda wildcards: JOBS.resource(wildcards.run, name, run_hooks.local_gpus(workflow.local_exec))


def digest(stage, *modules):
    """Digest of the code of a stage and of modules that it loads by name."""
    return code_digest(f"cortexclip.stages.{stage}", *modules)
