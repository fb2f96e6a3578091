# Stage: predictions, histories and scores -> figures.
rule figures:
    input:
        plan=PLAN,
        dataset="results/data/{dataset}.nc",
        audit="results/audit/{dataset}.json",
        runs=of_each_run("results/runs/{protocol}/{dataset}/{run}/{file}", file=["predictions.nc", "history.parquet"]),
        scores="results/scores/{protocol}/{dataset}.parquet",
        similarity="results/scores/{protocol}/{dataset}.similarity.nc",
    output:
        reported(expand("results/figures/{figure}.{{protocol}}.{{dataset}}.{suffix}", figure=FIGURES, suffix=SUFFIXES)),
        reported(expand("results/figures/reference/{{protocol}}/{{dataset}}.{suffix}", suffix=SUFFIXES)),
    log:
        "results/logs/figures/{protocol}/{dataset}.log",
    benchmark:
        "results/benchmarks/figures/{protocol}/{dataset}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=30,
        gpu=0,
    params:
        figures=",".join([*FIGURES, "reference"]),
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
        leaders="results/tables/leaders.csv",
    output:
        reported(expand("results/tables/main.{suffix}", suffix=["md", "tex", "pdf"])),
        "results/tables/document.tex",
        reported(expand("results/figures/mse_by_method.{suffix}", suffix=SUFFIXES)),
    log:
        "results/logs/overview.log",
    benchmark:
        "results/benchmarks/overview.tsv"
    conda:
        "../../envs/overview.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=30,
        gpu=0,
    params:
        code=digest("overview"),
    shell:
        "python -m cortexclip overview --log {log:q} --threads {threads} --plan {input.plan:q} --table {input.table:q} --audits results/audit"
        " --leaders {input.leaders:q} --output results/figures --tables results/tables"


rule evaluation_figures:
    input:
        plan=PLAN,
        dataset="results/data/{dataset}.nc",
        audit="results/audit/{dataset}.json",
        statistics="results/tables/statistics.csv",
        ablation="results/tables/ablation.csv",
        splits=splits_of,
        runs=lambda wildcards: expand(
            "results/runs/{protocol}/{dataset}/{run}/predictions.nc",
            protocol=CONFIG.protocols_of[wildcards.dataset],
            dataset=wildcards.dataset,
            run=CONFIG.cells[wildcards.dataset],
        ),
        scores=lambda wildcards: expand(
            "results/scores/{protocol}/{dataset}.parquet",
            protocol=CONFIG.protocols_of[wildcards.dataset],
            dataset=wildcards.dataset,
        ),
    output:
        reported(
            expand(
                "results/figures/{figure}.{protocol}.{{dataset}}.{suffix}",
                figure=["differences", *(["ablation"] if any(PLANNED.ablations.values()) else [])],
                protocol=CONFIG.protocols,
                suffix=SUFFIXES,
            )
        ),
        reported(
            expand(
                "results/figures/{figure}.{{dataset}}.{suffix}",
                figure=["optimism", "permutation_null", "identification_curves", "seen_unseen"],
                suffix=SUFFIXES,
            )
        ),
    log:
        "results/logs/evaluation_figures/{dataset}.log",
    benchmark:
        "results/benchmarks/evaluation_figures/{dataset}.tsv"
    conda:
        "../../envs/evaluation_figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=60,
        gpu=0,
    params:
        resamples=CONFIG.settings["bootstrap_resamples"],
        base_seed=CONFIG.settings["base_seed"],
        code=digest("evaluation_figures"),
    shell:
        "python -m cortexclip evaluation_figures --log {log:q} --threads {threads} --plan {input.plan:q}"
        " --dataset {input.dataset:q} --audit {input.audit:q} --statistics {input.statistics:q} --ablation {input.ablation:q}"
        " --results results"
        " --resamples {params.resamples} --base-seed {params.base_seed} --output results/figures"


rule critical_difference:
    input:
        plan=PLAN,
        audits=expand("results/audit/{dataset}.json", dataset=CONFIG.datasets),
        ranks="results/tables/ranks.csv",
    output:
        reported(
            expand(
                "results/figures/critical_difference.{protocol}.{suffix}", protocol=CONFIG.protocols, suffix=SUFFIXES
            )
        ),
    log:
        "results/logs/critical_difference.log",
    benchmark:
        "results/benchmarks/critical_difference.tsv"
    conda:
        "../../envs/critical_difference.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=30,
        gpu=0,
    params:
        code=digest("critical_difference"),
    shell:
        "python -m cortexclip critical_difference --log {log:q} --threads {threads} --plan {input.plan:q}"
        " --audits results/audit --ranks {input.ranks:q} --output results/figures"
