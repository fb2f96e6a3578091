# Stage: predictions, histories and scores -> figures.
rule figures:
    input:
        plan=PLAN,
        dataset="results/data/{dataset}.nc",
        audit="results/audit/{dataset}.json",
        runs=of_each_run("results/runs/{protocol}/{dataset}/{run}/{file}", file=["predictions.nc", "history.parquet"]),
        scores=of_each_run("results/scores/{protocol}/{dataset}/{run}{suffix}", suffix=[".parquet", ".similarity.nc"]),
    output:
        expand("results/figures/{figure}.{{protocol}}.{{dataset}}.{suffix}", figure=FIGURES, suffix=SUFFIXES),
    log:
        "results/logs/figures/{protocol}/{dataset}.log",
    benchmark:
        "results/benchmarks/figures/{protocol}/{dataset}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
        gpu=0,
    params:
        figures=",".join(FIGURES),
        code=digest("figures"),
    shell:
        "python -m cortexclip figures --log {log:q} --threads {threads} --plan {input.plan:q}"
        " --dataset {input.dataset:q} --audit {input.audit:q} --protocol {wildcards.protocol:q} --figures {params.figures}"
        " --results results --output results/figures"


rule overview:
    input:
        plan=PLAN,
        audits=expand("results/audit/{dataset}.json", dataset=CONFIG.datasets),
        table="results/tables/comparison.csv",
    output:
        expand("results/figures/mse_by_method.{suffix}", suffix=SUFFIXES),
    log:
        "results/logs/overview.log",
    benchmark:
        "results/benchmarks/overview.tsv"
    conda:
        "../../envs/overview.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
        gpu=0,
    params:
        published=PUBLISHED,
        published_sha256=sha256(PUBLISHED),
        code=digest("overview"),
    shell:
        "python -m cortexclip overview --log {log:q} --threads {threads} --plan {input.plan:q} --table {input.table:q} --audits results/audit"
        " --published {params.published:q} --output results/figures"
