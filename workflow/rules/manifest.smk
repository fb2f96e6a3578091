# Stage: all results -> their checksums and what they were made with.
rule manifest:
    input:
        RESULTS,
        plan=FILES.plan,
        corpus=FILES.corpus if PICTURES else [],
        features=[files("features", encoder=encoder) for encoder in ENCODERS],
        identification=files("identification", judge=JUDGE) if JUDGE else [],
        compared=[
            files(name) for name in (*TRAINED, "audit", "nearness", "scores", "similarity", "collapse", "ceiling")
        ],
        sources=[files_of_sources(name) for name in TRAINED],
    output:
        FILES.manifest,
    log:
        "results/logs/manifest.log",
    benchmark:
        "results/benchmarks/manifest.tsv"
    conda:
        "../../envs/manifest.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=30,
        gpu=0,
    params:
        configuration=lambda wildcards: compact(CONFIG.settings),
        code=digest("manifest", *JOBS.modules()),
    shell:
        "python -m cortexclip manifest --log {log:q} --threads {threads} --results results --plan {input.plan:q}"
        " --configuration {params.configuration:q} --output {output:q}"
