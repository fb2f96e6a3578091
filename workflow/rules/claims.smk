# Stages: what was trained by the procedures of sources -> its errors; published numbers -> what became of each.
rule remeasure:
    input:
        plan=PLAN,
        datasets=expand("results/data/{dataset}.nc", dataset=dict.fromkeys(d for _, d, _ in CONFIG.sources.cells)),
        predictions=of_sources("results/runs/{protocol}/{dataset}/{run}/predictions.nc"),
        records=of_sources("results/runs/{protocol}/{dataset}/{run}/run.json"),
    output:
        reported(
            expand("results/tables/{table}.csv", table=["remeasured", "configurations", "source_datasets"]),
        ),
    log:
        "results/logs/remeasure.log",
    benchmark:
        "results/benchmarks/remeasure.tsv"
    priority: 1  # on the longest way to the end
    conda:
        "../../envs/remeasure.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=30,
        gpu=0,
    params:
        code=digest("remeasure"),
    shell:
        "python -m cortexclip remeasure --log {log:q} --threads {threads} --plan {input.plan:q} --data results/data"
        " --runs results/runs --output results/tables"


rule claims:
    input:
        plan=PLAN,
        audits=expand("results/audit/{dataset}.json", dataset=CONFIG.datasets),
        comparison="results/tables/comparison.csv",
        remeasured="results/tables/remeasured.csv",
        configurations="results/tables/configurations.csv",
        datasets="results/tables/source_datasets.csv",
    output:
        reported(expand("results/tables/{table}.{suffix}", table=["claims", "paper"], suffix=["csv", "md", "tex"])),
        reported(["results/tables/paper.pdf"]),
    log:
        "results/logs/claims.log",
    benchmark:
        "results/benchmarks/claims.tsv"
    priority: 1  # on the longest way to the end
    conda:
        "../../envs/claims.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=30,
        gpu=0,
    params:
        published=PUBLISHED,
        published_sha256=sha256(PUBLISHED),
        code=digest("claims"),
    shell:
        "python -m cortexclip claims --log {log:q} --threads {threads} --plan {input.plan:q}"
        " --comparison {input.comparison:q} --remeasured {input.remeasured:q}"
        " --configurations {input.configurations:q} --datasets {input.datasets:q} --audits results/audit"
        " --published {params.published:q} --output results/tables"
