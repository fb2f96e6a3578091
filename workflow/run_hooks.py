"""How a run begins and ends, from the configuration to the executor; used by the rules, not by the library.

``workflow`` is what Snakemake calls so in a Snakefile.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

import content_sums
import slurm_arrays
from cortexclip.configuration.config import Configuration, data_folder, load, merge
from cortexclip.configuration.launch import prepare_environment
from cortexclip.configuration.plan import Plan, make_plan
from cortexclip.configuration.schema import read_yaml
from cortexclip.errors import InputError
from cortexclip.report.summary import closing, opening
from cortexclip.results.jobs import Jobs
from cortexclip.runtime import devices
from cortexclip.runtime.files import write_if_changed
from cortexclip.runtime.log import SHOWN


def read(workflow, root: Path, given: Mapping) -> tuple[Jobs, Plan]:
    """What the jobs of a configuration need, and its plan; ``given`` is what differs from the project's config.yaml.

    As a module the workflow is given a part of a configuration, and "configfile" is not heard.
    """
    try:
        configuration = load(merge(read_yaml(root / "config/config.yaml"), given), root)
        data_dir, plan = data_folder(configuration.settings), make_plan(configuration)
        # What tables and figures need to know; written here, since it is known before any job runs.
        write_if_changed("results/plan.json", plan.as_json())
    except InputError as error:
        raise WorkflowError(str(error)) from error
    content_sums.hash_contents_once()
    prepare_environment(root, data_dir)
    jobs = Jobs(configuration, str(root), data_dir)
    if workflow.is_main_process:
        for line in jobs.differing_copies():
            print(line, file=sys.stderr)
    return jobs, plan


@functools.cache
def local_gpus(here: bool) -> dict[str, int] | None:
    """Memory in MB of the GPUs, by name, for jobs that run here; None where a cluster's scheduler has to know them."""
    return devices.gpus() if here else None


def begin(workflow, jobs: Jobs) -> None:
    """Prepare the executor, say what will be compared, and tell the logger which jobs there are."""
    if not workflow.local_exec:
        slurm_arrays.mend(workflow.scheduler._executor)
    elif "gpu_mem_mb" not in workflow.global_resources:  # jobs here ask for no more at once than there is
        workflow.register_resource("gpu_mem_mb", sum(local_gpus(True).values()))
    _log_summary(opening, jobs)
    slots = workflow.global_resources["_cores" if workflow.local_exec else "_nodes"].value
    planned = [_planned(workflow, jobs, job) for job in workflow.dag.needrun_jobs() if job.log]  # all but the targets
    logger.info("", extra={"cortexclip_jobs": planned, "cortexclip_slots": slots or 1})


def end(jobs: Jobs) -> None:
    _log_summary(closing, jobs)


def _planned(workflow, jobs: Jobs, job):
    """What the logger cortexclip has to know of a job that will run."""
    needs = [other.jobid for other in workflow.dag.job_dependencies(job)]
    return jobs.planned(job.jobid, job.rule.name, job.wildcards_dict, job.benchmark, needs, next(iter(job.log), ""))


def _log_summary(what: Callable[[Configuration], str], jobs: Jobs) -> None:
    """Log what a run begins or ends with, where nothing else shows it."""
    if os.environ.get(SHOWN) != "line":
        logger.info(what(jobs.configuration))
