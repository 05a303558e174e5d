"""Damaged files of users: the text as it was, or an error of one line; with a checksum never another text.

A case is a format and a damage. It runs in this process, with an alarm against what would never end.
"""

import gzip
import io
import json
import lzma
import random
import warnings
from collections import Counter

import pytest
from time_limit import at_most

from perceiver_edu.errors import InputError, InputWarning
from perceiver_edu.training.corpus import load_crops, read_documents
from perceiver_edu.training.labelled import Column, read_labelled

WORDS = [
    "The",
    "river",
    "is",
    "wide",
    "and",
    "old",
    "bridges",
    "stand",
    "by",
    "hand;",
    "é,",
    "中",
    "🙂",
    "rest",
]
TEXTS = [" ".join(random.Random(n).choices(WORDS, k=60)) for n in range(9)]
ROWS = [{"text": text, "label": "ab"[n % 2]} for n, text in enumerate(TEXTS)]


def json_lines(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def separated(separator, quote=""):
    rows = [("text", "label"), *((quote + row["text"] + quote, row["label"]) for row in ROWS)]
    return "".join(f"{text}{separator}{label}\n" for text, label in rows).encode()


def parquet():
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(pa.table({"text": TEXTS}), file, write_page_checksum=True, row_group_size=4)
    return file.getvalue()


def documents(path):
    return list(read_documents(path))


def labelled(path):
    data = read_labelled(path, ["text"], [Column("label")])
    return data.texts, data.values


def from_folder(path):
    return documents(path.parent)


def from_cache(path):
    """The crops of a corpus of its own, whose cache is the damaged file."""
    corpus, folder = path.parent / "corpus", path.parent / "cache"
    if not corpus.exists():
        corpus.mkdir()
        (corpus / "a.txt").write_text("\n".join(TEXTS), "utf-8")
    load_crops(corpus / "a.txt", 64, cache=folder, progress=False)
    [stored] = folder.iterdir()
    if path.exists():
        stored.write_bytes(path.read_bytes())
    else:
        path.write_bytes(stored.read_bytes())
    return load_crops(corpus / "a.txt", 64, cache=folder, progress=False).tolist()


TEXT, JSON = "\n".join(TEXTS).encode(), json_lines(ROWS)
FORMATS = {  # name of the file: how it is read, its bytes, whether it has a checksum
    "a.txt": (documents, TEXT, False),
    "a.jsonl": (documents, JSON, False),
    "a.txt.xz": (documents, lzma.compress(TEXT), True),
    "a.jsonl.gz": (documents, gzip.compress(JSON, mtime=0), True),
    "a.parquet": (documents, None, True),
    "labelled.csv": (labelled, separated(",", '"'), False),
    "labelled.tsv": (labelled, separated("\t"), False),
    "labelled.jsonl": (labelled, JSON, False),
    "folder.txt.gz": (from_folder, gzip.compress(TEXT, mtime=0), True),
    "crops.npy": (from_cache, None, True),
}


def truncate(rng, content):
    return content[: rng.randrange(len(content))]


def flip(rng, content):
    changed = bytearray(content)
    changed[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def trailing(rng, content):
    return content + rng.choice([b"\0", b"x", bytes(4), rng.randbytes(rng.randrange(1, 99)), content[:40]])


def wrong_encoding(rng, content):
    text = content.decode("utf-8", errors="replace")
    return text.encode(rng.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "gb18030"]))


def byte_order_mark(rng, content):
    return b"\xef\xbb\xbf" + content


def nul(rng, content):
    place = rng.randrange(len(content))
    return content[:place] + b"\0" + content[place:]


def empty(rng, content):
    return b""


DAMAGES = [truncate, flip, trailing, wrong_encoding, byte_order_mark, nul, empty]


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_file_is_read_as_it_was_or_refused(name, tmp_path, tally):
    read, content, has_checksum = FORMATS[name]
    path = tmp_path / name
    if name == "crops.npy":
        whole = read(path)
        content = path.read_bytes()
    else:
        content = parquet() if content is None else content
        path.write_bytes(content)
        whole = read(path)
    rng, found, wrong = random.Random(name), Counter(), []
    for damage in DAMAGES:
        for number in range(1 if damage in (empty, byte_order_mark) else 10):
            path.write_bytes(damage(rng, content))
            what = f"{damage.__name__} {number}"
            try:
                with at_most(20), warnings.catch_warnings():
                    warnings.simplefilter("ignore", InputWarning)
                    got = read(path)
            except InputError as error:
                found["refused in one line"] += 1
                if "\n" in str(error) or name not in str(error):
                    wrong.append(f"{what}: {str(error)[:200]!r}")
            except Exception as error:
                wrong.append(f"{what}: {type(error).__name__}: {str(error)[:200]}")
            else:
                found["read as it was" if got == whole else "read, with another text"] += 1
                sure = has_checksum or damage in (byte_order_mark, nul)
                if got != whole and (sure or (damage is wrong_encoding)):
                    wrong.append(f"{what}: another text was read")
    assert not wrong, "\n".join(wrong)
    for outcome, number in found.items():
        tally(f"damaged files {outcome}" + ("" if has_checksum else " (no checksum)"), number)
