# Stage: the distinct stimuli of a dataset and the image encoders -> embeddings; and the training of the embedded encoder.
rule encode:
    input:
        dataset=FILES.dataset,
        weights=ancient(JOBS.weights("encoder", ENCODERS)),
    output:
        expand(FILES.features, encoder=ENCODERS or ["none"], allow_missing=True),  # a rule has an output
    log:
        "results/logs/encode/{dataset}.log",
    benchmark:
        "results/benchmarks/encode/{dataset}.tsv"
    conda:
        "../../envs/encode.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=60,
        gpu=0,
    params:
        encoders=lambda wildcards: JOBS.encoder_entries(ENCODERS),
        code=digest("encode", *JOBS.encoder_modules(ENCODERS)),
    shell:
        "python -m cortexclip encode --log {log:q} --threads {threads} --dataset {input.dataset:q}"
        " --encoders {params.encoders:q} --output results/features/{wildcards.dataset:q}"


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
        mem_mb=memory(3000),
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
