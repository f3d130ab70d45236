"""Makes the two small tokenizers beside this file. Run: python3 make_tokenizers.py

byte-level     as Qwen, OLMoE and DeepSeek have it: byte-level BPE; ids 0 to 255 are the bytes. Some tokens begin or end inside characters.
byte-fallback  as Mixtral has it: BPE of characters with a mark for blanks; what is not in the vocabulary is spelled as bytes.
"""

import json
from pathlib import Path

HERE = Path(__file__).parent


def added(id, content, special=True):
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": id, "content": content, **flags, "special": special}


def bpe(vocab, merges, **settings):
    return {"type": "BPE", "vocab": vocab, "merges": [" ".join(pair) for pair in merges], **settings}


def merge(vocab, merges, left, right):
    merges.append((left, right))
    vocab.setdefault(left + right, len(vocab))


def write(name, tokenizer, config):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    for file, contents in (("tokenizer.json", tokenizer), ("tokenizer_config.json", config)):
        (folder / file).write_text(json.dumps(contents, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def byte_level():
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    letter = {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}
    vocab = {letter[byte]: byte for byte in range(256)}
    merges = []
    blank = letter[ord(" ")]
    for left, right in (("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o"), (blank, "w"), ("o", "r"), ("l", "d"),
                        (blank + "w", "or"), (blank + "wor", "ld"), ("t", "h"), (blank, "th"), (blank + "th", "e")):
        merge(vocab, merges, left, right)
    sun = [letter[byte] for byte in "日".encode()]
    smile = [letter[byte] for byte in "😀".encode()]
    merge(vocab, merges, sun[0], sun[1])
    merge(vocab, merges, smile[0], smile[1])
    # No merge leads to these, but a model may make them: the end of one character with the beginning of another.
    vocab[sun[2] + sun[0]] = len(vocab)
    vocab[sun[1] + sun[2] + sun[0]] = len(vocab)
    vocab[sun[2] + sun[0] + sun[1]] = len(vocab)
    size = len(vocab)
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    words = {"type": "Split", "pattern": {"Regex": " ?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+|\\s+"}, "behavior": "Isolated", "invert": False}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [added(size, "<|endoftext|>"), added(size + 1, "<|im_start|>"), added(size + 2, "<|im_end|>"),
                         added(size + 3, "<think>", special=False)],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [words, byte_level]},
        "post_processor": byte_level, "decoder": byte_level,
        "model": bpe(vocab, merges)}
    write("byte-level", tokenizer, {
        "bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "unk_token": None,
        "model_max_length": 32768, "tokenizer_class": "Qwen2Tokenizer"})


def byte_fallback():
    vocab = {token: id for id, token in enumerate(["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))])}
    for letter in ["▁", *map(chr, range(ord("a"), ord("z") + 1)), *"HTWé.,!?'日"]:
        vocab[letter] = len(vocab)
    merges = []
    for left, right in (("▁", "▁"), ("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o"), ("▁", "hello"), ("▁", "w"),
                        ("o", "r"), ("l", "d"), ("▁w", "or"), ("▁wor", "ld"), ("▁", "a")):
        merge(vocab, merges, left, right)
    begin = {"SpecialToken": {"id": "<s>", "type_id": 0}}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [added(0, "<unk>"), added(1, "<s>"), added(2, "</s>")],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing", "single": [begin, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [begin, {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": bpe(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)}
    special = {"__type": "AddedToken", "lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    write("byte-fallback", tokenizer, {
        "bos_token": {"content": "<s>", **special}, "eos_token": {"content": "</s>", **special},
        "unk_token": {"content": "<unk>", **special}, "legacy": True, "tokenizer_class": "LlamaTokenizer"})


byte_level()
byte_fallback()
