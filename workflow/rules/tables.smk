# Stage: all scores -> the comparison tables.
rule tables:
    input:
        plan=PLAN,
        audits=expand("results/audit/{dataset}.json", dataset=CONFIG.datasets),
        splits=of_each_cell("results/splits/{protocol}/{dataset}.parquet"),
        identification=judged(),
        scores=[scores_of(dataset) for dataset in CONFIG.datasets],
    output:
        reported(
            expand(
                "results/tables/{table}.{suffix}",
                table=["comparison", "retrieval", "audit"],
                suffix=["csv", "md", "tex"],
            )
        ),
    log:
        "results/logs/tables.log",
    benchmark:
        "results/benchmarks/tables.tsv"
    priority: 1  # on the longest way to the end
    conda:
        "../../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=60,
        gpu=0,
    params:
        resamples=CONFIG.settings["bootstrap_resamples"],
        base_seed=CONFIG.settings["base_seed"],
        code=digest("tables"),
    shell:
        "python -m cortexclip tables --log {log:q} --threads {threads} --plan {input.plan:q} --scores results/scores --audits results/audit"
        " --identification results/identification --splits results/splits"
        " --resamples {params.resamples} --base-seed {params.base_seed}"
        " --output results/tables"
