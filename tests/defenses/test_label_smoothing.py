import torch

from ml_privacy_meter.defenses.label_smoothing import _loss

RNG = torch.Generator().manual_seed(0)
ANSWER, Y = torch.randn(2, 7, 5, generator=RNG), torch.randint(5, (2, 7), generator=RNG)


def test_the_loss_is_that_of_each_record_by_hand():
    by_hand = 0.0
    for answer, y in zip(ANSWER, Y, strict=True):
        for row, label in zip(answer, y.tolist(), strict=True):
            target = [0.2 / 5 + 0.8 * (c == label) for c in range(5)]
            by_hand -= sum(t * float(p) for t, p in zip(target, row.log_softmax(0), strict=True)) / len(y)
    torch.testing.assert_close(_loss(ANSWER, Y, share=0.2), torch.tensor(by_hand))
