# Stage: all scores -> which methods differ, which lead, and how they rank over datasets.
rule statistics:
    input:
        [scores_of(dataset) for dataset in CONFIG.datasets],
    output:
        expand("results/tables/statistics.{suffix}", suffix=["csv", "md", "tex"]),
        "results/tables/leaders.csv",
        "results/tables/ranks.csv",
    log:
        "results/logs/statistics.log",
    benchmark:
        "results/benchmarks/statistics.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=0,
    params:
        plan=PLAN,
        resamples=CONFIG.settings["bootstrap_resamples"],
        base_seed=CONFIG.settings["base_seed"],
        code=digest("statistics"),
    shell:
        "python -m cortexclip statistics --log {log:q} --threads {threads} --plan {params.plan:q} --scores results/scores"
        " --resamples {params.resamples} --base-seed {params.base_seed} --output results/tables"
