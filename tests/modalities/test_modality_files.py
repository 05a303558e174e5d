"""Pictures and sounds from the disk, and models that are written there and opened by Hugging Face."""

import json
import struct
import wave

import numpy as np
import pytest
import torch
from PIL import Image
from test_modality_parity import CASES, TINY, new_hf_model

from perceiver_edu import InputError
from perceiver_edu.modalities import (
    ConvStem,
    LearnedPositions,
    from_huggingface,
    load_pretrained,
    prepare_picture,
    read_wav,
    save_pretrained,
)
from perceiver_edu.modalities.adapters import pad_same
from perceiver_edu.modalities.architectures import ARCHITECTURES, new

# ---------------------------------------------------------------- saved


@pytest.mark.parametrize("name", CASES)
def test_a_saved_model_is_opened_here_and_by_hugging_face(name, tmp_path):
    import transformers

    sizes, inputs, more = CASES[name]
    theirs = new_hf_model(name, **(TINY | sizes))
    ours = from_huggingface(theirs)
    save_pretrained(ours, tmp_path)
    with torch.no_grad():
        x = inputs()
        expected = ours(x, **more)
        again = load_pretrained(tmp_path, dtype=torch.float64)(x, **more)
    reopened = getattr(transformers, name).from_pretrained(tmp_path, dtype=torch.float64)
    assert reopened.config.architectures == [name]
    for key, tensor in theirs.state_dict().items():
        assert torch.equal(reopened.state_dict()[key], tensor), key
    torch.testing.assert_close(again, expected)
    fresh = new(name, theirs.config)
    save_pretrained(fresh, tmp_path / "fresh")
    assert load_pretrained(tmp_path / "fresh").architecture == name


def test_only_hugging_faces_architectures_have_a_folder(tmp_path):
    config = new_hf_model("PerceiverForImageClassificationFourier", **TINY).config
    model = ARCHITECTURES["PerceiverForImageClassificationFourier"](config)
    with pytest.raises(InputError, match=r"build the model by modalities\.architectures\.new"):
        save_pretrained(model, tmp_path / "new")
    with pytest.raises(InputError, match="no architecture 'PerceiverForAudio'"):
        new("PerceiverForAudio", config)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write the model to"):
        save_pretrained(from_huggingface(new_hf_model("PerceiverForOpticalFlow", **TINY)), tmp_path / "file")
    assert not (tmp_path / "new").exists()


def test_a_compiled_model_is_saved_as_the_model_it_wraps(tmp_path):
    model = from_huggingface(new_hf_model("PerceiverForImageClassificationConvProcessing", **TINY))
    save_pretrained(torch.compile(model), tmp_path)
    loaded = load_pretrained(tmp_path, dtype=torch.float64)
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


def test_an_edited_config_is_refused_and_labels_may_be_edited(tmp_path):
    save_pretrained(from_huggingface(new_hf_model("PerceiverForOpticalFlow", **TINY)), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for change in ({"id2label": {str(i): str(i) for i in range(9)}}, {"transformers_version": "4.0.0"}):
        (tmp_path / "config.json").write_text(json.dumps(config | change))
        load_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config | {"train_size": [11, 7]}))
    with pytest.raises(InputError, match=r"its config\.json was changed"):
        load_pretrained(tmp_path)


def test_what_could_not_be_loaded_is_not_saved(tmp_path):
    model = from_huggingface(new_hf_model("PerceiverForOpticalFlow", **TINY))
    model.encoder.latents.data[0, 0] = torch.nan
    with pytest.raises(InputError, match=r"not saved: this PerceiverForOpticalFlow: .* contains NaN"):
        save_pretrained(model, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_dtype_that_cannot_hold_the_weights_is_refused(tmp_path):
    model = from_huggingface(new_hf_model("PerceiverForOpticalFlow", **TINY))
    model.encoder.latents.data[0, 0] = 1e6
    save_pretrained(model, tmp_path)
    with pytest.raises(InputError, match=r"dtype must be torch\.float32, .* got torch\.int8"):
        load_pretrained(tmp_path, dtype=torch.int8)
    with pytest.raises(InputError, match=r"it contains numbers too large for torch\.float16"):
        load_pretrained(tmp_path, dtype=torch.float16)


# ---------------------------------------------------------------- facts


def test_larger_images_draw_the_learned_positions_out_as_hugging_face_does():
    theirs = new_hf_model("PerceiverForImageClassificationLearned", **TINY)
    ours, x = from_huggingface(theirs), torch.randn(2, 3, 8, 11, dtype=torch.float64)
    ours.inputs.positions.positions.interpolate = True
    with torch.no_grad():
        expected = theirs(inputs=x, interpolate_pos_encoding=True).logits
        torch.testing.assert_close(ours(x), expected, rtol=1e-10, atol=1e-10)
        assert ours(x[..., :6, :6]).shape == expected.shape


def test_learned_positions_are_of_a_grid_not_of_a_number_of_cells():
    with pytest.raises(InputError, match=r"positions for 16 × 16 cells, not for \(8, 32\); interpolate=True"):
        LearnedPositions((16, 16), 5)((8, 32))
    assert LearnedPositions(256, 5)((8, 32)).shape == LearnedPositions((16, 16), 5)((16, 16)).shape
    with pytest.raises(InputError, match=r"for 16 × 16 cells, not for \(256,\)$"):
        LearnedPositions((16, 16), 5, interpolate=True)((256,))


@pytest.mark.parametrize("size", [224, 31])
def test_same_padding_is_two_before_and_three_after(size):
    """Cell i of an even image sees pixels 2i - 2 to 2i + 4; by Hugging Face's padding 2i - 3 to 2i + 3."""
    image = torch.randn(1, 1, size, size)
    assert pad_same(torch.ones(1, 1, 224, 224), 7).shape == (1, 1, 229, 229)
    same, theirs = ConvStem(1, 1, same=True).eval(), ConvStem(1, 1).eval()
    theirs.load_state_dict(same.state_dict())
    assert same(image).shape[1] == -(-size // 4) and theirs(image).shape[1] == ((size + 1) // 2 - 3) // 2 + 1
    centre = torch.zeros_like(same.conv.weight)
    centre[..., 3, 3] = 1
    for stem in (same, theirs):
        stem.conv.weight.data = centre
    seen = {
        stem: (stem.conv(pad_same(image, 7)) if stem.same else stem.conv(image)) for stem in (same, theirs)
    }
    shift = size % 2 == 0  # an odd image is padded by three on both sides
    torch.testing.assert_close(seen[same][0, 0], image[0, 0, shift::2, shift::2])
    torch.testing.assert_close(seen[theirs][0, 0], image[0, 0, ::2, ::2])


# ---------------------------------------------------------------- pictures


@pytest.mark.parametrize("shape", [(240, 320), (50, 37), (224, 224), (9, 200)])
def test_a_picture_is_prepared_as_by_perceiver_image_processor(shape, tmp_path):
    from transformers.models.perceiver.image_processing_pil_perceiver import PerceiverImageProcessorPil

    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    expected = PerceiverImageProcessorPil()(Image.fromarray(picture), return_tensors="pt").pixel_values[0]
    found = prepare_picture(picture)
    assert found.shape == (3, 224, 224) and found.dtype == torch.float32
    assert (found - expected).abs().max() < 1e-5
    Image.fromarray(picture).save(tmp_path / "a.png")
    assert torch.equal(prepare_picture(tmp_path / "a.png"), found)
    assert prepare_picture(picture, size=32).shape == (3, 32, 32)
    grey = prepare_picture(Image.fromarray(picture[..., 0]))
    assert torch.equal(grey, prepare_picture(np.repeat(picture[..., :1], 3, 2)))


def test_sixteen_bits_of_grey_are_scaled_to_eight(tmp_path):
    grey = np.random.default_rng(0).integers(0, 256, (50, 37), dtype=np.uint8)
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "a.png")
    assert torch.equal(prepare_picture(tmp_path / "a.png"), prepare_picture(Image.fromarray(grey)))


def test_a_photo_is_turned_upright(tmp_path):
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 37, 3), dtype=np.uint8))
    photo.getexif()[0x0112] = 6  # to be turned by a quarter, clockwise
    photo.save(tmp_path / "a.png", exif=photo.getexif())
    upright = prepare_picture(np.rot90(np.asarray(photo), -1))
    assert torch.equal(prepare_picture(tmp_path / "a.png"), upright)
    assert torch.equal(prepare_picture(photo), upright)


def test_what_is_no_picture(tmp_path):
    (tmp_path / "a.png").write_text("no picture")
    for picture, message in (
        (tmp_path / "a.png", "cannot be read as a picture"),
        (tmp_path / "nowhere.png", "cannot be read as a picture"),
        (np.zeros((3, 8, 8), np.uint8), r"must be \(H, W, 3\) uint8, got \(3, 8, 8\)"),
        (np.zeros((8, 8, 3)), r"got \(8, 8, 3\) of float64"),
        (np.zeros((1, 8, 3), np.uint8), "too small to crop"),
        (None, "cannot be read as a picture"),
        (Image.new("F", (8, 8)), "picture has pixels of mode F, of no known range"),
    ):
        with pytest.raises(InputError, match=message):
            prepare_picture(picture)


# ---------------------------------------------------------------- sounds


def write_wav(path, frames, width, channels=1, rate=8000):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(frames)
    return path


@pytest.mark.parametrize(
    "width, frames",
    [
        (1, bytes([0, 128, 192, 255])),
        (2, struct.pack("<4h", -(2**15), 0, 2**14, 2**15 - 1)),
        (3, b"\x00\x00\x80" + b"\x00\x00\x00" + b"\x00\x00\x40" + b"\xff\xff\x7f"),
        (4, struct.pack("<4i", -(2**31), 0, 2**30, 2**31 - 1)),
    ],
)
def test_a_sound_of_any_width_is_from_minus_one_to_one(tmp_path, width, frames):
    sound, rate = read_wav(write_wav(tmp_path / "a.wav", frames, width))
    assert rate == 8000 and sound.dtype == torch.float32
    torch.testing.assert_close(sound, torch.tensor([-1.0, 0.0, 0.5, 1.0]), rtol=0, atol=0.01)
    stereo = struct.pack("<4h", 2**14, -(2**14), 2**14, 0)  # two samples of two channels
    sound, _ = read_wav(write_wav(tmp_path / "b.wav", stereo, 2, channels=2))
    assert sound.tolist() == [0.0, 0.25]


def test_a_sound_is_resampled_to_the_rate_asked_for(tmp_path):
    def tone(rate):
        return 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate // 4) / rate)

    path = write_wav(tmp_path / "a.wav", (tone(16000) * 2**15).astype("<i2").tobytes(), 2, rate=16000)
    sound, rate = read_wav(path, rate=48000)
    assert rate == 48000 and len(sound) == 12000
    assert abs(sound[500:-500].numpy() - tone(48000)[500:-500]).max() < 0.01


def test_what_is_no_sound(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    write_wav(tmp_path / "empty.wav", b"", 2)
    damaged = bytearray(write_wav(tmp_path / "damaged.wav", b"abcd", 2).read_bytes())
    damaged[16:20] = b"\xff\xff\xff\x00"  # the size of the chunk "fmt "
    (tmp_path / "damaged.wav").write_bytes(damaged)
    for name, message in (
        ("damaged.wav", "cannot be read as a WAV file"),
        ("a.wav", "cannot be read as a WAV file"),
        ("no.wav", "No such file"),
        ("empty.wav", "no sound"),
    ):
        with pytest.raises(InputError, match=message):
            read_wav(tmp_path / name)
    with pytest.raises(InputError, match="rate must be a whole number"):
        read_wav(write_wav(tmp_path / "b.wav", b"ab", 2), rate=0)
