"""The workflow as a module of another one."""

from __future__ import annotations

from conftest import SMALL_RUN, Project

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
