# What every rules file uses: the checked configuration, the table of paths and the functions that name inputs.
import functools
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

ROOT = Path(str(workflow.current_basedir)).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

import content_sums
import slurm_arrays
from cortexclip.runtime import devices
from cortexclip.configuration.config import data_folder, judge_of, load, merge, with_lists
from cortexclip.configuration.schema import read_yaml
from cortexclip.errors import InputError
from cortexclip.runtime.files import sha256, write_if_changed
from cortexclip.results.jobs import Jobs, any_of, compact, pictures_in, report_labels
from cortexclip.configuration.launch import prepare_environment
from cortexclip.configuration.plan import make_plan
from cortexclip.runtime.provenance import code_digest
from cortexclip.results import drawn
from cortexclip.results.paths import CSV_TABLES, READABLE_TABLES, TRAINED, below, expand as paths_of
from cortexclip.report.summary import closing, opening
from cortexclip.runtime.log import SHOWN
from cortexclip.runtime.project import PACKAGE

try:
    # As a module the workflow is given a part of a configuration, and "configfile" is not heard.
    config = with_lists(merge(read_yaml(ROOT / "config/config.yaml"), config))
    CONFIG = load(config, ROOT)
    DATA_DIR = data_folder(config)
    # What tables and figures need to know of the configuration; written here, since it is known before any job runs.
    PLAN = make_plan(CONFIG)
    write_if_changed("results/plan.json", PLAN.as_json())
except InputError as error:
    raise WorkflowError(str(error))

content_sums.hash_contents_once()
prepare_environment(ROOT, DATA_DIR)
FILES, JOBS, JUDGE = below("results"), Jobs(CONFIG, str(ROOT), DATA_DIR), judge_of(config)
if workflow.is_main_process:
    for line in JOBS.differing_copies():
        print(line, file=sys.stderr)
ENCODERS = JOBS.encoders(JUDGE)
PUBLISHED = os.path.relpath(ROOT / "config/published.yaml")
PICTURES = config.get("prior_images")
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


def digest(stage, *modules):
    """Digest of the code of a stage and of modules that it loads by name."""
    return code_digest(f"cortexclip.stages.{stage}", *modules)


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


def planned(job):
    """What the logger cortexclip has to know of a job that will run."""
    needs = [other.jobid for other in workflow.dag.job_dependencies(job)]
    return JOBS.planned(job.jobid, job.rule.name, job.wildcards_dict, job.benchmark, needs, next(iter(job.log), ""))


def tell(what):
    """Say what a run begins or ends with, where nobody else says it."""
    if os.environ.get(SHOWN) != "line":
        logger.info(what(CONFIG))


def begin():
    """Say what will be compared, and tell the logger which jobs there are."""
    tell(opening)
    slots = workflow.global_resources["_cores" if workflow.local_exec else "_nodes"].value
    jobs = [planned(job) for job in workflow.dag.needrun_jobs() if job.log]  # all but the targets
    logger.info("", extra={"cortexclip_jobs": jobs, "cortexclip_slots": slots or 1})
