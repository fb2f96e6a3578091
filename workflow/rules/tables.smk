# Stage: scores and records of all runs, and what sources trained -> all tables.
rule tables:
    input:
        plan=PLAN,
        datasets=expand("results/data/{dataset}.nc", dataset=dict.fromkeys(d for _, d, _ in CONFIG.sources.cells)),
        audits=expand("results/audit/{dataset}.json", dataset=CONFIG.datasets),
        splits=of_each_cell("results/splits/{protocol}/{dataset}.parquet"),
        identification=judged(),
        scores=of_each_cell("results/scores/{protocol}/{dataset}.parquet"),
        records=of_each_job("results/runs/{protocol}/{dataset}/{run}/run.json"),
        source_predictions=of_sources("results/runs/{protocol}/{dataset}/{run}/predictions.nc"),
        source_records=of_sources("results/runs/{protocol}/{dataset}/{run}/run.json"),
    output:
        reported(expand("results/tables/{table}.{suffix}", table=TABLES, suffix=["csv", "md", "tex"])),
        reported(expand("results/tables/{table}.csv", table=CSV_TABLES)),
        reported(["results/tables/paper.pdf"]),
    log:
        "results/logs/tables.log",
    benchmark:
        "results/benchmarks/tables.tsv"
    priority: 1  # on the longest way to the end
    conda:
        "../../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=120,
        gpu=0,
    params:
        published=PUBLISHED,
        published_sha256=sha256(PUBLISHED),
        resamples=CONFIG.settings["bootstrap_resamples"],
        base_seed=CONFIG.settings["base_seed"],
        code=digest("tables"),
    shell:
        "python -m cortexclip tables --log {log:q} --threads {threads} --plan {input.plan:q} --results results"
        " --published {params.published:q} --resamples {params.resamples} --base-seed {params.base_seed}"
        " --output results/tables"
