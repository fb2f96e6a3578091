# Stage: the scores, the published numbers and the stimuli that are public -> what became of each published number.
# Datasets with published numbers whose brain data are not public: a constant answer is computed from their stimuli.
STIMULI_ONLY = ["mindbigdata", "crell"]


def stimuli_folder(name):
    """Where the stimuli of such a dataset are, below resources/data or else below the data folder."""
    places = [f"{folder}/stimuli/{name}" for folder in ["resources/data", DATA_DIR] if folder]
    return next((place for place in places if os.path.isdir(place)), places[0])


rule claims:
    input:
        [scores_of(dataset) for dataset in CONFIG.datasets],
    output:
        expand("results/tables/claims.{suffix}", suffix=["csv", "md", "tex"]),
    log:
        "results/logs/claims.log",
    benchmark:
        "results/benchmarks/claims.tsv"
    conda:
        "../../envs/claims.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
        gpu=0,
    params:
        plan=PLAN,
        published=PUBLISHED,
        published_sha256=sha256(PUBLISHED),
        stimuli=[f"--stimuli={name}={stimuli_folder(name)}" for name in STIMULI_ONLY],
        resamples=CONFIG.settings["bootstrap_resamples"],
        base_seed=CONFIG.settings["base_seed"],
        code=digest("claims"),
    shell:
        "python -m cortexclip claims --log {log:q} --threads {threads} --plan {params.plan:q} --scores results/scores"
        " --published {params.published:q} {params.stimuli:q} --resamples {params.resamples}"
        " --base-seed {params.base_seed} --output results/tables"
