# Stage: tables, scores, predictions and records of all runs -> the explorer, one page that opens anywhere.
ASSETS = sorted(str(path) for path in Path(f"{workflow.basedir}/workflow/cortexclip/report/assets").iterdir())


rule report:
    input:
        plan=PLAN,
        datasets=expand("results/data/{dataset}.nc", dataset=CONFIG.datasets),
        audits=expand("results/audit/{dataset}.json", dataset=CONFIG.datasets),
        tables=expand(
            "results/tables/{table}.csv",
            table=[*TABLES, "leaders", "ranks", "source_datasets"],
        ),
        runs=of_each_job("results/runs/{protocol}/{dataset}/{run}/predictions.nc"),
        histories=of_each_job("results/runs/{protocol}/{dataset}/{run}/history.parquet"),
        records=of_each_job("results/runs/{protocol}/{dataset}/{run}/run.json"),
        scores=of_each_cell("results/scores/{protocol}/{dataset}.parquet"),
        similarities=of_each_cell("results/scores/{protocol}/{dataset}.similarity.nc"),
    output:
        report("results/report/index.html", caption="../captions/explorer.rst", category="Explorer"),
    log:
        "results/logs/report.log",
    benchmark:
        "results/benchmarks/report.tsv"
    priority: 1  # on the longest way to the end
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=60,
        gpu=0,
    params:
        published=PUBLISHED,
        published_sha256=sha256(PUBLISHED),
        assets_sha256=[sha256(path) for path in ASSETS],
        code=digest("report"),
    shell:
        "python -m cortexclip report --log {log:q} --threads {threads} --plan {input.plan:q} --results results"
        " --published {params.published:q} --output {output:q}"
