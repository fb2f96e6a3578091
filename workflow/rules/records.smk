# Stage: the records of all training jobs -> what training cost, and every grid point that was tried.
rule records:
    input:
        plan=PLAN,
        records=[
            expand(
                "results/runs/{protocol}/{dataset}/{run}/run.json",
                protocol=CONFIG.protocols_of[dataset],
                dataset=dataset,
                run=CONFIG.cells[dataset],
            )
            for dataset in CONFIG.datasets
        ],
    output:
        reported(expand("results/tables/{table}.{suffix}", table=["cost", "grid"], suffix=["csv", "md", "tex"])),
    log:
        "results/logs/records.log",
    benchmark:
        "results/benchmarks/records.tsv"
    priority: 1  # on the longest way to the end
    conda:
        "../../envs/records.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=10,
        gpu=0,
    params:
        code=digest("records"),
    shell:
        "python -m cortexclip records --log {log:q} --threads {threads} --plan {input.plan:q} --runs results/runs"
        " --benchmarks results/benchmarks/train --output results/tables"
