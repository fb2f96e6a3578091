# The whole workflow: raw files -> labelled data -> splits and features -> training -> scores -> tables and figures.
from snakemake.utils import min_version

min_version("9.0")


configfile: f"{workflow.basedir}/config/config.yaml"


report: "workflow/captions/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/fetch.smk"
include: "workflow/rules/ingest.smk"
include: "workflow/rules/split.smk"
include: "workflow/rules/audit.smk"
include: "workflow/rules/encode.smk"
include: "workflow/rules/prior.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


RESULTS = [
    rules.tables.output,
    rules.overview.output,
    rules.critical_difference.output,
    expand(rules.evaluation_figures.output, dataset=CONFIG.datasets),
    of_each_cell("results/figures/{figure}.{protocol}.{dataset}.{suffix}", figure=FIGURES, suffix=SUFFIXES),
    of_each_cell("results/figures/reference/{protocol}/{dataset}.{suffix}", suffix=SUFFIXES),
    rules.report.output,
]


include: "workflow/rules/manifest.smk"


rule all:
    default_target: True
    input:
        RESULTS,
        rules.manifest.output,


onstart:
    prepare_executor()
    print(opening(CONFIG), file=sys.stderr)


onsuccess:
    print(closing(CONFIG), file=sys.stderr)
