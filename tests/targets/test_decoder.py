"""How tokens are drawn: as transformers draws them, and what is never drawn."""

import pytest
import texts
import torch
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from ml_privacy_meter import InputError
from ml_privacy_meter.targets import Decoder
from ml_privacy_meter.targets.drawing import made_up


@pytest.mark.parametrize(
    "decoder",
    [Decoder(), Decoder(0.7), Decoder(2.0, 5), Decoder(top_k=1), Decoder(top_p=0.6), Decoder(0.5, 10, 0.9)],
    ids=str,
)
def test_tokens_have_the_probabilities_that_transformers_gives_them(decoder):
    logits = 3 * torch.randn(50, 40, generator=torch.Generator().manual_seed(0))
    theirs = TemperatureLogitsWarper(float(decoder.temperature))(None, logits)
    if decoder.top_k:
        theirs = TopKLogitsWarper(decoder.top_k)(None, theirs)
    if decoder.top_p < 1:
        theirs = TopPLogitsWarper(decoder.top_p)(None, theirs)
    torch.testing.assert_close(decoder.log_probabilities(logits).exp(), theirs.softmax(-1))


def test_a_decoder_that_cannot_be_is_refused():
    for given in ({"temperature": 0.0}, {"top_k": -1}, {"top_p": 0.0}, {"top_p": 1.5}):
        with pytest.raises(InputError):
            Decoder(**given)


def test_texts_that_are_made_up_follow_the_decoder_and_the_seed():
    model = texts.language_model()
    first = made_up(model, 70, length=6, decoder=Decoder(top_k=2), seed=1)
    assert first == made_up(model, 70, length=6, decoder=Decoder(top_k=2), seed=1)
    assert first != made_up(model, 70, length=6, decoder=Decoder(top_k=2), seed=2)
    assert len(first) == 70
    said = model.scored([ids for ids in first if ids])
    assert float(said.rank.max()) == 1


def test_the_frequencies_of_what_is_made_up_are_those_that_the_model_says():
    model = texts.language_model()
    drawn = made_up(model, 4_000, length=1, decoder=Decoder(temperature=0.5), seed=0)
    said = Decoder(temperature=0.5).log_probabilities(model.next_logprobs([[]]))[0].exp().numpy()
    counts = torch.bincount(torch.tensor([ids[0] for ids in drawn if ids]), minlength=257).numpy() / 4_000
    top = said.argsort()[-20:]
    assert abs(counts[top] - said[top]).max() < 4 * (said.max() / 4_000) ** 0.5


def test_a_text_that_is_longer_than_the_model_reads_is_not_made_up():
    with pytest.raises(InputError, match="shorter than the 16 tokens"):
        made_up(texts.language_model(context=16), 1, length=16, decoder=Decoder())
