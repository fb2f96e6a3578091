# Stage: predictions of all runs of a dataset and protocol, and the stimuli -> their scores and similarity matrices.
rule evaluate:
    input:
        dataset="results/data/{dataset}.nc",
        predictions=of_each_run("results/runs/{protocol}/{dataset}/{run}/predictions.nc"),
        features=features_of_all,
    output:
        scores="results/scores/{protocol}/{dataset}.parquet",
        similarity="results/scores/{protocol}/{dataset}.similarity.nc",
    log:
        "results/logs/evaluate/{protocol}/{dataset}.log",
    benchmark:
        "results/benchmarks/evaluate/{protocol}/{dataset}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=60,
        gpu=0,
    params:
        code=digest("evaluate"),
    shell:
        "python -m cortexclip evaluate --log {log:q} --threads {threads} --dataset {input.dataset:q}"
        " --predictions {input.predictions:q} --features {input.features:q} --scores {output.scores:q}"
        " --similarity {output.similarity:q}"


rule identify:
    input:
        dataset="results/data/{dataset}.nc",
        features=f"results/features/{{dataset}}/{JUDGE}.nc",
        predictions=lambda wildcards: expand(
            "results/runs/{protocol}/{dataset}/{run}/predictions.nc",
            protocol=CONFIG.protocols_of[wildcards.dataset],
            dataset=wildcards.dataset,
            run=CONFIG.cells[wildcards.dataset],
        ),
    output:
        f"results/identification/{JUDGE}/{{dataset}}.parquet",
    log:
        "results/logs/identify/{dataset}.log",
    benchmark:
        "results/benchmarks/identify/{dataset}.tsv"
    conda:
        "../../envs/identify.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=60,
        gpu=0,
    params:
        settings=judge_settings,
        protocols=lambda wildcards: CONFIG.protocols_of[wildcards.dataset],
        names=lambda wildcards: CONFIG.cells[wildcards.dataset],
        code=lambda wildcards: digest("identify", *judge_modules()),
    shell:
        "python -m cortexclip identify --log {log:q} --threads {threads} --dataset {input.dataset:q}"
        " --features {input.features:q} --settings {params.settings:q} --protocols {params.protocols:q}"
        " --names {params.names:q} --runs results/runs --output {output:q}"
