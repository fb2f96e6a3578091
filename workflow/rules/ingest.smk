# Stage: a raw file, or the description of a simulation -> labelled arrays.
rule ingest:
    input:
        raw=raw_file,
        companions=lambda wildcards: list(JOBS.companions(wildcards.dataset).values()),
    output:
        FILES.dataset,
    log:
        "results/logs/ingest/{dataset}.log",
    benchmark:
        "results/benchmarks/ingest/{dataset}.tsv"
    wildcard_constraints:
        dataset=any_of(name for name, entry in CONFIG.every_dataset.items() if "file" in entry),
    conda:
        "../../envs/ingest.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=30,
        gpu=0,
    params:
        entry=lambda wildcards: JOBS.ingestion(wildcards.dataset),
        companions=lambda wildcards: [
            f"--companion={part}={path}" for part, path in JOBS.companions(wildcards.dataset).items()
        ],
        replaced=lambda wildcards: JOBS.replaced(wildcards.dataset),
        code=lambda wildcards: digest("ingest", JOBS.entry("dataset", wildcards.dataset)["reader"]),
    shell:
        "python -m cortexclip ingest --log {log:q} --threads {threads} --dataset {wildcards.dataset:q}"
        " --entry {params.entry:q} --input {input.raw:q} {params.companions:q} --output {output:q}"


rule simulate:
    output:
        FILES.dataset,
    log:
        "results/logs/ingest/{dataset}.log",
    benchmark:
        "results/benchmarks/ingest/{dataset}.tsv"
    wildcard_constraints:
        dataset=any_of(name for name, entry in CONFIG.every_dataset.items() if "file" not in entry),
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=30,
        gpu=0,
    params:
        entry=lambda wildcards: JOBS.ingestion(wildcards.dataset),
        seed=CONFIG.settings["base_seed"],
        code=lambda wildcards: digest("simulate", JOBS.entry("dataset", wildcards.dataset)["reader"]),
    shell:
        "python -m cortexclip simulate --log {log:q} --threads {threads} --dataset {wildcards.dataset:q}"
        " --entry {params.entry:q} --seed {params.seed} --output {output:q}"
