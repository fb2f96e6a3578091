# The images that the priors learn from. In a run they are drawn only if pictures of your own join them.
rule corpus:
    input:
        pictures_in(PICTURES),
    output:
        FILES.corpus,
    log:
        "results/logs/corpus.log",
    benchmark:
        "results/benchmarks/corpus.tsv"
    conda:
        "../../envs/corpus.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=30,
        gpu=0,
    params:
        settings="{}",
        seed=0,
        images=PICTURES or [],
        code=digest("corpus"),
    shell:
        "python -m cortexclip corpus --log {log:q} --threads {threads} --settings {params.settings:q}"
        " --seed {params.seed} --images {params.images:q} --output {output:q}"


# Not part of a run: its weights ship with the project. To replace them, copy the folder that it makes over
# resources/priors/glyphs and the sha256 of its weights into workflow/cortexclip/priors/stored.py.
rule prior:
    input:
        corpus=FILES.corpus,
    output:
        vae="results/prior/vae.safetensors",
        diffusion="results/prior/diffusion.safetensors",
        description="results/prior/prior.json",
    log:
        "results/logs/prior.log",
    benchmark:
        "results/benchmarks/prior.tsv"
    conda:
        "../../envs/prior.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=240,
        gpu=0,
    params:
        encoder=compact({"module": "cortexclip.features.glyphclip", "batch_size": 256}),
        settings="{}",
        seed=0,
        folder=subpath(output.vae, parent=True),
        code=digest("prior", "cortexclip.features.glyphclip"),
    shell:
        "python -m cortexclip prior --log {log:q} --threads {threads} --corpus {input.corpus:q}"
        " --encoder {params.encoder:q} --settings {params.settings:q} --seed {params.seed} --output {params.folder:q}"
