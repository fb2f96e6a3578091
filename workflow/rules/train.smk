# Stage: a dataset, its split, its features and a method -> predictions of every fold and seed.
rule train:
    input:
        dataset="results/data/{dataset}.nc",
        split="results/splits/{protocol}/{dataset}.parquet",
        features=features_of,
        pool=pool_of,
        audit=audit_of,
    output:
        predictions="results/runs/{protocol}/{dataset}/{run}/predictions.nc",
        history="results/runs/{protocol}/{dataset}/{run}/history.parquet",
        weights="results/runs/{protocol}/{dataset}/{run}/weights.safetensors",
        record="results/runs/{protocol}/{dataset}/{run}/run.json",
    log:
        "results/logs/train/{protocol}/{dataset}/{run}.log",
    benchmark:
        "results/benchmarks/train/{protocol}/{dataset}/{run}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: attempt * asked(wildcards, "mem_mb"),
        runtime=lambda wildcards: asked(wildcards, "runtime"),
        gpu=lambda wildcards: asked(wildcards, "gpu"),
        gpu_mem_mb=lambda wildcards: asked(wildcards, "gpu_mem_mb"),
    params:
        entry=training_entry,
        optimistic=lambda wildcards: (
            "--optimistic" if CONFIG.every_protocol[wildcards.protocol].get("optimistic") else ""
        ),
        source=lambda wildcards: "--source" if follows_source(wildcards) else "",
        settings_of=as_dataset,
        method=lambda wildcards: CONFIG.every_run[wildcards.run].method,
        encoder=encoder_option,
        features=lambda wildcards, input: f"--features {input.features}" if input.features else "",
        pool=lambda wildcards, input: f"--pool {input.pool}" if input.pool else "",
        seeds=seeds_of,
        base_seed=CONFIG.settings["base_seed"],
        precision=lambda wildcards: (
            CONFIG.settings["precision"] if CONFIG.every_run[wildcards.run].trained else "float32"
        ),
        save_weights=CONFIG.settings["save_weights"],
        checkpoints="results/checkpoints/{protocol}/{dataset}/{run}",  # no output, so a failed job leaves them
        code=lambda wildcards: digest("train", method_of(wildcards)["module"]),
    shell:
        "python -m cortexclip train --log {log:q} --threads {threads}"
        " --gpu-memory {resources.gpu_mem_mb} --dataset {input.dataset:q} --split {input.split:q}"
        " {params.features} {params.pool}"
        " --protocol {wildcards.protocol:q} {params.optimistic} {params.source}"
        " --as-dataset {params.settings_of:q}"
        " --method {params.method:q} {params.encoder} --entry {params.entry:q}"
        " --precision {params.precision:q} --seeds {params.seeds} --base-seed {params.base_seed} --save-weights {params.save_weights}"
        " --checkpoints {params.checkpoints:q} --code {params.code}"
        " --predictions {output.predictions:q} --history {output.history:q}"
        " --weights {output.weights:q} --record {output.record:q}"
