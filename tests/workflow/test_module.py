"""The workflow as a module of another one."""

from __future__ import annotations

import subprocess

from conftest import ROOT, SMALL_RUN, Project

OTHER = """
configfile: "{root}/config/config.yaml"


module cortexclip:
    snakefile: "{root}/workflow/Snakefile"
    config: config


use rule * from cortexclip as cortexclip_*


rule mine:
    default_target: True
    input: rules.cortexclip_all.input
"""


def test_another_workflow_can_use_this_one_as_a_module(project, tmp_path):
    other = Project(tmp_path / "other")
    other.path.mkdir()
    (other.path / "Snakefile").write_text(OTHER.format(root=project.path), encoding="utf-8")
    library = str(project.path / "workflow")
    done = other.snakemake("--dry-run", "--configfile", f"{project.path}/{SMALL_RUN}", PYTHONPATH=library)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "cortexclip_tables" in done.stdout and "rule mine" in done.stdout
    # Nor need it be given more of the configuration than what differs.
    part = OTHER.replace('configfile: "{root}/config/config.yaml"', "config['datasets'] = 'simulated'")
    (other.path / "Snakefile").write_text(part.format(root=project.path), encoding="utf-8")
    done = other.snakemake("--dry-run", PYTHONPATH=library)
    assert done.returncode == 0 and "cortexclip_tables" in done.stdout, done.stdout[-3000:]
    alone = project.snakemake("--dry-run", "--quiet", "rules", "--snakefile", "workflow/Snakefile")
    assert alone.returncode == 0 and "manifest" in alone.stdout


def test_the_module_can_come_from_a_repository_where_the_package_is_installed(project, tmp_path):
    git = ["git", "-C", project.path, "-c", "user.name=x", "-c", "user.email=x", "-c", "commit.gpgsign=false"]
    for command in (["init", "--quiet", "--initial-branch=main"], ["add", "."], ["commit", "--quiet", "--message=x"]):
        subprocess.run([*git, *command], check=True)
    other = Project(tmp_path / "other")
    other.path.mkdir()
    source = f'gitfile("{project.path}", path="workflow/Snakefile", ref="main")'  # as github("OWNER/NAME", ...)
    text = OTHER.replace('"{root}/workflow/Snakefile"', source).format(root=ROOT)
    (other.path / "Snakefile").write_text(text, encoding="utf-8")
    target = "results/splits/holdout/simulated.parquet"
    done = other.snakemake("--configfile", str(ROOT / SMALL_RUN), "--", target, PYTHONPATH=str(ROOT / "workflow"))
    assert done.returncode == 0 and (other.path / target).is_file(), done.stdout[-3000:]
