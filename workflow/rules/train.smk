# Stage: a dataset, its split, its features and a method -> predictions of every fold and seed.
rule train:
    input:
        dataset=FILES.dataset,
        split=FILES.split,
        features=lambda wildcards: features_of(wildcards.dataset, [wildcards.run]),
        weights=lambda wildcards: ancient(JOBS.weights("run", [wildcards.run])),
        pool=lambda wildcards: expand(FILES.dataset, dataset=JOBS.pool(wildcards.dataset, wildcards.run)),
    output:
        predictions=FILES.predictions,
        history=FILES.history,
        weights=FILES.weights,
        record=FILES.record,
    log:
        "results/logs/train/{protocol}/{dataset}/{run}.log",
    benchmark:
        "results/benchmarks/train/{protocol}/{dataset}/{run}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: attempt * needed("mem_mb")(wildcards),
        runtime=needed("runtime"),
        gpu=needed("gpu"),
        gpu_mem_mb=needed("gpu_mem_mb"),
    params:
        entry=lambda wildcards: JOBS.training(wildcards.protocol, wildcards.dataset, wildcards.run),
        optimistic=lambda wildcards: compact(bool(JOBS.entry("protocol", wildcards.protocol).get("optimistic"))),
        source=lambda wildcards: compact(JOBS.follows_source(wildcards.protocol, wildcards.run)),
        settings_of=lambda wildcards: JOBS.as_dataset(wildcards.dataset),
        method=lambda wildcards: CONFIG.every_run[wildcards.run].method,
        encoder=lambda wildcards: JOBS.encoders_of([wildcards.run]),
        seeds=lambda wildcards: JOBS.seeds(wildcards.protocol, wildcards.run),
        base_seed=CONFIG.settings["base_seed"],
        precision=lambda wildcards: JOBS.precision(wildcards.run),
        save_weights=CONFIG.settings["save_weights"],
        checkpoints="results/checkpoints/{protocol}/{dataset}/{run}",  # no output, so a failed job leaves them
        code=lambda wildcards: digest("train", JOBS.entry("run", wildcards.run)["module"]),
    shell:
        "python -m cortexclip train --log {log:q} --threads {threads}"
        " --gpu-memory {resources.gpu_mem_mb} --dataset {input.dataset:q} --split {input.split:q}"
        " --features {input.features:q} --pool {input.pool:q}"
        " --protocol {wildcards.protocol:q} --optimistic {params.optimistic} --source {params.source}"
        " --as-dataset {params.settings_of:q}"
        " --method {params.method:q} --encoder {params.encoder:q} --entry {params.entry:q}"
        " --precision {params.precision:q} --seeds {params.seeds} --base-seed {params.base_seed} --save-weights {params.save_weights}"
        " --checkpoints {params.checkpoints:q} --code {params.code}"
        " --predictions {output.predictions:q} --history {output.history:q}"
        " --weights {output.weights:q} --record {output.record:q}"
