"""Small language models and texts for tests."""

import numpy as np
import pandas as pd
import torch
from torch import nn

from ml_privacy_meter.targets import LanguageModel

WORDS = (
    *("the", "a", "one", "two", "red", "green", "old", "new", "cat", "dog", "house", "tree", "sees", "hears", "finds"),
    *("loses", "and", "or", "but", "now", "then", "here", "there", "quickly", "slowly", "never", "always", "river"),
    *("stone", "cloud", "road", "bread", "water", "song", "letter"),
)
BEGIN = 256


class Bytes:
    """One token a byte."""

    def encode(self, text):
        return list(text.encode())

    def decode(self, ids):
        return bytes(int(i) for i in ids if i < 256).decode(errors="replace")


class Small(nn.Module):
    """A small causal transformer: token numbers -> logits."""

    def __init__(self, width=32, context=128, vocabulary=257):
        super().__init__()
        self.token, self.place = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, ids):
        seen = nn.Transformer.generate_square_subsequent_mask(ids.shape[1], device=ids.device)
        x = self.token(ids) + self.place(torch.arange(ids.shape[1], device=ids.device))
        return self.head(self.layers(x, mask=seen, is_causal=True))


def language_model(seed=0, context=128, **settings):
    torch.manual_seed(seed)
    return LanguageModel(Small(context=context, **settings).eval(), Bytes(), begin=BEGIN, context=context)


def sentences(count, seed=0, words=8):
    """Sentences of words drawn at random: no two are alike, and none tells which set it lies in."""
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, words)) for _ in range(count)]


def learned(texts, *, epochs=30, seed=0, lr=3e-3, batch=16, model=None):
    """A small language model that was trained on these texts; of ``model``, on."""
    model = model or language_model(seed)
    ids = [[BEGIN, *one][: model.context] for one in model.encode(texts)]
    rng, opt = np.random.default_rng(seed), torch.optim.Adam(model.module.parameters(), lr)
    model.module.train()
    for _ in range(epochs):
        for some in np.array_split(rng.permutation(len(ids)), max(1, len(ids) // batch)):
            width = max(len(ids[i]) for i in some)
            x = torch.tensor([ids[i] + [BEGIN] * (width - len(ids[i])) for i in some])
            y = torch.tensor([ids[i][1:] + [-100] * (width - len(ids[i]) + 1) for i in some])
            loss = nn.functional.cross_entropy(model.module(x).transpose(1, 2), y, ignore_index=-100)
            opt.zero_grad()
            loss.backward()
            opt.step()
    model.module.eval()
    return model


def frame(texts, **columns):
    return pd.DataFrame({"text": texts, **columns})
