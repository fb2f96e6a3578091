"""A decoder in five steps: load, initialise, train, evaluate, look.

Run it whole (``python examples/decoder.py``), or cell by cell in an editor that knows ``# %%``. With the variable
CORTEXCLIP_DATA naming a folder that holds vangerven/digit69_28x28.mat it uses these data, else simulated ones.
"""

# %% 1. Load: brain responses, the images that were seen, and the split that the data come with
import os
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd

from cortexclip import Decoder
from cortexclip.data.arrays import read
from cortexclip.data.simulated import simulate
from cortexclip.estimator import catalogue

matplotlib.use("Agg")  # leave this line out to see figures in a notebook
import matplotlib.pyplot as plt

file = Path(os.environ.get("CORTEXCLIP_DATA", "")) / "vangerven/digit69_28x28.mat"
if file.is_file():
    data = read(file, "vangerven", catalogue("datasets")["vangerven"])
else:
    data = simulate({"voxels": 300}, seed=0)
train, test = (data.isel(sample=data.part.values == part) for part in ("train", "test"))
print(f"{data.attrs['title']}: {train.sizes['sample']} samples to train on, {test.sizes['sample']} to test with")

# %% 2. Initialise: a contrastive encoder of the brain, and ridge regression to hold it against
decoder = Decoder("clip_encoder", settings={"hidden": [256, 128], "epochs": 40}, seed=0)
baselines = {name: Decoder(name) for name in ("mean_image", "ridge")}

# %% 3. Train: part of the training images chooses the epoch and the readout, then all of them are learned from
for estimator in (decoder, *baselines.values()):
    estimator.fit(train.brain.values, train.stimuli.values)

# %% 4. Evaluate: error per pixel, and how often the shown image is found among those of the test part
for name, estimator in {"clip_encoder": decoder, **baselines}.items():
    print(f"{name}: mean squared error {-estimator.score(test.brain.values, test.stimuli.values):.4f}")
_, first = np.unique(test.stimulus.values, return_index=True)
gallery, names = test.stimuli.values[first], test.stimulus.values[first]
similarity, index = decoder.retrieve(test.brain.values, gallery, k=min(5, len(gallery)))
found = names[index] == test.stimulus.values[:, None]
print(f"found first: {found[:, 0].mean():.0%}, by chance {1 / len(gallery):.0%}")
print(
    f"among the first {found.shape[1]}: {found.any(axis=1).mean():.0%}, by chance {found.shape[1] / len(gallery):.0%}"
)

# %% 5. Look: seen, decoded and retrieved images, and the training
shown = np.sort(first)[:8]
brain = test.brain.values[shown]
rows = {
    "seen": test.stimuli.values[shown],
    "ridge": baselines["ridge"].predict(brain),
    "clip_encoder": decoder.predict(brain),
    "retrieved": gallery[index[shown, 0]],
}
figure = plt.figure(figsize=(9, 7), layout="constrained")
upper, lower = figure.subfigures(2, 1, height_ratios=(5, 3))
for axes, (name, images) in zip(upper.subplots(len(rows), len(shown)), rows.items(), strict=True):
    for axis, image in zip(axes, images, strict=True):
        axis.imshow(image, cmap="gray", vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[])
    axes[0].set_ylabel(name)
left, right = lower.subplots(1, 2)
history = pd.DataFrame(decoder.history_)
curves = {
    ("select", "train_loss"): "training part",
    ("select", "select_loss"): "choosing part",
    ("refit", "train_loss"): "then both",
}
for (stage, quantity), name in curves.items():
    part = history[(history["stage"] == stage) & (history["quantity"] == quantity)]
    left.plot(part["epoch"], part["value"], label=name)
left.set(xlabel="epoch", ylabel="contrastive loss", ylim=(0, None))
ranks = np.arange(1, found.shape[1] + 1)
right.plot(ranks, 100 * found.cumsum(axis=1).mean(axis=0), marker="o", label="clip_encoder")
right.plot(ranks, 100 * ranks / len(gallery), color="grey", linestyle="--", label="chance")
right.set(xlabel=f"among the first ... of {len(gallery)}", ylabel="found (%)", ylim=(0, 105), xticks=ranks)
for axis in (left, right):
    axis.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, fontsize="small")
figure.savefig("decoder.png", dpi=120)
print("see decoder.png")
