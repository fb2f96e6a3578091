# Stage: tables, scores, predictions and records of all runs -> the explorer, one page that opens anywhere.
ASSETS = sorted(str(path) for path in (PACKAGE / "report/assets").iterdir())


rule report:
    input:
        plan=FILES.plan,
        published=ancient(PUBLISHED),  # whose sum is a parameter
        datasets=files("dataset"),
        audits=files("audit"),
        tables=expand(FILES.table, table=[*READABLE_TABLES, "leaders", "ranks", "source_datasets"], suffix=["csv"]),
        runs=files("predictions"),
        histories=files("history"),
        records=files("record"),
        scores=files("scores"),
        similarities=files("similarity"),
    output:
        report(FILES.report, caption="../captions/explorer.rst", category="Explorer"),
    log:
        "results/logs/report.log",
    benchmark:
        "results/benchmarks/report.tsv"
    priority: 1  # on the longest way to the end
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=60,
        gpu=0,
    params:
        published_sha256=sha256(PUBLISHED),
        assets_sha256=[sha256(path) for path in ASSETS],
        code=digest("report"),
    shell:
        "python -m cortexclip report --log {log:q} --threads {threads} --plan {input.plan:q} --results results"
        " --published {input.published:q} --output {output:q}"
