import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.records import load, scan

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 6, 5, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    for i, image in enumerate(PIXELS):
        place = tmp_path / "pets" / ("cat" if i < 10 else "dog")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{i:02}.{'png' if i % 2 else 'BMP'}")
    (tmp_path / "pets" / "cat" / "Thumbs.db").write_text("no image")
    return tmp_path / "pets"


def test_images_come_in_zero_to_one_channels_first(folder):
    records = load(folder)
    order = np.array([23, 0, 3, 3])
    expected = PIXELS.transpose(0, 3, 1, 2).astype(np.float32) / 255
    assert np.array_equal(records.x[order].numpy(), expected[order])
    assert np.array_equal(records.x[4:9].numpy(), expected[4:9])
    assert list(records.y) == ["cat"] * 10 + ["dog"] * 14
    assert list(records.id[[0, 11]]) == ["cat/00.BMP", "dog/11.png"]
    assert len(scan(records, name="members").digest) == 24


def test_images_are_brought_to_a_size(folder):
    Image.new("L", (9, 9), 255).save(folder / "cat" / "grey.png")
    records = load(folder, size=[4, 3])
    assert records.x[:].shape == (25, 3, 4, 3)
    assert (records.x[10:11] == 1).all()


def test_images_of_two_sizes_are_refused_with_both(folder):
    Image.new("RGB", (9, 8)).save(folder / "dog" / "odd.png")
    with pytest.raises(InputError, match=r"found 6 x 5 .*cat/00.BMP.* and 8 x 9 at .*dog/odd.png"):
        load(folder)


def test_an_unreadable_image_is_named(folder):
    broken = folder / "dog" / "11.png"
    broken.write_bytes(broken.read_bytes()[:60])
    with pytest.raises(InputError, match=r"dog/11.png` cannot be read"):
        load(folder).x[:]
    broken.write_text("hello")
    with pytest.raises(InputError, match=r"dog/11.png` cannot be read"):
        load(folder)


def test_a_folder_without_classes_is_refused(folder):
    with pytest.raises(InputError, match=r"folder/class/image.png"):
        load(folder / "cat")


def test_settings_without_meaning_for_images_are_refused(folder):
    with pytest.raises(InputError, match="`label` has no meaning"):
        load(folder, label="cat")
    with pytest.raises(InputError, match="height and width"):
        load(folder, size=[4])


def test_the_room_does_not_import_pillow():
    code = "import sys, ml_privacy_meter.records; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
