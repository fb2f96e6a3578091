# Stage: the distinct stimuli of a dataset and an image encoder -> embeddings; and the training of the embedded encoder.
def weights_of(wildcards):
    """The weights file of an encoder, if it needs one that is fetched; pinned by its checksum, so its age is ignored."""
    entry = CONFIG.encoders[wildcards.encoder]
    return ancient(f"resources/weights/{entry['file']}") if "file" in entry else []


rule encode:
    input:
        dataset="results/data/{dataset}.nc",
        weights=weights_of,
    output:
        "results/features/{dataset}/{encoder}.nc",
    log:
        "results/logs/encode/{dataset}/{encoder}.log",
    benchmark:
        "results/benchmarks/encode/{dataset}/{encoder}.tsv"
    conda:
        "../../envs/encode.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
        gpu=0,
    params:
        settings=lambda wildcards: compact(encoder_settings(CONFIG.encoders[wildcards.encoder], workflow.basedir)),
        code=lambda wildcards: digest("encode", CONFIG.encoders[wildcards.encoder]["module"]),
    shell:
        "python -m cortexclip encode --log {log:q} --threads {threads} --dataset {input.dataset:q}"
        " --encoder {wildcards.encoder:q} --settings {params.settings:q} --output {output:q}"
