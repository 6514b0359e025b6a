"""Folders of small language models with random weights, for tests: as Hugging Face saves them."""

import pytest
import torch

BEGIN, END = 256, 257


def llama_with(**more):
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    tokens = {"vocab_size": 260, "bos_token_id": BEGIN, "eos_token_id": END, "pad_token_id": None}
    given = {"max_position_embeddings": 64, "tie_word_embeddings": True} | more
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes, **tokens, **given))


def gpt2():
    transformers = pytest.importorskip("transformers")
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
    tokens = {"vocab_size": 260, "bos_token_id": BEGIN, "eos_token_id": END}
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes, **tokens))


def t5():
    transformers = pytest.importorskip("transformers")
    sizes = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4}
    tokens = {"vocab_size": 260, "pad_token_id": BEGIN, "eos_token_id": END, "decoder_start_token_id": BEGIN}
    return transformers.T5ForConditionalGeneration(transformers.T5Config(**sizes, **tokens))


def saved(to, make=llama_with, seed=0):
    """The folder, with a tokenizer of one token a byte."""
    transformers, tokenizers = pytest.importorskip("transformers"), pytest.importorskip("tokenizers")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        make().save_pretrained(to)
    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    made = tokenizers.Tokenizer(tokenizers.models.BPE(vocab={one: n for n, one in enumerate(letters)}, merges=[]))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    made.add_special_tokens(["<s>", "</s>"])
    named = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<s>"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=made, **named).save_pretrained(to)
    return to
