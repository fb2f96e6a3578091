# Stage: the scores, the published numbers and the stimuli that are public -> what became of each published number.
# Datasets with published numbers whose brain data are not public: a constant answer is computed from their stimuli.
# They are looked for below resources/data first and then below the data folder.
STIMULI = [
    (name, f"{folder}/stimuli/{name}")
    for name in ["mindbigdata", "crell"]
    if name not in CONFIG.datasets
    for folder in ["resources/data", DATA_DIR]
    if folder
]


rule claims:
    input:
        plan=PLAN,
        audits=expand("results/audit/{dataset}.json", dataset=CONFIG.datasets),
        scores=[scores_of(dataset) for dataset in CONFIG.datasets],
    output:
        reported(expand("results/tables/claims.{suffix}", suffix=["csv", "md", "tex"])),
    log:
        "results/logs/claims.log",
    benchmark:
        "results/benchmarks/claims.tsv"
    priority: 1  # on the longest way to the end
    conda:
        "../../envs/claims.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=60,
        gpu=0,
    params:
        published=PUBLISHED,
        published_sha256=sha256(PUBLISHED),
        stimuli=[f"--stimuli={name}={folder}" for name, folder in STIMULI],
        stimuli_sha256=[sha256(file) for _, folder in STIMULI for file in sorted(Path(folder).glob("*.*"))],
        resamples=CONFIG.settings["bootstrap_resamples"],
        base_seed=CONFIG.settings["base_seed"],
        code=digest("claims"),
    shell:
        "python -m cortexclip claims --log {log:q} --threads {threads} --plan {input.plan:q} --scores results/scores"
        " --audits results/audit --published {params.published:q} {params.stimuli:q} --resamples {params.resamples}"
        " --base-seed {params.base_seed} --output results/tables"
