# Stage: a dataset and a protocol -> which samples train, choose and are scored.
rule split:
    input:
        dataset=FILES.dataset,
        features=features_of_clusters,
    output:
        FILES.split,
    log:
        "results/logs/split/{protocol}/{dataset}.log",
    benchmark:
        "results/benchmarks/split/{protocol}/{dataset}.tsv"
    conda:
        "../../envs/split.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=10,
        gpu=0,
    params:
        entry=lambda wildcards: compact(JOBS.entry("protocol", wildcards.protocol)),
        base_seed=CONFIG.settings["base_seed"],
        code=digest("split"),
    shell:
        "python -m cortexclip split --log {log:q} --threads {threads} --dataset {input.dataset:q}"
        " --protocol {wildcards.protocol:q} --entry {params.entry:q} --base-seed {params.base_seed} --output {output:q}"
        " --features {input.features:q}"
