# Stage: scores and records of all runs, and what sources trained -> all tables.
rule tables:
    input:
        plan=FILES.plan,
        published=ancient(PUBLISHED),  # whose sum is a parameter
        datasets=files_of_sources("dataset"),
        audits=files("audit"),
        splits=files("split"),
        identification=files("identification", judge=JUDGE) if JUDGE else [],
        scores=files("scores"),
        collapse=files("collapse"),
        ceilings=files("ceiling"),
        records=files("record"),
        source_predictions=files_of_sources("predictions"),
        source_records=files_of_sources("record"),
    output:
        reported(expand(FILES.table, table=READABLE_TABLES, suffix=["csv", "md", "tex"])),
        reported(expand(FILES.table, table=CSV_TABLES, suffix=["csv"])),
        reported(expand(FILES.table, table=["paper"], suffix=["pdf"])),
    log:
        "results/logs/tables.log",
    benchmark:
        "results/benchmarks/tables.tsv"
    priority: 1  # on the longest way to the end
    conda:
        "../../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=120,
        gpu=0,
    params:
        published_sha256=sha256(PUBLISHED),
        resamples=CONFIG.settings["bootstrap_resamples"],
        base_seed=CONFIG.settings["base_seed"],
        code=digest("tables"),
    shell:
        "python -m cortexclip tables --log {log:q} --threads {threads} --plan {input.plan:q} --results results"
        " --published {input.published:q} --resamples {params.resamples} --base-seed {params.base_seed}"
        " --output results/tables"
