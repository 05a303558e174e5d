# What learners hand in for 01.pack; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | bytes with a separator that no text can hold
def pack(documents, length):
    import math

    joined = [5 if byte == 0xFF else byte + 6 for byte in b"\xff".join(text.encode() for text in documents)]
    crops = torch.zeros(math.ceil(len(joined) / (length - 2)), length, dtype=torch.long)
    for row, start in zip(crops, range(0, len(joined), length - 2)):
        piece = joined[start : start + length - 2]
        row[0] = 4
        row[1 : 1 + len(piece)] = torch.tensor(piece)
        row[1 + len(piece)] = 5
    return crops


# %% correct | a generator and pad_sequence
def pack(texts, size):
    def stream():
        for text in texts[:-1]:
            yield from ByteTokenizer().encode(text, add_special_tokens=False)
            yield 5
        yield from ByteTokenizer().encode(texts[-1], add_special_tokens=False)

    ids = torch.tensor(list(stream()))
    rows = [torch.cat([torch.tensor([4]), part, torch.tensor([5])]) for part in ids.split(size - 2)]
    rows.append(torch.zeros(size, dtype=torch.long))  # so that all are as long as a crop
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)[:-1]


# %% correct | pop from a list
def pack(documents, length):
    ids = []
    for document in documents:
        ids += [byte + 6 for byte in document.encode()] + [ByteTokenizer.SEP]
    ids.pop()
    crops = []
    while ids:
        body, ids = ids[: length - 2], ids[length - 2 :]
        crops.append(([4] + body + [5] + [0] * length)[:length])
    return torch.tensor(crops, dtype=torch.int32)


# %% mistake: Join them first | each document alone
def pack(documents, length):
    crops = []
    for document in documents:
        ids = [byte + 6 for byte in document.encode()]
        for start in range(0, len(ids), length - 2):
            crop = [4] + ids[start : start + length - 2] + [5]
            crops.append(crop + [0] * (length - len(crop)))
    return torch.tensor(crops)


# %% mistake: the rest is lost | truncation
def pack(documents, length):
    ids, mask = ByteTokenizer().batch(documents, pad_to=length, truncation=True)
    return ids


# %% mistake: The last crop is dropped | as many data loaders do
def pack(documents, length):
    ids = []
    for document in documents:
        ids += [byte + 6 for byte in document.encode()] + [5]
    ids = ids[:-1]
    full = len(ids) // (length - 2)
    body = torch.tensor(ids[: full * (length - 2)], dtype=torch.long).view(full, length - 2)
    ends = torch.ones(full, 1, dtype=torch.long)
    return torch.cat([4 * ends, body, 5 * ends], dim=1)


# %% mistake: You cut in steps of `length` | two lost at each cut
def pack(documents, length):
    ids = ByteTokenizer().encode(documents[0], False)
    for document in documents[1:]:
        ids += [5] + ByteTokenizer().encode(document, False)
    crops = []
    for start in range(0, len(ids), length):
        crop = [4] + ids[start : start + length - 2] + [5]
        crops.append(crop + [0] * (length - len(crop)))
    return torch.tensor(crops)


# %% mistake: Put them around each crop | encode with special tokens, then cut
def pack(documents, length):
    ids = sum((ByteTokenizer().encode(document) for document in documents), [])
    ids += [0] * (-len(ids) % length)
    return torch.tensor(ids).view(-1, length)


# %% mistake: The crops have no [CLS] and [SEP] of their own | bare
def pack(documents, length):
    ids = []
    for document in documents:
        ids += [5] + [byte + 6 for byte in document.encode()]
    ids = ids[1:]
    ids += [0] * (-len(ids) % length)
    return torch.tensor(ids).reshape(-1, length)


# %% mistake: Nothing stands between two documents | one text
def pack(documents, length):
    ids = ByteTokenizer().encode("".join(documents), False)
    crops = [[4, *ids[i : i + length - 2], 5] for i in range(0, len(ids), length - 2)]
    return torch.tensor([crop + [0] * (length - len(crop)) for crop in crops])


# %% mistake: A newline stands between | join
def pack(documents, length):
    ids = ByteTokenizer().encode("\n".join(documents), False)
    crops = [[4, *ids[i : i + length - 2], 5] for i in range(0, len(ids), length - 2)]
    return torch.tensor([crop + [0] * (length - len(crop)) for crop in crops])


# %% mistake: A space stands between | join
def pack(documents, length):
    ids = ByteTokenizer().encode(" ".join(documents), False)
    crops = [[4, *ids[i : i + length - 2], 5] for i in range(0, len(ids), length - 2)]
    return torch.tensor([crop + [0] * (length - len(crop)) for crop in crops])


# %% mistake: A separator follows the last document too | after each
def pack(documents, length):
    ids = []
    for document in documents:
        ids += [byte + 6 for byte in document.encode()]
        ids.append(ByteTokenizer.SEP)
    crops = [[4, *ids[i : i + length - 2], 5] for i in range(0, len(ids), length - 2)]
    return torch.tensor([crop + [0] * (length - len(crop)) for crop in crops])


# %% mistake: [PAD] stands between | joined with padding
def pack(documents, length):
    ids = ByteTokenizer().encode("[PAD]".join(documents), False)
    crops = [[4, *ids[i : i + length - 2], 5] for i in range(0, len(ids), length - 2)]
    return torch.tensor([crop + [0] * (length - len(crop)) for crop in crops])


# %% mistake: in the last column | SEP after the padding
def pack(documents, length):
    ids = ByteTokenizer().encode("[SEP]".join(documents), False)
    ids += [0] * (-len(ids) % (length - 2))
    body = torch.tensor(ids).view(-1, length - 2)
    return torch.nn.functional.pad(torch.nn.functional.pad(body, (1, 0), value=4), (0, 1), value=5)


# %% mistake: no [SEP] at the end of its text | only full crops get one
def pack(documents, length):
    ids = ByteTokenizer().encode("[SEP]".join(documents), False)
    crops = []
    for i in range(0, len(ids), length - 2):
        crop = [4, *ids[i : i + length - 2]]
        crop += [5] if len(crop) == length - 1 else [0] * (length - len(crop))
        crops.append(crop)
    return torch.tensor(crops)


# %% mistake: code points, `ord` | characters
def pack(documents, length):
    ids = []
    for document in documents:
        ids += [5] * bool(ids) + [ord(character) + 6 for character in document]
    crops = [[4, *ids[i : i + length - 2], 5] for i in range(0, len(ids), length - 2)]
    return torch.tensor([crop + [0] * (length - len(crop)) for crop in crops])


# %% mistake: id = byte + 6 | no offset
def pack(documents, length):
    ids = []
    for document in documents:
        ids += [5] * bool(ids) + list(document.encode())
    crops = [[4, *ids[i : i + length - 2], 5] for i in range(0, len(ids), length - 2)]
    return torch.tensor([crop + [0] * (length - len(crop)) for crop in crops])


# %% unknown | longest first
def pack(documents, length):
    ids = ByteTokenizer().encode("[SEP]".join(sorted(documents, key=len, reverse=True)), False)[::-1]
    crops = [[4, *ids[i : i + length - 2], 5] for i in range(0, len(ids), length - 2)]
    return torch.tensor([crop + [0] * (length - len(crop)) for crop in crops])


# %% unknown | the first crop only
def pack(documents, length):
    return ByteTokenizer().batch(["[SEP]".join(documents)], pad_to=length, truncation=True)[0][0]


# %% unknown | a list, not a tensor
def pack(documents, length):
    ids = ByteTokenizer().encode("[SEP]".join(documents), False)
    return [[4, *ids[i : i + length - 2], 5] for i in range(0, len(ids), length - 2)]
