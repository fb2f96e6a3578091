# Stage: all scores -> which methods differ, which lead, how they rank over datasets and what each part is worth.
rule statistics:
    input:
        plan=PLAN,
        audits=expand("results/audit/{dataset}.json", dataset=CONFIG.datasets),
        scores=[scores_of(dataset) for dataset in CONFIG.datasets],
    output:
        reported(
            expand("results/tables/{table}.{suffix}", table=["statistics", "ablation"], suffix=["csv", "md", "tex"])
        ),
        reported(expand("results/tables/{table}.csv", table=["leaders", "ranks"])),
    log:
        "results/logs/statistics.log",
    benchmark:
        "results/benchmarks/statistics.tsv"
    priority: 1  # on the longest way to the end
    conda:
        "../../envs/statistics.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=60,
        gpu=0,
    params:
        resamples=CONFIG.settings["bootstrap_resamples"],
        base_seed=CONFIG.settings["base_seed"],
        code=digest("statistics"),
    shell:
        "python -m cortexclip statistics --log {log:q} --threads {threads} --plan {input.plan:q} --scores results/scores"
        " --audits results/audit --resamples {params.resamples} --base-seed {params.base_seed} --output results/tables"
