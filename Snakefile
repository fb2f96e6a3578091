# The workflow is in workflow/Snakefile; from here Snakemake finds it in the project's root.
include: "workflow/Snakefile"


workflow.default_target = "all"  # which an included file cannot say
