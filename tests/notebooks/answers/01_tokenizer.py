# What learners hand in for 01.tokenizer; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | map, plus
def encode(text, add_special_tokens=True):
    ids = list(map((6).__add__, bytes(text, "utf-8")))
    if add_special_tokens:
        ids = [ByteTokenizer.CLS] + ids + [ByteTokenizer.SEP]
    return ids


# %% correct | a tensor
def encode(text, add_special_tokens=True):
    ids = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8).long() + 6
    return torch.cat([torch.tensor([4]), ids, torch.tensor([5])]) if add_special_tokens else ids


# %% correct | character by character, UTF-8 by hand
def encode(text, special=True):
    out = []
    for character in text:
        n = ord(character)
        if n < 0x80:
            out += [n]
        elif n < 0x800:
            out += [0xC0 | n >> 6, 0x80 | n & 63]
        elif n < 0x10000:
            out += [0xE0 | n >> 12, 0x80 | n >> 6 & 63, 0x80 | n & 63]
        else:
            out += [0xF0 | n >> 18, 0x80 | n >> 12 & 63, 0x80 | n >> 6 & 63, 0x80 | n & 63]
    ids = tuple(b + 6 for b in out)
    return (4,) + ids + (5,) if special else ids


# %% mistake: add 6 to every byte | no offset
def encode(text, add_special_tokens=True):
    ids = list(text.encode())
    return [4] + ids + [5] if add_special_tokens else ids


# %% mistake: The first byte id is 6 | +5
def encode(text, add_special_tokens=True):
    ids = [b + 5 for b in text.encode()]
    return [4] + ids + [5] if add_special_tokens else ids


# %% mistake: Add 6, not 7 | +7
def encode(text, add_special_tokens=True):
    ids = [b + 7 for b in text.encode()]
    return [4] + ids + [5] if add_special_tokens else ids


# %% mistake: code points, `ord` | ord
def encode(text, add_special_tokens=True):
    ids = []
    for character in text:
        ids.append(ord(character) + 6)
    return [4] + ids + [5] if add_special_tokens else ids


# %% mistake: code points, `ord` & add 6 to every byte | ord without offset
def encode(text, add_special_tokens=True):
    ids = [ord(c) for c in text]
    return [4] + ids + [5] if add_special_tokens else ids


# %% mistake: These are the bytes of UTF-16 | another encoding
def encode(text, add_special_tokens=True):
    ids = [b + 6 for b in text.encode("utf-16-le")]
    return [4] + ids + [5] if add_special_tokens else ids


# %% mistake: is dropped | ignore
def encode(text, add_special_tokens=True):
    ids = [b + 6 for b in text.encode("ascii", errors="ignore")]
    return [4] + ids + [5] if add_special_tokens else ids


# %% mistake: a question mark | replace
def encode(text, add_special_tokens=True):
    ids = [b + 6 for b in text.encode("ascii", errors="replace")]
    return [4] + ids + [5] if add_special_tokens else ids


# %% mistake: are missing where they are asked for | never
def encode(text, add_special_tokens=True):
    return [b + 6 for b in text.encode()]


# %% mistake: also where they are not asked for | always
def encode(text, add_special_tokens=True):
    return [4, *(b + 6 for b in text.encode()), 5]


# %% mistake: changed places | SEP first
def encode(text, add_special_tokens=True):
    ids = [b + 6 for b in text.encode()]
    return [ByteTokenizer.SEP] + ids + [ByteTokenizer.CLS] if add_special_tokens else ids


# %% mistake: [BOS] and [EOS] | the wrong pair
def encode(text, add_special_tokens=True):
    ids = [b + 6 for b in text.encode()]
    return [ByteTokenizer.BOS] + ids + [ByteTokenizer.EOS] if add_special_tokens else ids


# %% mistake: They are ids already | offset on everything
def encode(text, add_special_tokens=True):
    ids = list(text.encode())
    if add_special_tokens:
        ids = [4] + ids + [5]
    return [i + 6 for i in ids]


# %% unknown | backwards
def encode(text, add_special_tokens=True):
    ids = [b + 6 for b in text.encode()][::-1]
    return [4] + ids + [5] if add_special_tokens else ids


# %% unknown | bytes, not numbers
def encode(text, add_special_tokens=True):
    return [bytes([b]) for b in text.encode()]


# %% unknown | a string
def encode(text, add_special_tokens=True):
    return " ".join(str(b + 6) for b in text.encode())
