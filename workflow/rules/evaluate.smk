# Stage: predictions of all runs of a dataset and protocol, and the stimuli -> their scores and similarity matrices.
rule evaluate:
    input:
        dataset=FILES.dataset,
        predictions=same("predictions", "protocol", "dataset"),
        features=lambda wildcards: features_of(wildcards.dataset, PLAN.cells[wildcards.dataset]),
        split=FILES.split,
        judge=FILES.features.replace("{encoder}", str(JUDGE)) if JUDGE else [],
    output:
        scores=FILES.scores,
        similarity=FILES.similarity,
        collapse=FILES.collapse,
        ceiling=FILES.ceiling,
    log:
        "results/logs/evaluate/{protocol}/{dataset}.log",
    benchmark:
        "results/benchmarks/evaluate/{protocol}/{dataset}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=60,
        gpu=0,
    params:
        code=digest("evaluate"),
    shell:
        "python -m cortexclip evaluate --log {log:q} --threads {threads} --dataset {input.dataset:q}"
        " --predictions {input.predictions:q} --features {input.features:q} --scores {output.scores:q}"
        " --similarity {output.similarity:q} --split {input.split:q} --judge {input.judge:q}"
        " --collapse {output.collapse:q} --ceiling {output.ceiling:q}"


rule identify:
    input:
        dataset=FILES.dataset,
        features=FILES.features.replace("{encoder}", str(JUDGE)),
        weights=ancient(JOBS.weights("encoder", [JUDGE] if JUDGE else [])),
        predictions=same("predictions", "dataset"),
    output:
        FILES.identification.replace("{judge}", str(JUDGE)),
    log:
        "results/logs/identify/{dataset}.log",
    benchmark:
        "results/benchmarks/identify/{dataset}.tsv"
    conda:
        "../../envs/identify.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=60,
        gpu=0,
    params:
        settings=lambda wildcards: JOBS.encoder_entry(JUDGE),
        code=lambda wildcards: digest("identify", *JOBS.encoder_modules([JUDGE])),
    shell:
        "python -m cortexclip identify --log {log:q} --threads {threads} --dataset {input.dataset:q}"
        " --features {input.features:q} --settings {params.settings:q} --predictions {input.predictions:q}"
        " --output {output:q}"
