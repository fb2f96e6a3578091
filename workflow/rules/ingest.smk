# Stage: a raw file, or the description of a simulation -> labelled arrays.
rule ingest:
    input:
        raw=raw_file,
        companions=companions_of,
    output:
        "results/data/{dataset}.nc",
    log:
        "results/logs/ingest/{dataset}.log",
    benchmark:
        "results/benchmarks/ingest/{dataset}.tsv"
    wildcard_constraints:
        dataset=pattern(name for name, entry in CONFIG.every_dataset.items() if "file" in entry),
    conda:
        "../../envs/ingest.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=30,
        gpu=0,
    params:
        entry=ingestion_entry,
        companions=lambda wildcards, input: [
            f"--companion={role}={path}"
            for role, path in zip(CONFIG.every_dataset[wildcards.dataset].get("companions", {}), input.companions)
        ],
        code=lambda wildcards: digest("ingest", CONFIG.every_dataset[wildcards.dataset]["reader"]),
    shell:
        "python -m cortexclip ingest --log {log:q} --threads {threads} --dataset {wildcards.dataset:q}"
        " --entry {params.entry:q} --input {input.raw:q} {params.companions:q} --output {output:q}"


rule simulate:
    output:
        "results/data/{dataset}.nc",
    log:
        "results/logs/ingest/{dataset}.log",
    benchmark:
        "results/benchmarks/ingest/{dataset}.tsv"
    wildcard_constraints:
        dataset=pattern(name for name, entry in CONFIG.every_dataset.items() if "file" not in entry),
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=30,
        gpu=0,
    params:
        entry=ingestion_entry,
        seed=CONFIG.settings["base_seed"],
        code=lambda wildcards: digest("simulate", CONFIG.every_dataset[wildcards.dataset]["reader"]),
    shell:
        "python -m cortexclip simulate --log {log:q} --threads {threads} --dataset {wildcards.dataset:q}"
        " --entry {params.entry:q} --seed {params.seed} --output {output:q}"
