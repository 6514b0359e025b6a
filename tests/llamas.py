"""A small language model as Hugging Face keeps it."""

import tokenizers
import torch
import transformers


def save_model(folder, sentences, epochs=12):
    """A small Llama in a folder of Hugging Face, trained on these; a letter is a token."""
    letters = {letter: number for number, letter in enumerate(sorted(set("".join(sentences)) | set("0123456789")))}
    letters |= {"<s>": len(letters), "<unk>": len(letters) + 1}
    split = tokenizers.Tokenizer(tokenizers.models.WordLevel(letters, unk_token="<unk>"))
    split.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    split.decoder = tokenizers.decoders.Fuse()
    given = {"bos_token": "<s>", "eos_token": "<s>", "unk_token": "<unk>"}
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=split, **given)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    torch.manual_seed(0)
    config = transformers.LlamaConfig(vocab_size=len(letters), max_position_embeddings=128, **sizes)
    model = transformers.LlamaForCausalLM(config)
    ids = [torch.tensor([letters["<s>"], *(letters[one] for one in text)]) for text in sentences]
    whole = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=letters["<s>"])
    opt = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(whole)).split(16):
            opt.zero_grad()
            logits = model(input_ids=whole[rows]).logits[:, :-1]
            torch.nn.functional.cross_entropy(logits.transpose(1, 2), whole[rows][:, 1:]).backward()
            opt.step()
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
