import re
from functools import partial

import pytest
import torch
from blobs import gradient, images, linear, seen, smooth

from ml_privacy_meter import InputError
from ml_privacy_meter.reconstruction import ReconstructionGame, View, analytic, cosine, dlg, imprint, imprinted, psnr

X, Y = images(4), torch.tensor([0, 1, 2, 3])
GAME = ReconstructionGame(seen(linear(), X, Y), X)
quick = partial(dlg, starts=2, finalists=1, iterations=60)


def test_guesses_are_matched_one_with_one_whatever_their_order():
    match = GAME.play(lambda view: X[[2, 0, 3, 1]])
    assert match.psnr.tolist() == [120.0] * 4
    assert torch.equal(match.guess, X.double())
    both = GAME.play(lambda view: X[[1, 1, 1, 1]])
    assert (both.psnr == 120).sum() == 1


def test_no_other_matching_has_a_higher_sum():
    from itertools import permutations

    guesses = images(4, seed=8)
    best = max(float(psnr(guesses[[*order]], X, (0.0, 1.0)).sum()) for order in permutations(range(4)))
    assert float(GAME.play(lambda view: guesses).psnr.sum()) == pytest.approx(best)


def test_for_what_is_not_guessed_stands_the_mean_public_image():
    match, mean = GAME.play(lambda view: X[[2]]), GAME.mean()
    assert match.found == 1
    assert float(match.psnr[2]) == 120
    assert torch.equal(match.psnr[[0, 1, 3]], mean.psnr[[0, 1, 3]])
    assert torch.equal(GAME.play(lambda view: X[:0]).psnr, mean.psnr)


def test_the_nearest_public_image_is_nearest_by_psnr():
    public = GAME.view.public
    expected = [max(float(psnr(one[None], x[None], (0.0, 1.0))) for one in public) for x in X]
    assert GAME.nearest().psnr.tolist() == pytest.approx(expected)
    assert (GAME.nearest().ssim >= -1).all()


def test_an_attack_is_shown_no_record():
    def peeks(view):
        held = [value for value in vars(view).values() if isinstance(value, torch.Tensor)]
        assert not any(torch.equal(row, x) for tensor in held for row in tensor for x in X if row.shape == x.shape)
        assert view.labels is None
        return view.public[:4]

    GAME.play(peeks)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (torch.zeros(5, 1, 8, 8), "at most 4 records of shape (1, 8, 8), found (5, 1, 8, 8)"),
        (torch.zeros(4, 64), "found (4, 64)"),
        ([1, 2], "found list"),
        (torch.full((1, 1, 8, 8), float("nan")), "must be finite"),
    ],
)
def test_what_is_no_guess_is_refused(given, message):
    with pytest.raises(InputError, match=re.escape(message)):
        GAME.play(lambda view: given)


def test_public_images_must_not_be_the_clients():
    view = View(linear(), gradient(linear(), X, Y), 4, torch.cat([images(10, seed=3), X[[2]]]))
    with pytest.raises(InputError, match="record 2 is among them"):
        ReconstructionGame(view, X)


def test_records_are_as_many_as_the_view_says_and_in_their_span():
    with pytest.raises(InputError, match=re.escape("must be 4 of shape (1, 8, 8)")):
        ReconstructionGame(GAME.view, X[:3])
    with pytest.raises(InputError, match=r"within `span`"):
        ReconstructionGame(GAME.view, 3 * X)


@pytest.mark.parametrize(
    ("attack", "build"),
    [
        (analytic, linear),
        (imprint, lambda: imprinted(smooth(), images(200, seed=99), bins=32)),
        (quick, smooth),
        (partial(cosine, iterations=60), smooth),
    ],
    ids=["analytic", "imprint", "dlg", "cosine"],
)
@pytest.mark.parametrize("world", ["other records", "noise alone"])
def test_a_blank_world_gives_no_more_than_the_nearest_public_image(attack, build, world):
    closer = []
    for seed in range(5):
        x, others = images(2, seed=seed), images(2, seed=100 + seed)
        model = build()
        change = gradient(model, others, torch.tensor([0, 1]))
        if world == "noise alone":
            draw = torch.Generator().manual_seed(seed)
            change = {name: torch.randn(value.shape, generator=draw) for name, value in change.items()}
        game = ReconstructionGame(View(model, change, 2, images(200, seed=99), seed=seed), x)
        match = game.play(attack)
        closer += (match.psnr > game.nearest().psnr).tolist()
        assert (match.psnr < 30).all()
    assert sum(closer) <= 2  # of 10
