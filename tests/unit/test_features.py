"""Encoders against open_clip's own preprocessing, closed forms, and the figures that ship with the weights."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from PIL import Image
from precision import SINGLE
from safetensors.torch import save_file

from cortexclip.data import dataset
from cortexclip.errors import InputError
from cortexclip.features import crops, gabor, glyphclip, glyphs, openclip, pixels
from cortexclip.features.openclip import import_open_clip
from cortexclip.runtime.files import read_json, sha256
from cortexclip.stages import encode
from cortexclip.stages import glyphclip as glyphclip_stage

open_clip = import_open_clip()


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def images():
    """Pictures with hard edges, soft ones, and noise: where resizing rules differ."""
    rng = np.random.default_rng(0)
    noise = rng.random((2, 28, 28), dtype=np.float32)
    drawn = np.concatenate([glyphs.render_glyphs("69", ["cmr10"]).images, glyphs.render_shapes(4).images])
    return np.round(np.concatenate([noise, drawn]) * 255).astype(np.float32) / 255


@pytest.fixture(scope="module")
def tiny_name(tmp_path_factory):
    """A small architecture with OpenAI's shapes, known to open_clip under a name of its own."""
    config = {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 64, "layers": 1, "width": 64, "head_width": 64, "patch_size": 32},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1},
    }
    path = tmp_path_factory.mktemp("config") / "cortexclip-tiny.json"
    path.write_text(json.dumps(config))
    open_clip.add_model_config(path)
    return "cortexclip-tiny"


@pytest.fixture(scope="module")
def tiny(tiny_name):
    torch.manual_seed(0)
    model = open_clip.create_model(tiny_name, force_quick_gelu=True).eval()
    with torch.no_grad():
        model.visual.transformer.resblocks[0].mlp.c_fc.weight.mul_(20)  # so that the two GELUs differ visibly
    return model


def reference(model, images):
    """open_clip's way: one PIL picture after the other through its evaluation transform."""
    config = open_clip.get_model_preprocess_cfg(model)
    transform = open_clip.image_transform(config["size"], is_train=False, mean=config["mean"], std=config["std"])
    pictures = [Image.fromarray((image * 255).round().astype(np.uint8)) for image in images]
    return torch.stack([transform(picture) for picture in pictures])


@pytest.mark.parametrize("side", [28, 64, 100])
def test_preprocessing_equals_open_clips_transform(tiny, images, side):
    encoder = openclip.Encoder(tiny)
    images = np.stack(
        [np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.NEAREST)) for image in images]
    )
    difference = (encoder.preprocess(images) - reference(tiny, images)).abs()
    largest = difference.amax(dim=(0, 2, 3)) * torch.tensor(encoder.preprocessing["std"])
    assert largest.max() < 2.5 / 255
    assert difference.mean() < 1 / 255


def test_encode_equals_the_model_on_open_clips_input(tiny, images):
    ours = openclip.Encoder(tiny, batch_size=3).encode(images)
    with torch.inference_mode():
        theirs = tiny.encode_image(reference(tiny, images)).numpy()
    assert ours.dtype == np.float32 and ours.shape == (len(images), 32)
    cosine = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    assert cosine.min() > 0.999
    assert openclip.Encoder(tiny).encode(images[:0]).shape == (0, 32)


def test_progress_counts_images(tiny, images):
    seen = []
    openclip.Encoder(tiny, batch_size=3).encode(images[:8], progress=lambda done, total: seen.append((done, total)))
    assert seen == [(3, 8), (6, 8), (8, 8)]


def test_batches_are_halved_where_a_gpu_has_no_memory_for_them(tiny, images, monkeypatch):
    expected, sizes, encode_image = openclip.Encoder(tiny).encode(images), [], tiny.encode_image

    def limited(batch):
        sizes.append(len(batch))
        if len(batch) > 2:
            raise torch.cuda.OutOfMemoryError
        return encode_image(batch)

    monkeypatch.setattr(tiny, "encode_image", limited)
    found = openclip.Encoder(tiny, batch_size=8).encode(images)
    # batches of other sizes sum in another order: a few hundred roundings, of either sign, in layer after layer
    np.testing.assert_allclose(found, expected, atol=100 * SINGLE * np.abs(expected).max())
    assert sizes[:3] == [8, 4, 2] and set(sizes[2:]) <= {1, 2}
    with pytest.raises(torch.cuda.OutOfMemoryError):
        monkeypatch.setattr(tiny, "encode_image", lambda batch: (_ for _ in ()).throw(torch.cuda.OutOfMemoryError))
        openclip.Encoder(tiny, batch_size=2).encode(images)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("kind", ["safetensors", "state dict", "torchscript"])
def test_local_weights(tiny, tiny_name, images, tmp_path, kind):
    if kind == "safetensors":
        path = tmp_path / "weights.safetensors"
        save_file({key: value.contiguous() for key, value in tiny.state_dict().items()}, path)
    elif kind == "state dict":
        path = tmp_path / "weights.pt"
        torch.save(tiny.state_dict(), path)
    else:
        # OpenAI's archive: TorchScript, matrices in half precision, three extra entries.
        path = tmp_path / "ViT-B-32.pt"
        half = open_clip.create_model(tiny_name, force_quick_gelu=True).eval()
        half.load_state_dict(tiny.state_dict())
        for name, value in (("input_resolution", 64), ("context_length", 77), ("vocab_size", 49408)):
            if hasattr(half, name):
                delattr(half, name)
            half.register_buffer(name, torch.tensor(value))
        open_clip.convert_weights_to_fp16(half)
        scripted = torch.jit.trace_module(
            _ImageOnly(half),
            {"forward": torch.zeros(1, 3, 64, 64, dtype=torch.float16)},
            check_trace=False,
            strict=False,
        )
        torch.jit.save(scripted.inner, path)
    settings = {"model": tiny_name, "weights": str(path), "sha256": sha256(path)}
    if kind != "torchscript":
        settings["quick_gelu"] = True
    encoder = openclip.load(settings)
    assert all(p.dtype == torch.float32 for p in encoder.model.parameters())
    tolerance = 2e-2 if kind == "torchscript" else 1e-6
    expected = openclip.Encoder(tiny).encode(images)
    np.testing.assert_allclose(encoder.encode(images), expected, atol=tolerance * np.abs(expected).max())
    assert encoder.provenance()["sha256"] == sha256(path)
    assert encoder.provenance()["quick_gelu"] is True
    json.dumps(encoder.provenance())


class _ImageOnly(torch.nn.Module):
    """Makes tracing touch the image tower alone; the archive holds the whole model."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, image):
        return self.inner.encode_image(image)


def test_text_embeddings_use_the_models_tokens(tiny, tiny_name, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file({key: value.contiguous() for key, value in tiny.state_dict().items()}, path)
    encoder = openclip.load({"model": tiny_name, "weights": str(path), "quick_gelu": True})
    captions = ["a photo of the digit six", "nine"]
    with torch.inference_mode():
        expected = tiny.encode_text(open_clip.tokenize(captions)).numpy()
    np.testing.assert_allclose(encoder.encode_text(captions), expected, rtol=1e-4, atol=1e-5)


def test_pickled_code_is_not_run(tiny_name, tmp_path):
    class Payload:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    path = tmp_path / "weights.pt"
    torch.save({"state_dict": Payload()}, path)
    with pytest.raises(InputError, match="cannot be used as weights"):
        openclip.load({"model": tiny_name, "weights": str(path)})
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("weights", [None, "", "  ", False])
def test_no_weights_is_refused(weights):
    with pytest.raises(InputError, match="never used"):
        openclip.load({"model": "ViT-B-32", "weights": weights})


def test_bad_settings_are_named(tiny_name, tmp_path):
    with pytest.raises(InputError, match="ViT-B-32"):
        openclip.load({"model": "ViT-B32", "weights": "openai"})
    with pytest.raises(InputError, match="laion2b_s34b_b79k"):
        openclip.load({"model": "ViT-B-32", "weights": "open-ai"})
    with pytest.raises(InputError, match="unknown key 'batchsize'"):
        openclip.load({"model": "ViT-B-32", "weights": "openai", "batchsize": 3})
    with pytest.raises(InputError, match="quick_gelu"):
        (tmp_path / "q.pt").touch()
        openclip.load({"model": "ViT-B-32-quickgelu", "weights": str(tmp_path / "q.pt"), "quick_gelu": False})
    with pytest.raises(InputError, match="sha256.*text that matches"):
        (tmp_path / "w.pt").touch()
        openclip.load({"model": tiny_name, "weights": str(tmp_path / "w.pt"), "sha256": "0" * 65})


def test_tag_without_a_network_says_how_to_get_the_file(monkeypatch):
    def offline(config, prefer_hf_hub, cache_dir):
        assert prefer_hf_hub is False  # the digest is that of the file at the public address
        raise OSError("no route to host")

    monkeypatch.setattr(open_clip, "download_pretrained", offline)
    digest = "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"
    with pytest.raises(InputError, match=f"no route to host.*https://openaipublic.*{digest}/ViT-B-32.pt"):
        openclip.load({"model": "ViT-B-32", "weights": "openai", "sha256": digest})


def test_tag_brings_its_own_preprocessing_and_activation(tiny, tiny_name, tmp_path, monkeypatch):
    path = tmp_path / "weights.safetensors"
    save_file({key: value.contiguous() for key, value in tiny.state_dict().items()}, path)
    config = {"hf_hub": "nobody/nothing/", "mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25), "quick_gelu": True}
    monkeypatch.setattr(open_clip, "list_pretrained_tags_by_model", lambda name: ["mine"])
    monkeypatch.setattr(open_clip, "get_pretrained_cfg", lambda name, tag: config)
    monkeypatch.setattr(open_clip, "download_pretrained", lambda *arguments: str(path))
    by_tag = openclip.load({"model": tiny_name, "weights": "mine"}).provenance()
    assert (by_tag["mean"], by_tag["std"], by_tag["quick_gelu"]) == ([0.5] * 3, [0.25] * 3, True)
    by_path = openclip.load({"model": tiny_name, "weights": str(path), "tag": "mine"}).provenance()
    assert by_path == by_tag
    own = openclip.load({"model": tiny_name, "weights": str(path), "mean": [0.1] * 3}).provenance()
    assert own["mean"] == [0.1] * 3 and own["quick_gelu"] is False


def test_wrong_sha256_is_refused_before_reading(tiny_name, tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"anything")
    with pytest.raises(InputError, match="found sha256"):
        openclip.load({"model": tiny_name, "weights": str(path), "sha256": "0" * 64})


def test_weights_of_another_model_are_refused(tiny, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file({key: value.contiguous() for key, value in tiny.state_dict().items()}, path)
    with pytest.raises(InputError, match="cannot be used as weights of ViT-S-32"):
        openclip.load({"model": "ViT-S-32", "weights": str(path)})


def test_local_dir_without_weights_is_refused(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    config = glyphclip.SHIPPED / openclip.CONFIG_NAME
    (folder / openclip.CONFIG_NAME).write_bytes(config.read_bytes())
    with pytest.raises(InputError, match="open_clip_model.safetensors not found"):
        openclip.load({"weights": f"local-dir:{folder}"})
    with pytest.raises(InputError, match="open_clip_config.json and open_clip_model.safetensors not found"):
        openclip.load({"weights": f"local-dir:{tmp_path}"})
    (folder / openclip.WEIGHTS_NAMES[0]).write_bytes(b"damaged")
    with pytest.raises(InputError, match="cannot make this model"):
        openclip.load({"weights": f"local-dir:{folder}"})


def test_images_out_of_range_are_refused(tiny):
    with pytest.raises(InputError, match="expected 0 to 1"):
        openclip.Encoder(tiny).encode(np.full((1, 28, 28), 255.0))
    with pytest.raises(InputError, match="expected 0 to 1"):
        pixels.load({}).encode(np.full((1, 28, 28), np.nan))
    with pytest.raises(InputError, match="square"):
        pixels.load({}).encode(np.zeros((1, 28, 27)))


def test_controls_import_no_torch():
    code = (
        "import sys, cortexclip.features.pixels, cortexclip.features.gabor, cortexclip.features.glyphs; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}).returncode == 0


def test_pixels_are_the_image(images):
    np.testing.assert_array_equal(pixels.load({}).encode(images).reshape(images.shape), images)


def grating(cycles, angle, phase, size=56):
    axis = (np.arange(size) + 0.5) / size
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return 0.5 + 0.5 * np.cos(2 * np.pi * cycles * (x * np.cos(angle) + y * np.sin(angle)) + phase)


@pytest.mark.parametrize("cycles", [4, 8])
def test_gabor_energy_tells_orientation_and_frequency_but_not_phase(cycles):
    encoder = gabor.load({"cycles": [2, 4, 8], "compression": "energy", "luminance": False})
    images = np.stack([grating(cycles, np.pi / 4, phase) for phase in np.linspace(0, 2 * np.pi, 9)])
    energy = encoder.encode(images).reshape(9, -1, 8)  # (phase, position, orientation)
    sizes = [4, 16, 64]
    scale = [2, 4, 8].index(cycles)
    start = sum(sizes[:scale])
    inner = start + np.flatnonzero(np.pad(np.ones((cycles - 2, cycles - 2)), 1).ravel())
    at_scale = energy[:, inner]
    assert np.ptp(at_scale[:, :, 2], axis=0).max() < 0.05 * at_scale[:, :, 2].mean()  # phase does not matter
    assert at_scale[:, :, 2].mean() == pytest.approx(1, rel=0.1)  # the closed form: energy 1 for the matching grating
    assert at_scale.mean(axis=(0, 1)).argmax() == 2  # 45 degrees wins
    by_scale = [energy[:, sum(sizes[:s]) : sum(sizes[: s + 1]), 2].mean() for s in range(3)]
    assert int(np.argmax(by_scale)) == scale


def test_gabor_ignores_uniform_light_and_reports_it_as_luminance():
    features = gabor.load({}).encode(np.full((1, 28, 28), 0.7))
    np.testing.assert_allclose(features[0, :-5], 0, atol=1e-6)
    np.testing.assert_allclose(features[0, -5:], 0.7, atol=1e-6)
    assert features.shape == (1, 8 * (1 + 4 + 16 + 64) + 5)


def test_gabor_compressions_and_errors(images):
    energy = gabor.load({"compression": "energy", "luminance": False}).encode(images)
    root = gabor.load({"luminance": False}).encode(images)
    np.testing.assert_allclose(root**2, energy, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(
        gabor.load({"compression": "log", "luminance": False}).encode(images),
        np.log1p(100 * root),
        rtol=1e-4,
        atol=1e-6,
    )
    for settings, key in (
        ({"compression": "cube"}, "compression"),
        ({"cycles": []}, "cycles"),
        ({"orientation": 4}, "orientation"),
    ):
        with pytest.raises(InputError, match=key):
            gabor.load(settings)


def test_captions():
    assert glyphs.caption("6") == "the digit six"
    assert glyphs.caption("a") == "the letter a"
    assert glyphs.caption("A") == "the capital letter a"
    with pytest.raises(InputError):
        glyphs.caption("é")


def test_rendering_is_deterministic_and_well_formed():
    first, second = (glyphs.render_glyphs("6aB", size=28) for _ in range(2))
    np.testing.assert_array_equal(first.images, second.images)
    images, captions, names = first.images, first.captions, first.names
    assert images.dtype == np.float32 and images.shape[1:] == (28, 28)
    assert images.min() >= 0 and images.max() <= 1
    assert set(captions) == {"the digit six", "the letter a", "the capital letter b"}
    assert len(set(names)) == len(names) == len(images)
    assert (images.reshape(len(images), -1).max(axis=1) > 0.3).all()  # nothing is blank
    assert (images[:, [0, -1]] == 0).all()  # and nothing touches the border
    a, b = glyphs.render_shapes(50, seed=1), glyphs.render_shapes(40, seed=1)
    np.testing.assert_array_equal(a.images[:40], b.images)
    assert a.captions[:40] == b.captions
    assert not np.array_equal(a.images, glyphs.render_shapes(50, seed=2).images)


def test_every_caption_of_the_corpus_is_in_the_vocabulary():
    words = glyphclip.vocabulary()
    captions = glyphs.render_glyphs(faces=["cmr10"], styles=["print"]).captions + glyphs.render_shapes(500).captions
    tokens = glyphclip.tokenize(captions, words)
    assert tokens.max() == len(words) - 1
    assert (tokens.argmax(dim=1) == torch.tensor([len(text.split()) for text in captions])).all()
    with pytest.raises(InputError, match="elephant"):
        glyphclip.tokenize(["a small elephant"], words)


def test_augmentation_is_a_function_of_the_generator_and_keeps_the_range():
    x = torch.from_numpy(glyphs.render_glyphs("0123456789", ["cmr10", "cmss10"], size=56).images)
    first, second = (glyphs.augment(x, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert first.shape == (len(x), 28, 28) and first.min() >= 0 and first.max() <= 1
    assert not torch.equal(first, glyphs.augment(x, torch.Generator().manual_seed(4)))
    still = glyphs.augment(x, torch.Generator().manual_seed(3), geometry=0, appearance=0)
    torch.testing.assert_close(still, torch.nn.functional.avg_pool2d(x, 2))


def test_equal_captions_are_positives_of_each_other():
    """Two images of one caption at the perfect solution: no loss, where plain CLIP would be at log 2 for each."""
    text = torch.eye(2)
    image = torch.tensor([[1.0, 0], [1, 0], [0, 1]])
    loss = glyphclip.caption_loss(image, text, torch.tensor([0, 0, 1]), torch.tensor(100.0))
    # Text to image: the two images of caption 0 share its probability, half each.
    assert loss.item() == pytest.approx((0 + np.log(2) / 2) / 2, abs=1e-5)
    swapped = glyphclip.caption_loss(image.flip(1), text, torch.tensor([0, 0, 1]), torch.tensor(100.0))
    assert swapped > 50


def test_training_is_deterministic():
    settings = {"steps": 3, "batch_size": 32, "n_shapes": 50, "holdout_faces": list(glyphs.FACES[2:])}
    first, facts = glyphclip.train(settings, seed=5)
    second, _ = glyphclip.train(settings, seed=5)
    assert all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )
    other, _ = glyphclip.train(settings, seed=6)
    assert not torch.equal(first.text_projection, other.text_projection)
    assert np.isfinite(facts["last_loss"])


def test_glyphclip_stage_writes_a_folder_that_loads(tmp_path):
    settings = {"steps": 2, "batch_size": 32, "n_shapes": 20, "holdout_faces": list(glyphs.FACES[2:])}
    parser = argparse.ArgumentParser()
    glyphclip_stage.add_arguments(parser)
    options = ["--output", str(tmp_path / "model"), "--report", str(tmp_path / "report.json"), "--seed", "3"]
    assert glyphclip_stage.run(parser.parse_args([*options, "--settings", json.dumps(settings)])) == 0
    report = read_json(tmp_path / "report.json")
    assert report["weights_sha256"] == sha256(tmp_path / "model" / openclip.WEIGHTS_NAMES[0])
    assert report["seed"] == 3 and report["settings"]["steps"] == 2
    encoder = glyphclip.load({"folder": str(tmp_path / "model"), "sha256": report["weights_sha256"]})
    assert encoder.encode_text(["the digit six", "a small square ring"]).shape == (2, 512)
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        "open_clip_config.json",
        "open_clip_model.safetensors",
    ]
    with pytest.raises(InputError, match="stepps"):
        glyphclip_stage.run(parser.parse_args([*options, "--settings", '{"stepps": 3}']))


def test_shipped_weights_reach_the_reported_accuracy():
    report = read_json(glyphclip.SHIPPED / "report.json")
    weights = glyphclip.SHIPPED / openclip.WEIGHTS_NAMES[0]
    assert sha256(weights) == report["weights_sha256"]
    assert weights.stat().st_size <= 8_000_000
    images, label = glyphclip.handwritten_digits()
    encoder = glyphclip.load({})
    embeddings = encoder.encode(images)
    assert embeddings.shape == (len(images), 512)
    zero_shot = np.mean(glyphclip.zero_shot(embeddings, encoder.encode_text(glyphclip.DIGIT_CAPTIONS)) == label)
    assert zero_shot == pytest.approx(report["zero_shot_accuracy"], abs=0.01)
    assert zero_shot >= 0.6
    assert glyphclip.neighbour_accuracy(embeddings, label) == pytest.approx(report["neighbour_accuracy"], abs=0.01)


def test_shipped_weights_load_through_open_clip_itself():
    model = open_clip.create_model(f"local-dir:{glyphclip.SHIPPED}", require_pretrained=True).eval()
    images, _ = glyphclip.handwritten_digits()
    with torch.inference_mode():
        expected = model.encode_image(reference(model, images[:8])).numpy()
    ours = openclip.load({"weights": f"local-dir:{glyphclip.SHIPPED}"})
    assert np.abs(ours.encode(images[:8]) - expected).max() < 0.05 * np.abs(expected).max()
    with pytest.raises(InputError, match="glyphclip"):
        ours.encode_text(["the digit six"])


def encode_arguments(folder, encoders, images=None, order=None):
    """What the stage is called with, for a dataset of images in this order."""
    if images is not None:
        part = np.array(["train"] * (len(order) - 3) + ["test"] * 3)
        data = dataset.labelled(np.zeros((len(order), 4)), images[order], part, {"name": "toy"})
        dataset.write(data, folder / "toy.nc")
    encoders = encoders if isinstance(encoders, str) else json.dumps(encoders)
    return argparse.Namespace(dataset=str(folder / "toy.nc"), encoders=encoders, threads=1, output=str(folder / "out"))


def test_encode_stage_writes_each_distinct_stimulus_once(tmp_path, images):
    encoders = {"pixels": {"module": "cortexclip.features.pixels"}, "gabor": {"module": "cortexclip.features.gabor"}}
    assert encode.run(encode_arguments(tmp_path, encoders, images, [2, 0, 2, 1, 0, 3])) == 0
    with xr.open_dataset(tmp_path / "out/pixels.nc", engine="h5netcdf") as out:
        assert out["embedding"].dims == ("stimulus", "feature")
        assert out["embedding"].dtype == np.float32
        np.testing.assert_array_equal(out["embedding"].values.reshape(-1, 28, 28), images[[2, 0, 1, 3]])
        assert out["stimulus"].values.tolist() == [dataset.stimulus_identity(images[i]) for i in [2, 0, 1, 3]]
        assert out.attrs["encoder"] == "pixels"
        assert json.loads(out.attrs["provenance"]) == {"encoder": "pixels"}
    with xr.open_dataset(tmp_path / "out/gabor.nc", engine="h5netcdf") as out:
        np.testing.assert_array_equal(out["embedding"].values, gabor.load({}).encode(images[[2, 0, 1, 3]]))


def test_encoders_of_one_model_load_it_once_and_encode_no_picture_twice(tiny, tiny_name, tmp_path, images, monkeypatch):
    path = tmp_path / "weights.safetensors"
    save_file({key: value.contiguous() for key, value in tiny.state_dict().items()}, path)
    whole = {"module": "cortexclip.features.openclip", "model": tiny_name, "weights": str(path), "quick_gelu": True}
    entries = {
        "whole": whole,
        "pixels": {"module": "cortexclip.features.pixels"},
        "crops": {**whole, "module": "cortexclip.features.crops", "side": 0.6},
        "exact": {**whole, "quick_gelu": False},
    }
    loaded, passed, load = [], [], openclip._load

    def counted(settings):
        encoder = load(settings)
        encode_image = encoder.model.encode_image
        encoder.model.encode_image = lambda batch: passed.append(len(batch)) or encode_image(batch)
        loaded.append(settings.quick_gelu)
        return encoder

    monkeypatch.setattr(openclip, "_load", counted)
    encode.run(encode_arguments(tmp_path, entries, images, list(range(6))))
    assert sorted(loaded) == [False, True]
    assert sum(passed) == 6 * (1 + 4 + 1)
    monkeypatch.undo()
    for name, settings in entries.items():
        if "weights" in settings:
            module = crops if "side" in settings else openclip
            expected = module.load({key: value for key, value in settings.items() if key != "module"}).encode(
                images[:6]
            )
            with xr.open_dataset(tmp_path / f"out/{name}.nc", engine="h5netcdf") as out:
                np.testing.assert_allclose(out["embedding"].values, expected, atol=1e-6)


@pytest.mark.parametrize(
    "encoders",
    [
        *("{", "[]", "{}", '{"mine": []}', '{"mine": {}}'),
        *('{"mine": {"module": "cortexclip.nothing"}}', '{"mine": {"module": "cortexclip.errors"}}'),
    ],
)
def test_encode_stage_names_bad_settings(tmp_path, images, encoders):
    with pytest.raises(InputError, match="mine|--encoders"):
        encode.run(encode_arguments(tmp_path, encoders, images, list(range(6))))
    assert not (tmp_path / "out").exists()
