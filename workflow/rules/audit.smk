# Stage: a dataset and all its splits -> what one has to know of them before believing a score.
rule audit:
    input:
        dataset=FILES.dataset,
        splits=same("split", "dataset"),
        corpus=FILES.corpus if PICTURES else JOBS.nearest_in_corpus(ENCODERS),
        features=FILES.features.format(dataset="{dataset}", encoder=JUDGE) if JUDGE else [],
    output:
        audit=FILES.audit,
        nearness=FILES.nearness,
    log:
        "results/logs/audit/{dataset}.log",
    benchmark:
        "results/benchmarks/audit/{dataset}.tsv"
    priority: 2  # before any training that could start, so that what is wrong with the data is reported early
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=30,
        gpu=0,
    params:
        splits=lambda wildcards, input: [
            f"{name}={file}" for name, file in zip(CONFIG.protocols_of[wildcards.dataset], input.splits)
        ],
        protocols=lambda wildcards: JOBS.audited(wildcards.dataset),
        base_seed=CONFIG.settings["base_seed"],
        code=digest("audit"),
    shell:
        "python -m cortexclip audit --log {log:q} --threads {threads} --dataset {input.dataset:q}"
        " --split {params.splits:q} --protocols {params.protocols:q} --seed {params.base_seed}"
        " --corpus {input.corpus:q} --features {input.features:q} --nearness {output.nearness:q} --output {output.audit:q}"
