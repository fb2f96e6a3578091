# Stage: the address or the folder that an entry names -> a raw file with the right checksum.
rule fetch_data:
    output:
        "resources/data/{file}",
    log:
        "results/logs/fetch/{file}.log",
    benchmark:
        "results/benchmarks/fetch/{file}.tsv"
    wildcard_constraints:
        file=any_of(DATA_FILES),
    localrule: True  # compute nodes often have no network
    conda:
        "../../envs/fetch.yaml"
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=60,
        gpu=0,
    params:
        entries=lambda wildcards: JOBS.fetched("data", DATA_FILES[wildcards.file], wildcards.file),
    shell:
        "python -m cortexclip fetch --log {log:q} --strict --entries {params.entries:q}"


rule fetch_weights:
    output:
        "resources/weights/{file}",
    log:
        "results/logs/fetch/{file}.log",
    benchmark:
        "results/benchmarks/fetch/{file}.tsv"
    wildcard_constraints:
        file=any_of(WEIGHT_FILES),
    localrule: True
    conda:
        "../../envs/fetch.yaml"
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=60,
        gpu=0,
    params:
        entries=lambda wildcards: JOBS.fetched("weights", WEIGHT_FILES[wildcards.file], wildcards.file),
    shell:
        "python -m cortexclip fetch --log {log:q} --strict --entries {params.entries:q}"
