# Stage: the distinct stimuli of a dataset and an image encoder -> embeddings; and the training of the embedded encoder.
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
        mem_mb=growing(2000),
        runtime=60,
        gpu=0,
    params:
        settings=lambda wildcards: compact(encoder_settings(CONFIG.encoders[wildcards.encoder], workflow.basedir)),
        code=lambda wildcards: digest("encode", CONFIG.encoders[wildcards.encoder]["module"]),
    shell:
        "python -m cortexclip encode --log {log:q} --threads {threads} --dataset {input.dataset:q}"
        " --encoder {wildcards.encoder:q} --settings {params.settings:q} --output {output:q}"


# Not part of a run: its weights ship with the project. To replace them, copy the folder that it makes over
# resources/glyphclip and its sha256 into config/encoders.yaml.
rule glyphclip:
    output:
        config="results/glyphclip/open_clip_config.json",
        weights="results/glyphclip/open_clip_model.safetensors",
        report="results/glyphclip/report.json",
    log:
        "results/logs/glyphclip.log",
    benchmark:
        "results/benchmarks/glyphclip.tsv"
    conda:
        "../../envs/glyphclip.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=120,
        gpu=0,
    params:
        settings="{}",
        seed=0,
        folder=subpath(output.weights, parent=True),
        code=digest("glyphclip"),
    shell:
        "python -m cortexclip glyphclip --log {log:q} --threads {threads} --settings {params.settings:q}"
        " --seed {params.seed} --output {params.folder:q} --report {output.report:q}"
