import pytest
import torch
from blobs import gradient, images, linear
from PIL import Image

from ml_privacy_meter import InputError, reconstruct
from ml_privacy_meter.reconstructing import together
from ml_privacy_meter.reconstruction import analytic


def _result(x, **settings):
    model, y = linear(), torch.arange(len(x)) % 4
    public = images(20, seed=99).reshape(20, *x.shape[1:])
    return reconstruct(model, gradient(model, x, y), (x, y), public=public, attacks=(analytic,), **settings)


def test_a_picture_shows_the_first_records_above_all_that_was_guessed(tmp_path):
    x = images(1, seed=5)
    file = _result(x).pictures(tmp_path / "seen.png")
    with Image.open(file) as image:
        grey = torch.tensor(list(image.convert("L").tobytes())).reshape(image.height, image.width)
    assert grey.shape == (4 * 100, 100)  # record, nearest, mean, analytic
    shown = grey[:96:12, :96:12] / 255
    assert torch.allclose(shown, x[0, 0], atol=0.01)
    assert torch.allclose(grey[300:396:12, :96:12] / 255, x[0, 0], atol=0.01)
    assert not torch.allclose(grey[100:196:12, :96:12] / 255, x[0, 0], atol=0.01)


def test_no_file_is_written_over(tmp_path):
    file = tmp_path / "seen.png"
    file.write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        _result(images(1)).pictures(file)
    assert file.read_text() == "mine"


def test_nothing_is_drawn_of_what_is_no_image(tmp_path):
    with pytest.raises(InputError, match="Pictures need records of shape"):
        _result(images(1).flatten(1)).pictures(tmp_path / "seen.png")
    assert not (tmp_path / "seen.png").exists()


def test_where_an_attack_broke_the_picture_is_white(tmp_path):
    def sometimes(view):
        if view.seed:
            raise RuntimeError("no such thing")
        return view.public[:1]

    model, x, y = linear(), images(2), torch.tensor([0, 1])
    results = [
        reconstruct(model, gradient(model, x[[k]], y[[k]]), (x[[k]], y[[k]]), public=images(20, seed=99), **given)
        for k, given in enumerate([{"attacks": (sometimes,), "seed": 0}, {"attacks": (sometimes,), "seed": 1}])
    ]
    with Image.open(together(results).pictures(tmp_path / "seen.png")) as image:
        grey = torch.tensor(list(image.convert("L").tobytes())).reshape(image.height, image.width)
    assert not (grey[300:396, :96] == 255).all()
    assert (grey[300:396, 100:196] == 255).all()


def test_no_more_records_are_drawn_than_asked_for(tmp_path):
    with Image.open(_result(images(3)).pictures(tmp_path / "two.png", most=2)) as image:
        assert image.width == 200
