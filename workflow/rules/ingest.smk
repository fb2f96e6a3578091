# Stage: a raw file, or the description of a simulation -> labelled arrays.
def raw_file(wildcards):
    """The dataset's raw file; by its checksum where that is pinned (then its age does not matter)."""
    entry = CONFIG.datasets[wildcards.dataset]
    path = f"resources/data/{entry['file']}"
    return ancient(path) if "sha256" in entry else path


rule ingest:
    input:
        raw_file,
    output:
        "results/data/{dataset}.nc",
    log:
        "results/logs/ingest/{dataset}.log",
    benchmark:
        "results/benchmarks/ingest/{dataset}.tsv"
    wildcard_constraints:
        dataset=pattern(name for name, entry in CONFIG.datasets.items() if "file" in entry),
    conda:
        "../../envs/ingest.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
        gpu=0,
    params:
        entry=lambda wildcards: compact(CONFIG.datasets[wildcards.dataset]),
        code=lambda wildcards: digest("ingest", CONFIG.datasets[wildcards.dataset]["reader"]),
    shell:
        "python -m cortexclip ingest --log {log:q} --threads {threads} --dataset {wildcards.dataset:q}"
        " --entry {params.entry:q} --input {input:q} --output {output:q}"


rule simulate:
    output:
        "results/data/{dataset}.nc",
    log:
        "results/logs/ingest/{dataset}.log",
    benchmark:
        "results/benchmarks/ingest/{dataset}.tsv"
    wildcard_constraints:
        dataset=pattern(name for name, entry in CONFIG.datasets.items() if "file" not in entry),
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
        gpu=0,
    params:
        entry=lambda wildcards: compact(CONFIG.datasets[wildcards.dataset]),
        seed=CONFIG.settings["base_seed"],
        code=lambda wildcards: digest("simulate", CONFIG.datasets[wildcards.dataset]["reader"]),
    shell:
        "python -m cortexclip simulate --log {log:q} --threads {threads} --dataset {wildcards.dataset:q}"
        " --entry {params.entry:q} --seed {params.seed} --output {output:q}"
