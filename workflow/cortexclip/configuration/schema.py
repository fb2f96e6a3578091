"""What config.yaml, the catalogues beside it and published.yaml may hold, and reading YAML safely.

The fields state types, limits and meaning; `python docs/generate.py` writes them to workflow/schemas and to
config/README.md. A key that may be left out has a default that stands for its absence.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, Field, RootModel, model_validator

from cortexclip.data.entries import DATASET_KEYS, Dataset, Name, Sha256, check_part_of_entry
from cortexclip.errors import InputError
from cortexclip.runtime import settings
from cortexclip.runtime.settings import Checked, Count, Need

CATALOGUES = ("datasets", "protocols", "methods", "encoders")


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"'{name}' occurs twice. Delete one.")
    return names


Names = Annotated[tuple[str, ...], AfterValidator(_each_once), Field(json_schema_extra={"uniqueItems": True})]
Sentence = Annotated[str, Field(min_length=1)]
Link = Annotated[str, Field(pattern="^https://")]
Grouping = Literal["sample", "stimulus", "cluster", "label", "subject", "session", "run", "block"]


class Overrides(Checked):
    """Changes to the entries of the catalogues."""

    datasets: dict[str, Any] = {}
    protocols: dict[str, Any] = {}
    methods: dict[str, Any] = {}
    encoders: dict[str, Any] = {}


class Config(Checked):
    """What a run compares."""

    datasets: Names = Field(min_length=1)
    """Datasets to compare on, names from config/datasets.yaml."""
    fallback: str | None
    """The dataset to use if none of these is available, one that needs no file; or null."""
    protocols: Names = Field(min_length=1)
    """Evaluation protocols, names from config/protocols.yaml."""
    methods: Names = Field(min_length=1)
    """Methods, names from config/methods.yaml, in the order of the tables."""
    encoders: Names
    """Embedding spaces for the methods that use one, names from config/encoders.yaml."""
    sources: Names | Literal["all"]
    """The sources of config/published.yaml whose numbers are measured again, each by its own procedure: names, or all.
    These trainings are used for the claims and the paper's table; they run only if a dataset of the comparison has
    published numbers."""
    stand_ins: Names
    """Further datasets for the claims and the paper's table: other files of the same data, and stand-ins for data that
    are not public. Names from config/datasets.yaml with the key stands_for."""
    rivals: Names
    """Controls that every method is compared with, in addition to the method with the role reference: names from
    config/methods.yaml, declared beforehand. Other pairs of methods get no verdict."""
    comparisons: Count
    """The number of comparisons that p values are corrected for, whatever the number of methods that a run compares; at
    least the number of its methods and their further readouts times the number of references, and its comparisons of
    variants with plain methods. It determines how many distinct scored images a verdict needs (docs/evaluation.md)."""
    judge: str
    """The encoder in whose space all reconstructions are identified (clip_identification), a name from
    config/encoders.yaml; none for no encoder."""
    seeds: Count
    """Trainings of each stochastic method per fold, each with its own derived seed."""
    source_seeds: int = Field(ge=2)
    """Trainings of each method under a protocol that repeats a source, per fold."""
    base_seed: int = Field(ge=0)
    """The number from which all seeds are derived."""
    bootstrap_resamples: int = Field(ge=100)
    """Resamples of the hierarchical bootstrap behind the 95 % intervals of median ranks."""
    precision: Literal["float32", "tf32", "bfloat16"]
    """Precision in which networks are trained: single precision (float32); matrix products on a GPU in TF32 (tf32;
    float32 on a CPU); or forward and backward pass in bfloat16 with weights and moments in float32 (bfloat16). Tables
    and figures say so if it is not float32."""
    save_weights: Literal["first", "all", "none"]
    """Which trained weights to keep: of the first seed of each fold, of all seeds, or none."""
    data_dir: str | None
    """A folder that already contains the data files; the variable CORTEXCLIP_DATA takes precedence."""
    prior_images: str | None = None
    """A folder of your own pictures to add to the prior corpus, for training priors again (docs/priors.md)."""
    strict: bool
    """Whether a dataset or encoder that is not available is an error (true) or only listed as not available (false)."""
    overrides: Overrides
    """Changes to the entries of the catalogues, merged key by key; a name that is not there is added."""


class Protocol(Checked):
    """An entry of protocols.yaml."""

    NEEDS = (
        Need(("inner_fraction",), "select", ("inner", "last", "shuffled")),
        Need(("shuffle_seed",), "select", ("shuffled",)),
        Need(("inner_by",), "select", ("inner",)),
        Need(("folds", "group_by", "shuffle_seed"), "over", ("all", "train")),
        Need(("encoder",), "clusters"),
        Need(("shuffle_seed",), "cuts"),
        Need(("compared_with",), "train_share"),
    )

    title: str
    """Name of the protocol in tables and figures."""
    honest: Literal["split", "folds", ""] = ""
    """Published numbers of one split, or of folds, are shown beside the values of this protocol, in which nothing is
    chosen on scored samples."""
    optimistic: Literal["split", "folds", ""] = ""
    """For a protocol in which the scored samples choose: the kind of the honest protocol that it is compared with."""
    repeats: bool = True
    """Whether the image of a scored sample may occur in training, in another trial."""
    over: Literal["canonical", "all", "train", "in_sample"]
    """The canonical split, or folds over all samples, or folds over the canonical training part, or that part both
    trained on and scored."""
    folds: int = Field(default=0, ge=2)
    """Number of folds, fewer if there are fewer groups; for the canonical split, parts that are set aside in turn."""
    group_by: Grouping | Annotated[tuple[Grouping, ...], Field(min_length=2)] = "sample"
    """What stays together in a fold: each sample by itself, a stimulus, a cluster of stimuli, or a grouping that the
    dataset has. Of a list all are left out together: what is trained on shares none of these groups with what is
    scored."""
    shuffle_seed: int = Field(default=0, ge=0)
    """Seed for shuffling before folds or cuts are made."""
    select: Literal["scored", "inner", "last", "shuffled"]
    """What chooses the epoch: the scored samples themselves, an inner part of the training samples, the last of them
    in the order of the data, or a random part of the same samples whatever the base seed."""
    inner_fraction: float = Field(default=0, gt=0, lt=1)
    """Share of the training samples (or stimuli) that chooses."""
    inner_by: Grouping = "sample"
    """What stays together in the inner part."""
    clusters: int = Field(default=0, ge=2)
    """Number of clusters of stimuli, by Ward's method, for a protocol that keeps these together."""
    encoder: str = ""
    """The encoder in whose space stimuli are clustered."""
    select_most: Count = 1
    """Largest number of samples that choose, if a source uses no more; the first of a scored fold, else the last."""
    cuts: int = Field(default=0, ge=2)
    """In-sample, the number of random cuts in which the scores of one network are averaged, as in a source."""
    score_first: Count = 1
    """Only this many samples, the first ones, are scored, as in a source."""
    compared_with: str = ""
    """A protocol that leaves less out; the table left_out says how much of each method's gain remains."""
    train_share: float = Field(default=1, gt=0, lt=1)
    """Share of the training samples that is used: a point of the learning curve of the protocol named by compared_with.
    Smaller shares are parts of larger ones, with classes in proportion where they are known."""
    average: Literal["sample", "stimulus"] = "sample"
    """What has equal weight in the comparison's means, samples (the default) or stimuli."""
    source: bool = False
    """Whether it repeats the split of published sources; then it is used only for the claims and the paper's table."""
    note: str
    """A sentence for the tables."""

    @model_validator(mode="after")
    def _says_how_to_cluster(self) -> Protocol:
        named = self.group_by if isinstance(self.group_by, tuple) else (self.group_by,)
        if "cluster" in (*named, self.inner_by) and not self.clusters:
            raise ValueError("missing key 'clusters', needed where clusters stay together. Add it; say how many.")
        return self


class SizeClasses(Checked):
    """Settings by the number of samples of a dataset."""

    small: dict[str, Any] = {}
    """Below 200 samples."""
    medium: dict[str, Any] = {}
    """From 200 to 799 samples."""
    large: dict[str, Any] = {}
    """From 800 samples."""


class Resources(Checked):
    """What a training job asks for."""

    mem_mb: int = Field(default=2000, ge=100)
    """Memory in MB; a job that failed requests more."""
    runtime: Count = 60
    """Longest run in minutes."""
    gpu: int = Field(default=0, ge=0, le=1)
    """1 for a method that uses a GPU if there is one."""
    gpu_mem_mb: int = Field(default=0, ge=1)
    """GPU memory in MB; several jobs then share a GPU. If left out, a job has a whole GPU."""
    seconds: float = Field(default=0.1, ge=0)
    """About how long a fit takes on one core at the size of vangerven; the first estimate of the time left uses it."""


class Look(Checked):
    """How a method is drawn in all figures."""

    colour: Annotated[str, Field(pattern="^#[0-9a-fA-F]{6}$")]
    """Colour as #rrggbb."""
    marker: Literal["o", "s", "^", "v", "<", ">", "D", "p", "P", "h", "H", "d", "*", "X", "8"]
    """Marker of matplotlib."""


class Method(Checked):
    """An entry of methods.yaml."""

    title: str
    """Name of the method in tables and figures."""
    module: str
    """Python module that defines the method: one subclass of Method."""
    control: bool = False
    """Whether it is a baseline or control rather than a proposed decoder."""
    role: Literal["reference", "mean", "shuffled", "oracle", "ours", ""] = ""
    """Its role: the reference that others are compared with, the mean image, shuffled pairs, an oracle that is given
    something of the scored image, or our own decoder in the paper's table."""
    needs: tuple[Literal["classes", "sessions", "regions"], ...] = ()
    """What a dataset must have for the method to apply."""
    pools: bool = False
    """Whether it also learns from the training parts of the other datasets that are read from files."""
    published: str = ""
    """Name under which config/published.yaml has numbers of the method."""
    procedures: dict[str, dict[str, Any] | None] = {}
    """For each protocol that repeats a source, how that source trained (fields of Procedure in
    cortexclip/methods/procedure.py); null for the project's own training."""
    configurations: dict[str, Annotated[tuple[dict[str, Any], ...], Field(min_length=1)]] = {}
    """For each dataset the configurations that the source tried, each with the settings and keys that it sets."""
    ablates: str = ""
    """The method that this one is a variant of; the ablation table compares the two."""
    encoders: tuple[str, ...] = Field(default=(), min_length=1)
    """Embedding spaces in which the method is trained; if left out, it uses none."""
    settings: dict[str, Any] = {}
    """Hyper-parameters, as the module's Settings names them."""
    by_size: SizeClasses = SizeClasses()
    """Settings for datasets of a size class."""
    by_dataset: dict[str, dict[str, Any]] = {}
    """Settings for one dataset, by its name."""
    grid: dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]] = {}
    """Values to try for some settings; every combination is trained, and the selection part chooses one."""
    quick: bool = False
    """Whether run --quick compares it: for methods that take about a second."""
    look: Look | None = None
    """Its colour (#rrggbb) and marker (of matplotlib) in all figures; if left out, its name decides."""
    resources: Resources = Resources()
    """What a training job asks for."""
    source: str = ""
    """Paper or document."""
    faithful: str = ""
    """What is as in the source, for the method card."""
    differs: str = ""
    """What is smaller than in the source or differs otherwise, and why, for the method card."""
    given: str = ""
    """What it learns from in addition to the training samples of the split (pretraining, a corpus), for the card."""
    note: str = ""
    """What a reader of the table should know."""


class Encoder(Checked):
    """An entry of encoders.yaml."""

    NEEDS = (Need(("how",), "file"),)

    title: str
    """Name of the space in tables and figures."""
    plain: bool = False
    """Whether it is made without a trained network; the other spaces of a method are compared with it."""
    module: str
    """Python module with load(settings)."""
    settings: dict[str, Any]
    """Settings of the module."""
    file: str = ""
    """Weights below resources/weights."""
    shipped: str = ""
    """Folder with weights that come with the project."""
    addresses: tuple[str, ...] = ()
    """Where fetch may download the file."""
    sha256: Sha256 = ""
    """Of the file; other weights are refused."""
    licence: str = ""
    """Terms of use of the weights."""
    how: str = ""
    """How to get the file by hand."""


class Paper(Checked):
    """The published table that is measured again cell by cell."""

    methods: tuple[str, ...]
    """Its rows, names as in the numbers."""
    datasets: tuple[str, ...]
    """Its columns: datasets of config/datasets.yaml, or what these stand for."""
    sources: tuple[str, ...]
    """The sources of its numbers."""


class Status(Checked):
    """What has been stated about the numbers of a source."""

    kind: Literal[
        "withdrawn", "corrected", "in_sample", "expectation", "third_party", "chosen_on_test", "brain_not_used"
    ]
    """Called invalid by its authors; replaced by other values; scored on training samples; not measured; another
    group's model; something was chosen by the error on the scored test samples; the scored samples' brain data were not
    used."""
    note: Sentence
    """One sentence; for chosen_on_test what was chosen."""
    link: Link
    """Where it is stated or seen."""


class Source(Checked):
    """One table or document with one procedure."""

    title: Sentence
    """The document or table."""
    repository: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")] | None
    """GitHub repository as owner/name; null for a document outside a repository."""
    commit: Annotated[str, Field(pattern="^[0-9a-f]{40}$")] | None
    """Commit whose file states the numbers."""
    path: Sentence | None
    """File in the repository that states the numbers."""
    link: Link
    """Address of the page with the numbers."""
    code: tuple[Link, ...]
    """Files that show the procedure."""
    claimed: Sentence
    """What the source states."""
    procedure: Sentence
    """What its code does, complete enough to repeat it."""
    differs: Sentence
    """Which parts of the procedure cannot be repeated here."""
    status: tuple[Status, ...]
    """What has been stated about the numbers since, or what their code shows."""
    protocol: str | None
    """The protocol of config/protocols.yaml that repeats the procedure; null where none does."""
    spread_ddof: Literal[0, 1] = 0
    """1 if its standard deviation over folds is divided by their number minus one."""
    reading: float = Field(default=0, ge=0)
    """How far its values, read off a figure, may be from those that are drawn."""
    methods: dict[str, Sentence]
    """The method here for each name of the source; only if the network is known and the same."""


class Number(Checked):
    """A published number."""

    source: str
    """A name from sources."""
    name: Sentence
    """Method, as the source calls it."""
    dataset: str
    """A dataset of config/datasets.yaml, or what one stands for."""
    metric: str
    """A name from docs/evaluation.md, Metrics."""
    value: float
    """As published; the lower end where a range is published."""
    upper: float = 0
    """Upper end where a range is published."""
    spread: float = Field(default=0, ge=0)
    """Published standard deviation over folds."""
    folds: int = Field(default=0, ge=2)
    """Folds that the value is a mean over."""
    seeds: int = Field(default=0, ge=2)
    """Runs with other seeds that the value is a mean over."""
    reported: Count = 1
    """Which of the configurations that the source tried it reports, from 1; only this one is trained if no number needs
    the others."""
    configuration: Count = 1
    """Which of the source's stored configurations, from 1."""
    part: Literal["select", ""] = ""
    """The value is a selection loss; without this key it is of the scored part."""


class Statement(Checked):
    """A verbal claim."""

    NEEDS = (Need(("dataset",), "kind", ("improvement", "size_class")),)

    source: str
    """A name from sources."""
    text: Sentence
    """The claim as printed."""
    kind: Literal["leads", "improvement", "mean_improvement", "size_class"]
    """The number of datasets on which the method has the lowest error; percent below the better rival's error, on a
    dataset or as a mean; the size class of a dataset."""
    name: Sentence
    """Method, as the source calls it."""
    dataset: str = ""
    """As in a number."""
    value: float | Literal["small", "medium", "large"]
    """A number of datasets, percent, or the class: small, medium, large."""

    @model_validator(mode="after")
    def _value_fits_the_kind(self) -> Statement:
        if isinstance(self.value, str) != (self.kind == "size_class"):
            expected = "small, medium or large" if self.kind == "size_class" else "a number"
            raise ValueError(f"value: found {self.value!r}, expected {expected} where kind is {self.kind}.")
        return self


class Published(Checked):
    """Published numbers and claims, their sources, and what was run to get them."""

    paper: Paper
    """The published table that is measured again cell by cell."""
    sources: dict[str, Source]
    numbers: tuple[Number, ...]
    statements: tuple[Statement, ...]
    """Verbal claims."""


MODELS: dict[str, type[BaseModel]] = {
    "config": Config,
    "datasets": RootModel[dict[Name, Dataset]],
    "protocols": RootModel[dict[Name, Protocol]],
    "methods": RootModel[dict[Name, Method]],
    "encoders": RootModel[dict[Name, Encoder]],
    "published": Published,
}
"""The model of each file of config/, by the file's name."""


class _Loader(yaml.CSafeLoader):
    """Refuses a mapping that has a key twice, of which YAML's other readers silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"'{key.value}' occurs twice; delete or rename one", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def entry_option(given: str) -> dict:
    """The keys that --entry gives, as YAML or in a file; of a file with a name above the keys, what is below it."""
    path = Path(given)
    try:
        content = read_yaml(path) if len(given) < 4096 and path.is_file() else yaml.safe_load(given)
    except yaml.YAMLError as error:
        raise InputError(f"--entry: not valid YAML: {' '.join(str(error).split())}.") from error
    if isinstance(content, dict) and len(content) == 1 and isinstance(inner := next(iter(content.values())), dict):
        content = inner if set(inner) & set(DATASET_KEYS) else content
    if not isinstance(content, dict):
        raise InputError(f"--entry: found {given!r}, expected keys of datasets.yaml, or a file with them.")
    check_part_of_entry(content, "--entry")
    return content


def read_yaml(path: str | os.PathLike) -> dict:
    """Read a YAML file safely; raises InputError if it is missing, not YAML, not a mapping, or has a key twice."""
    try:
        content = _Loader(Path(path).read_text(encoding="utf-8")).get_single_data()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: found {type(content).__name__}, expected a mapping of keys to values.")
    return content


def check(content: object, kind: str, where: str) -> None:
    """Check the content of a file of config/ by its model; raises InputError as settings.check."""
    settings.check(MODELS[kind], content, where)
