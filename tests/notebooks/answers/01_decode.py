# What learners hand in for 01.decode; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | one join of bytes
def decode(ids, skip_special_tokens=False):
    names = [b"" if skip_special_tokens else name.encode() for name in ByteTokenizer.SPECIAL_TOKENS]
    return b"".join(bytes([i - 6]) if i > 5 else names[i] for i in ids).decode("utf-8", "replace")


# %% correct | runs of bytes, joined as text
def decode(ids, skip=False):
    from itertools import groupby

    text = ""
    for special, run in groupby(ids, key=lambda i: i < 6):
        if not special:
            text += bytes(i - 6 for i in run).decode(errors="replace")
        elif not skip:
            text += "".join(ByteTokenizer.SPECIAL_TOKENS[i] for i in run)
    return text


# %% mistake: Each byte became a character | chr
def decode(ids, skip_special_tokens=False):
    out = ""
    for i in ids:
        if i >= 6:
            out += chr(i - 6)
        elif not skip_special_tokens:
            out += ByteTokenizer.SPECIAL_TOKENS[i]
    return out


# %% mistake: Each byte is decoded alone | byte by byte
def decode(ids, skip_special_tokens=False):
    out = []
    for i in ids:
        if i >= 6:
            out.append(bytes([i - 6]).decode(errors="replace"))
        elif not skip_special_tokens:
            out.append(ByteTokenizer.SPECIAL_TOKENS[i])
    return "".join(out)


# %% mistake: byte = id - 6 | no offset
def decode(ids, skip_special_tokens=False):
    out = b""
    for i in ids:
        if i >= 6:
            out += bytes([i % 256])
        elif not skip_special_tokens:
            out += ByteTokenizer.SPECIAL_TOKENS[i].encode()
    return out.decode(errors="replace")


# %% mistake: Half a character vanishes | ignore
def decode(ids, skip_special_tokens=False):
    parts = []
    for i in ids:
        if i >= 6:
            parts.append(bytes([i - 6]))
        elif not skip_special_tokens:
            parts.append(ByteTokenizer.SPECIAL_TOKENS[i].encode())
    return b"".join(parts).decode(errors="ignore")


# %% mistake: skipped even where they should be shown | always skipped
def decode(ids, skip_special_tokens=False):
    return bytes(i - 6 for i in ids if i >= 6).decode(errors="replace")


# %% mistake: shown even where they should be skipped | never skipped
def decode(ids, skip_special_tokens=False):
    names = ByteTokenizer.SPECIAL_TOKENS
    return b"".join(names[i].encode() if i < 6 else bytes([i - 6]) for i in ids).decode(errors="replace")


# %% mistake: The first and the last id are cut off | [1:-1]
def decode(ids, skip_special_tokens=False):
    names = ByteTokenizer.SPECIAL_TOKENS
    return b"".join(names[i].encode() if i < 6 else bytes([i - 6]) for i in ids[1:-1]).decode(
        errors="replace"
    )


# %% unknown | strict
def decode(ids, skip_special_tokens=False):
    names = [b"" if skip_special_tokens else name.encode() for name in ByteTokenizer.SPECIAL_TOKENS]
    return b"".join(bytes([i - 6]) if i > 5 else names[i] for i in ids).decode()


# %% unknown | bytes returned
def decode(ids, skip_special_tokens=False):
    return bytes(i - 6 for i in ids if i >= 6)


# %% unknown | capitals
def decode(ids, skip_special_tokens=False):
    return ByteTokenizer().decode(ids, skip_special_tokens).upper()
