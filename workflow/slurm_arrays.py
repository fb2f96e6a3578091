"""Job arrays for Snakemake's SLURM executor that keep each task apart; used by the rules, not by the library.

Those of snakemake-executor-plugin-slurm 2.8.0 ask for every task what the first one requested, call a task failed when
the outputs of the first one are not there yet (its issue 447), and never send jobs of a rule that are fewer than those
that are ready (issue 473). Here jobs whose sbatch call is the same form an array, and each task runs its own command.
Everything else, from the request to the state of a job, is the plugin's.
"""

from __future__ import annotations

import importlib.metadata
import subprocess
import types
from collections.abc import Iterable
from pathlib import Path

PLUGIN, TRIED = "snakemake-executor-plugin-slurm", "2.8.0"


def mend(executor: object) -> None:
    """Let a SLURM executor send its arrays in this way; another executor or version of the plugin stays as it is."""
    if type(executor).__module__ == PLUGIN.replace("-", "_") and importlib.metadata.version(PLUGIN) == TRIED:
        executor.run_jobs = types.MethodType(run_jobs, executor)
        executor.run_array_jobs = types.MethodType(run_array_jobs, executor)


def run_jobs(executor, jobs: Iterable) -> None:
    """Send all jobs at once: those of rules named in --slurm-array-jobs as arrays, the others one by one."""
    import asyncio

    try:
        executor._main_event_loop = executor._main_event_loop or asyncio.get_running_loop()
    except RuntimeError:  # called outside of the loop, as at the start
        executor._main_event_loop = None
    arrays: dict[str, list] = {}
    for job in jobs:
        if not job.is_group() and {job.rule.name, "all"} & executor.array_jobs:
            arrays.setdefault(request(executor, job), []).append(job)
        else:
            executor._submit_job(job)
    for alike in arrays.values():
        for start in range(0, len(alike), executor.max_array_size):
            tasks = alike[start : start + executor.max_array_size]
            if len(tasks) == 1:
                executor._submit_job(tasks[0])
            else:
                executor._submit_array_jobs(tasks)


def request(executor, job) -> str:
    """The sbatch call for a job, but for what it runs."""
    from snakemake_executor_plugin_slurm.submit_string import get_submit_command
    from snakemake_executor_plugin_slurm.utils import set_gres_string

    folder = Path(executor.slurm_logdir) / f"rule_{job.name}"
    folder.mkdir(parents=True, exist_ok=True)
    parameters = {
        "run_uuid": executor.run_uuid,
        "slurm_logfile": folder / "%A_%a.log",
        "comment_str": f"rule_{job.name}",
        "account": next(executor.get_account_arg(job)),
        "partition": executor.get_partition_arg(job),
        "workdir": executor.workflow.workdir_init,
    }
    call = get_submit_command(
        job, parameters, settings=executor.workflow.executor_settings, failed_nodes=executor._failed_nodes
    )
    return call + set_gres_string(job)


def run_array_jobs(executor, jobs: list) -> None:
    """Send jobs with the same request as the tasks of one array, each with its own command."""
    from snakemake_executor_plugin_slurm.validation import validate_or_get_slurm_job_id
    from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

    try:
        call = f"{request(executor, jobs[0])} --array=1-{len(jobs)} /dev/stdin"
        tasks = script(executor, jobs)
        done = subprocess.run(call, shell=True, input=tasks, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"sbatch failed: {done.stderr.strip()}\n    {call}")
        name = validate_or_get_slurm_job_id(done.stdout.strip().split(";")[0], done.stdout)
    except Exception as error:  # whatever it was, these jobs have failed, and the others go on
        for job in jobs:
            executor._report_job_error_threadsafe(SubmittedJobInfo(job), f"An array could not be sent. {error}")
        return
    executor.logger.info(f"Submitted {len(jobs)} jobs of {jobs[0].name} as array {name}.")
    for task, job in enumerate(jobs, start=1):
        log = Path(executor.slurm_logdir) / f"rule_{job.name}" / f"{name}_{task}.log"
        executor._report_job_submission_threadsafe(
            SubmittedJobInfo(job, external_jobid=f"{name}_{task}", aux={"slurm_logfile": log})
        )


def script(executor, jobs: list) -> str:
    """A shell script that runs the command of its task."""
    cases = [f"{task})\n{executor.format_job_exec(job)}\n;;" for task, job in enumerate(jobs, start=1)]
    return "\n".join(["#!/bin/sh", 'case "$SLURM_ARRAY_TASK_ID" in', *cases, "esac", ""])
