"""Corpus: documents from files or the hub's stand-ins, and crops in which every byte comes exactly once."""

import gzip
import json
import lzma
import math
import os
import sys
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perceiver_edu import ByteTokenizer
from perceiver_edu.data import HELD_OUT
from perceiver_edu.errors import InputError, InputWarning
from perceiver_edu.training import text_files
from perceiver_edu.training.corpus import (
    C4_AND_WIKIPEDIA,
    crop_pack,
    load_crops,
    pack,
    packing_efficiency,
    read_documents,
    shorten,
    stream_mixture,
    write_cache,
)

PAD, CLS, SEP, OFFSET = ByteTokenizer.PAD, ByteTokenizer.CLS, ByteTokenizer.SEP, ByteTokenizer.BYTE_OFFSET
TEXTS = ["One line.\nAnother.", "Zażółć gęślą jaźń 🚀", "", "[MASK] typed by hand"]


def json_lines(texts, field="text"):
    return "".join(json.dumps({field: text}) + "\n" for text in texts).encode()


# ---------------------------------------------------------------- documents


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".jsonl.xz", ".jsonl.gz"])
def test_json_lines(tmp_path, ending):
    file = tmp_path / f"corpus{ending}"
    compress = {"xz": lzma.compress, "gz": gzip.compress}.get(ending.rsplit(".")[-1], bytes)
    file.write_bytes(compress(json_lines(TEXTS) + b"\n"))
    assert list(read_documents(file)) == TEXTS
    file.write_bytes(compress(json_lines(TEXTS, field="content")))
    assert list(read_documents(str(file), text_field="content")) == TEXTS


@pytest.mark.parametrize("ending", [".txt", ".txt.xz", ".txt.gz"])
def test_a_text_file_is_one_document(tmp_path, ending):
    file = tmp_path / f"a.b{ending}"
    compress = {"xz": lzma.compress, "gz": gzip.compress}.get(ending.rsplit(".")[-1], bytes)
    file.write_bytes(compress("zwei\r\n\n\n Zeilen ü".encode()))
    assert list(read_documents([file])) == ["zwei\r\n\n\n Zeilen ü"]


def test_parquet(tmp_path):
    pa = pytest.importorskip("pyarrow", reason="reading Parquet needs pyarrow")
    import pyarrow.parquet as pq

    file = tmp_path / "corpus.parquet"
    pq.write_table(pa.table({"id": list(range(len(TEXTS))), "text": TEXTS}), file)
    assert list(read_documents(file)) == TEXTS
    with pytest.raises(InputError, match=r"corpus\.parquet: no column 'body', only \['id', 'text'\]"):
        list(read_documents(file, text_field="body"))
    pq.write_table(pa.table({"text": ["fine", None]}), file)
    with pytest.raises(InputError, match=r"corpus\.parquet, row 2: 'text' must be text, not NoneType"):
        list(read_documents(file))
    file.write_bytes(b"PAR1 but not really")
    with pytest.raises(InputError, match=r"corpus\.parquet: not a readable Parquet file"):
        list(read_documents(file))


def test_a_parquet_file_with_checksums_never_gives_another_text(tmp_path):
    pa = pytest.importorskip("pyarrow", reason="reading Parquet needs pyarrow")
    import pyarrow.parquet as pq

    file = tmp_path / "corpus.parquet"
    pq.write_table(pa.table({"text": ["the same words, " * 30]}), file, use_dictionary=False,
                   compression="none", write_page_checksum=True, write_statistics=False)  # fmt: skip
    whole = bytearray(file.read_bytes())
    whole[whole.index(b"words")] ^= 1
    file.write_bytes(whole)
    with pytest.raises(InputError, match=r"corpus\.parquet: .*CRC checksum"):
        list(read_documents(file))


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "corpus.parquet").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match="pip install pyarrow"):
        list(read_documents(tmp_path))


def test_two_columns_of_one_name_are_refused(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table([["one"], ["two"]], names=["text", "text"]), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a.parquet: several columns are called 'text'"):
        list(read_documents(tmp_path / "a.parquet"))


def test_a_link_to_a_folder_is_named(tmp_path):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("one")
    (tmp_path / "texts" / "round").symlink_to(tmp_path)
    with pytest.warns(InputWarning, match="not read, because they are links to folders: .*round"):
        assert list(read_documents(tmp_path / "texts")) == ["one"]


def test_a_cache_is_a_folder(tmp_path):
    (tmp_path / "cache").write_text("")
    with pytest.raises(InputError, match="cache is not a folder"):
        load_crops(HELD_OUT, 40, cache=tmp_path / "cache")


def test_folders_are_read_in_the_order_of_names(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.txt").write_text("second")
    (tmp_path / "a.jsonl").write_bytes(json_lines(["first"]))
    (tmp_path / "z.txt.gz").write_bytes(gzip.compress(b"third"))
    (tmp_path / "README.md").write_text("not a document")
    assert list(read_documents(tmp_path)) == ["first", "second", "third"]
    assert list(read_documents([tmp_path / "z.txt.gz", tmp_path / "deep"])) == ["third", "second"]


def test_hidden_files_are_skipped_endings_ignore_case_and_what_is_skipped_is_named(tmp_path):
    for name in ("B.TXT", "a.Txt.GZ", ".hidden.txt", ".ipynb_checkpoints/a-checkpoint.txt", "notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(gzip.compress(b"one") if "GZ" in name else b"two")
    os.mkfifo(tmp_path / "pipe")
    with pytest.warns(InputWarning) as seen:
        assert sorted(read_documents(tmp_path)) == ["one", "two"]
    [warning] = seen
    assert str(warning.message).endswith(": .hidden.txt, .ipynb_checkpoints, notes.md, pipe")
    assert list(read_documents(tmp_path / ".hidden.txt")) == ["two"]  # asked for by its name


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl.xz", "a.parquet"])
def test_a_pipe_as_corpus_ends_at_once(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match=f"{name} is not a plain file"):
        list(read_documents(tmp_path / name))
    with pytest.raises(InputError, match=f"{name} is not a plain file"):
        list(read_documents(tmp_path))


@pytest.mark.parametrize("ending", ["txt", "jsonl"])
def test_a_byte_order_mark_is_no_text(tmp_path, ending):
    content = {"txt": b"Hello\n", "jsonl": json_lines(["Hello\n"])}[ending]
    (tmp_path / f"a.{ending}").write_bytes(b"\xef\xbb\xbf" + content)
    assert list(read_documents(tmp_path)) == ["Hello\n"]


@pytest.mark.parametrize("first", [b"", b"one" * 50_000])
def test_every_stream_of_an_xz_file_is_read_and_checked(tmp_path, first):
    one, two, file = lzma.compress(first), lzma.compress(b"two"), tmp_path / "a.txt.xz"
    for content in (one + two, one + bytes(4) + two, one + two + bytes(8), one + bytes(2**16) + two):
        file.write_bytes(content)
        assert list(read_documents(file)) == [first.decode() + "two"]
    for rest in (two[:-1], two[:6], b"x" + two, bytes(3), bytes(3) + two, two + b"trailing", bytes(4) + b"x",
                 two[:9] + b"?" + two[10:]):  # fmt: skip
        file.write_bytes(one + rest)
        with pytest.raises(InputError, match=r"a\.txt\.xz: cannot be read"):
            list(read_documents(file))


GZ = gzip.compress(b"one of them" * 9, mtime=0)  # without the time, which differs from run to run


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.txt", "Hello".encode("utf-16-le"), "a.txt, line 1: a NUL byte"),
        ("a.txt.gz", GZ + b"trailing", "a.txt.gz: cannot be read"),
        ("a.txt.gz", GZ + GZ[:-3], "a.txt.gz: cannot be read"),
        ("a.jsonl", b'{"text": "fine"}\n{"text": \n', "a.jsonl, line 2: not valid JSON"),
        ("a.jsonl", b'{"text": "a", "text": "b"}\n', "line 1: not valid JSON: the key 'text' occurs twice"),
        ("a.jsonl", b'{"text": "fine"}\n\n{"body": "x"}\n', "a.jsonl, line 3: no field 'text'"),
        ("a.jsonl", b"[1, 2]\n", "a.jsonl, line 1: no field 'text'"),
        ("a.jsonl", b'"text"\n', "a.jsonl, line 1: no field 'text'"),
        ("a.jsonl", b'{"text": 5}\n', "a.jsonl, line 1: 'text' must be text, not int"),
        ("a.jsonl", b'{"text": "\\ud800"}\n', "a.jsonl, line 1: text without a UTF-8 form"),
        ("a.jsonl", b'{"text": "ok"}\n{"text": "\xff"}\n', "a.jsonl, line 2: not UTF-8"),
        ("a.txt", b"one\ntwo\nthr\xffee", "a.txt, line 3: not UTF-8"),
        ("a.jsonl.xz", b"no xz at all", "a.jsonl.xz: cannot be read"),
        ("a.jsonl.xz", lzma.compress(b'{"text": "cut off"}\n')[:-20], "a.jsonl.xz: cannot be read"),
        ("a.txt.gz", GZ[:-12], "a.txt.gz: cannot be read"),
        ("a.txt.gz", b"no gzip at all", "a.txt.gz: cannot be read"),
        ("a.csv", b"text", "a.csv: nothing here ends in .jsonl"),
    ],
)
def test_bad_input_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as error:
        list(read_documents(tmp_path / name))
    assert message in str(error.value)
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize("name", ["a.txt.gz", "lines.txt.gz", "a.jsonl.gz", "a.jsonl.xz"])
def test_a_text_that_would_fill_the_memory_is_named(tmp_path, monkeypatch, name):
    monkeypatch.setattr(text_files, "LONGEST", 1000)
    pack = lzma.compress if name.endswith(".xz") else gzip.compress
    (tmp_path / name).write_bytes(pack((b"a" * 99 + b"\n") * 11 if "lines" in name else bytes(10**6)))
    with pytest.raises(InputError, match=rf"{name}, line (1|11): .*longer|more than 1,000"):
        list(read_documents(tmp_path / name))


def test_missing_files_and_empty_folders_are_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.jsonl: no such file"):
        list(read_documents(tmp_path / "nowhere.jsonl"))
    with pytest.raises(InputError, match="nothing here ends in"):
        list(read_documents(tmp_path))


def test_the_heldout_text_is_100_kb_with_source_and_licence():
    rows = [json.loads(line) for line in HELD_OUT.read_text(encoding="utf-8").splitlines()]
    assert {row["licence"] for row in rows} == {"public domain"} and all(row["source"] for row in rows)
    assert 95_000 < sum(len(text.encode()) for text in read_documents(HELD_OUT)) < 105_000


# ---------------------------------------------------------------- the mixture


def stand_ins(tmp_path, web=3000, articles=1500):
    """A web of short pages and an encyclopedia of long ones, in the places of C4 and Wikipedia."""
    pages = [f"w{i} " + "x" * (20 + i % 60) for i in range(web)]
    entries = [f"a{i} " + "y" * (300 + i % 200) for i in range(articles)]
    mixture = []
    for (share, _), name, texts in zip(C4_AND_WIKIPEDIA, ("web", "articles"), (pages, entries), strict=True):
        (tmp_path / f"{name}.jsonl").write_bytes(json_lines(texts))
        mixture.append((share, {"path": "json", "data_files": str(tmp_path / f"{name}.jsonl")}))
    return mixture, pages, entries


def test_the_stream_mixes_by_bytes_not_by_documents(tmp_path):
    pytest.importorskip("datasets", reason="the mixture streams through the datasets library")
    mixture, pages, entries = stand_ins(tmp_path)
    texts = list(stream_mixture(mixture, shuffle_buffer=100))
    assert len(set(texts)) == len(texts) and set(texts) <= set(pages + entries), "each document at most once"
    from_web = sum(len(text) for text in texts if text.startswith("w"))
    assert abs(from_web / sum(map(len, texts)) - 0.7) < 0.03
    assert len([text for text in texts if text.startswith("w")]) == len(pages), (
        "to the end of the first source"
    )
    assert texts == list(stream_mixture(mixture, shuffle_buffer=100)), "the same seed, the same stream"
    assert texts != list(stream_mixture(mixture, shuffle_buffer=100, seed=1))


def test_the_stream_can_be_packed_at_once(tmp_path):
    pytest.importorskip("datasets", reason="the mixture streams through the datasets library")
    mixture, *_ = stand_ins(tmp_path)
    crops = torch.stack(list(islice(pack(stream_mixture(mixture, shuffle_buffer=10), 64), 20)))
    assert crops.shape == (20, 64)


def test_the_mixture_is_the_cards():
    assert [(share, where["path"]) for share, where in C4_AND_WIKIPEDIA] == [
        (0.7, "allenai/c4"),
        (0.3, "wikimedia/wikipedia"),
    ]


def test_a_source_that_is_not_there_is_named(tmp_path):
    pytest.importorskip("datasets", reason="the mixture streams through the datasets library")
    mixture, *_ = stand_ins(tmp_path)
    with pytest.raises(InputError, match="nowhere"):
        next(stream_mixture([(1.0, {"path": "json", "data_files": str(tmp_path / "nowhere.jsonl")})]))
    with pytest.raises(InputError, match="no field 'body'"):
        next(stream_mixture(mixture, text_field="body"))


def test_without_datasets_the_stream_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match="pip install datasets"):
        next(stream_mixture())


# ---------------------------------------------------------------- crops

documents = st.lists(st.text(max_size=60), max_size=25)


@given(documents, st.integers(3, 50), st.integers(1, 11))
@settings(deadline=None)  # a busy machine is no failure
def test_every_byte_of_every_document_comes_exactly_once_in_order(texts, length, per_pack):
    crops = list(pack(texts, length, per_pack))
    for crop in crops:
        assert crop.shape == (length,) and crop.dtype == torch.int16
        ids = crop[crop != PAD].tolist()
        assert ids[0] == CLS and ids[-1] == SEP and len(ids) >= 3
        assert (crop[len(ids) :] == PAD).all(), "padding only at the end"
    ids = torch.cat(crops).tolist() if crops else []
    assert bytes(i - OFFSET for i in ids if i >= OFFSET) == "".join(texts).encode()


@given(documents, st.integers(3, 50))
@settings(deadline=None)  # a busy machine is no failure
def test_documents_are_told_apart_and_only_the_last_crop_is_padded(texts, length):
    crops = crop_pack(texts, length)
    body = [i for crop in crops.tolist() for i in crop[1:-1]]  # without [CLS] and the last [SEP]
    expected = [i for text in texts if text for i in (SEP, *(OFFSET + byte for byte in text.encode()))][1:]
    assert body[: len(expected)] == expected
    assert body[len(expected) :] in ([], [SEP] + [PAD] * (len(body) - len(expected) - 1))
    assert len(crops) == math.ceil(len(expected) / (length - 2))


def test_crops_of_an_example():
    [first, second, third] = pack(["abc", "", "d", "ef"], length=5, documents_per_pack=3)
    a = OFFSET + ord("a")
    assert first.tolist() == [CLS, a, a + 1, a + 2, SEP]
    assert second.tolist() == [CLS, SEP, a + 3, SEP, PAD]
    assert third.tolist() == [CLS, a + 4, a + 5, SEP, PAD]


def test_joining_documents_saves_padding():
    texts = list(read_documents(HELD_OUT))
    alone, joined = (torch.stack(list(pack(texts, 2048, n))) for n in (1, 10))
    assert packing_efficiency(alone) < 0.85
    assert packing_efficiency(joined) > 0.93
    assert packing_efficiency(torch.tensor([[CLS, 70, 71, SEP], [CLS, 70, SEP, PAD]])) == 3 / 8


def test_a_crop_needs_room():
    with pytest.raises(InputError, match="a crop of 2 ids has no room"):
        next(pack(["text"], 2))


def test_load_crops_is_pack_and_the_cache_changes_nothing(tmp_path):
    expected = torch.stack(list(pack(read_documents(HELD_OUT), 100)))
    assert (load_crops(HELD_OUT, 100, progress=False) == expected).all()
    for _ in range(2):
        assert (load_crops(HELD_OUT, 100, cache=tmp_path / "new", progress=False) == expected).all()
    [stored] = (tmp_path / "new").iterdir()
    write_cache(stored, expected[:3])
    cached = load_crops(HELD_OUT, 100, cache=tmp_path / "new", progress=False)
    assert len(cached) == 3, "read from the cache"
    cached[:] = 0
    assert (np.load(stored) == expected.numpy()[:3]).all(), "the trainer cannot spoil it"
    whole = stored.read_bytes()
    for damaged in (whole[:-1], whole[:200], b"", whole[:150] + b"\1" + whole[151:], whole + b"\0"):
        stored.write_bytes(damaged)
        with pytest.warns(InputWarning, match="is damaged: the text is read again"):
            assert (load_crops(HELD_OUT, 100, cache=tmp_path / "new", progress=False) == expected).all()
        assert len(load_crops(HELD_OUT, 100, cache=tmp_path / "new", progress=False)) == len(expected)
    for other in (dict(length=101), dict(length=100, documents_per_pack=2)):
        assert len(load_crops(HELD_OUT, cache=tmp_path / "new", progress=False, **other)) > 3


def test_a_changed_file_is_read_again(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("old")
    assert load_crops(file, 8, cache=tmp_path / "cache", progress=False)[0, 1] == OFFSET + ord("o")
    file.write_text("new")
    os.utime(file, (1, 1))
    assert load_crops(file, 8, cache=tmp_path / "cache", progress=False)[0, 1] == OFFSET + ord("n")


@pytest.mark.parametrize("text", ["", " \n\t\r\n", " " * 99])
def test_a_corpus_without_text_is_refused(tmp_path, text):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(InputError, match=r"no text in .*a\.txt" + ", only white space" * bool(text)):
        load_crops(tmp_path, 8, cache=tmp_path / "cache", progress=False)
    (tmp_path / "b.txt").write_text("b")
    assert len(load_crops(tmp_path, 200, cache=tmp_path / "cache", progress=False)) == 1


def test_shorten_makes_rows_that_the_tokenizer_could_have_made():
    crops = crop_pack(["x" * 900], 100).long()
    rows = crops[:9].repeat(300, 1)
    short = shorten(rows, 0.5, shortest=10, generator=torch.Generator().manual_seed(0))
    lengths = (short != PAD).sum(1)
    assert ((short == SEP).sum(1) == 1).all() and (short[:, 0] == CLS).all()
    assert (short[torch.arange(len(rows)), lengths - 1] == SEP).all()
    inside = torch.arange(100) < lengths[:, None] - 1
    assert (short[inside] == rows[inside]).all()
    assert lengths.min() == 10 and abs((lengths < 100).double().mean() - 0.5 * 90 / 91) < 0.05
    assert (shorten(rows, 0.0) == rows).all()
    padded = crops[-1:]  # 900 - 9 · 98 = 18 bytes
    assert (shorten(padded, 1.0, shortest=50) == padded).all(), "a row that is shorter already stays"
