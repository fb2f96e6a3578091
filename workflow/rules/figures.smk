# Stage: predictions, histories and scores -> figures.
# All jobs of a rule write the same figures, so datasets of which others can be drawn have a rule of their own.
for number, (paths, datasets) in enumerate(drawn.alike(drawn.of_predictions_files, PLAN)):

    rule:
        name:
            f"figures{number or ''}"
        input:
            plan=FILES.plan,
            dataset=FILES.dataset,
            audit=FILES.audit,
            runs=same("predictions", "protocol", "dataset"),
            weights=same("weights", "protocol", "dataset"),
            histories=same("history", "protocol", "dataset"),
            scores=FILES.scores,
            similarity=FILES.similarity,
        output:
            reported(paths),
        log:
            "results/logs/figures/{protocol}/{dataset}.log",
        benchmark:
            "results/benchmarks/figures/{protocol}/{dataset}.tsv"
        wildcard_constraints:
            dataset=any_of(datasets),
        conda:
            "../../envs/figures.yaml"
        threads: 1
        resources:
            mem_mb=memory(2000),
            runtime=30,
            gpu=0,
        params:
            code=digest("figures"),
        shell:
            "python -m cortexclip figures --log {log:q} --threads {threads} --plan {input.plan:q}"
            " --dataset {input.dataset:q} --audit {input.audit:q} --protocol {wildcards.protocol:q}"
            " --results results --output results/figures"


rule overview:
    input:
        plan=FILES.plan,
        audits=files("audit"),
        table=FILES.table.format(table="comparison", suffix="csv"),
        leaders=FILES.table.format(table="leaders", suffix="csv"),
        ranks=FILES.table.format(table="ranks", suffix="csv"),
    output:
        reported(expand(FILES.table, table="main", suffix=["md", "tex", "pdf"])),
        FILES.table.format(table="document", suffix="tex"),
        reported([f"results/{path}" for path in drawn.of_datasets_files(PLAN)]),
    log:
        "results/logs/overview.log",
    benchmark:
        "results/benchmarks/overview.tsv"
    conda:
        "../../envs/overview.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=30,
        gpu=0,
    params:
        code=digest("overview"),
    shell:
        "python -m cortexclip overview --log {log:q} --threads {threads} --plan {input.plan:q} --table {input.table:q} --audits results/audit"
        " --leaders {input.leaders:q} --ranks {input.ranks:q} --output results/figures --tables results/tables"


for number, (paths, datasets) in enumerate(drawn.alike(drawn.of_tests_files, PLAN)):

    rule:
        name:
            f"evaluation_figures{number or ''}"
        input:
            plan=FILES.plan,
            dataset=FILES.dataset,
            audit=FILES.audit,
            statistics=FILES.table.format(table="statistics", suffix="csv"),
            ablation=FILES.table.format(table="ablation", suffix="csv"),
            tables=expand(FILES.table, table=["power", "ceiling", "learning_curve", "collapse"], suffix="csv"),
            nearness=FILES.nearness,
            splits=same("split", "dataset"),
            runs=same("predictions", "dataset"),
            scores=same("scores", "dataset"),
        output:
            reported(paths),
        log:
            "results/logs/evaluation_figures/{dataset}.log",
        benchmark:
            "results/benchmarks/evaluation_figures/{dataset}.tsv"
        wildcard_constraints:
            dataset=any_of(datasets),
        conda:
            "../../envs/evaluation_figures.yaml"
        threads: 1
        resources:
            mem_mb=memory(3000),
            runtime=60,
            gpu=0,
        params:
            code=digest("evaluation_figures"),
        shell:
            "python -m cortexclip evaluation_figures --log {log:q} --threads {threads} --plan {input.plan:q}"
            " --dataset {input.dataset:q} --audit {input.audit:q} --statistics {input.statistics:q} --ablation {input.ablation:q}"
            " --results results --output results/figures"
