"""Features: the same whatever stands beside a text, to NumPy and to Arrow; and what scikit-learn asks."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pandas
import pytest
import runs
import torch

from perceiver_edu import ByteTokenizer, PerceiverIOForMaskedLM
from perceiver_edu.errors import InputError
from perceiver_edu.fast import optimize
from perceiver_edu.training import features as module
from perceiver_edu.training.features import extract_features, features_to_arrow
from perceiver_edu.weights.pretrained import save_pretrained

CONFIG = replace(runs.CONFIG, max_position_embeddings=300, num_latents=5, initializer_range=0.5)
TEXTS = ["abc " * n + "é" for n in (9, 1, 30, 2, 17, 3, 60)]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return PerceiverIOForMaskedLM(CONFIG).eval()


def one_by_one(model, text, pooling):
    ids = torch.tensor([ByteTokenizer().encode(text)])
    with torch.no_grad():
        inputs = model.embedding(ids)
        latents = model.processor(model.encoder(inputs))
        return {
            "mean": lambda: latents[0].mean(0),
            "query": lambda: model.decoder(model.queries.positions[None, :1], latents)[0, 0],
            "bytes": lambda: model.embedding.byte_embedding(ids)[0].mean(0),
            (3, 0): lambda: torch.cat([latents[0, 3], latents[0, 0]]),
        }[pooling]().numpy()


@pytest.mark.parametrize("pooling, width", [("mean", 12), ("query", 8), ("bytes", 8), ((3, 0), 24)])
@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_each_text_has_its_own_features_in_its_own_place(model, pooling, width, batch_size):
    got = extract_features(model, TEXTS, pooling, batch_size=batch_size, progress=False)
    assert got.shape == (len(TEXTS), width) and got.dtype == np.float32
    expected = np.stack([one_by_one(model, text, pooling) for text in TEXTS])
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_an_optimized_model_gives_the_same_features(model, engine):
    if engine == "openvino":
        pytest.importorskip("openvino")
    fast = optimize(model, engine=engine)
    for pooling in ("mean", "query", [3, 0]):
        expected = extract_features(model, TEXTS, pooling, progress=False)
        got = extract_features(fast, TEXTS, pooling, progress=False)
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="choose from mean, query, or a list of latents"):
        extract_features(fast, TEXTS, "bytes", progress=False)


def test_no_batch_is_larger_than_asked_and_lengths_stand_together(model, monkeypatch):
    seen = []
    original = module.pool
    monkeypatch.setattr(
        module, "pool", lambda m, ids, *rest: seen.append(ids.shape) or original(m, ids, *rest)
    )
    extract_features(model, TEXTS, batch_size=2, progress=False)
    assert [tuple(shape) for shape in seen] == [(2, 12), (2, 40), (2, 124), (1, 244)]


def test_arrow_holds_the_same_and_texts_may_come_one_by_one(model, tmp_path, monkeypatch):
    import pyarrow as pa

    monkeypatch.setattr(module, "CHUNK", 3)  # several chunks
    taken = iter(TEXTS)
    assert features_to_arrow(model, taken, tmp_path / "f.arrow", progress=False) == len(TEXTS)
    with pa.memory_map(str(tmp_path / "f.arrow")) as file:
        table = pa.ipc.open_file(file).read_all()
        got = np.stack(table["features"].to_pylist())
    np.testing.assert_allclose(got, extract_features(model, TEXTS, progress=False), rtol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["f.arrow"]


def test_bad_texts_and_poolings_are_named_and_leave_no_file(model, tmp_path):
    for texts, options, words in (
        (["a", 3], {}, "text 1: a text must be a str, got int"),
        (["a", "b" * 299], {}, "text 1: the text is 301 ids long"),
        ("abc", {}, "wrap it as"),
        ({"text": ["a"]}, {}, r"texts must be a list, not a dict: give one of its columns"),
        ({"a", "b"}, {}, "texts must be a list, not a set"),
        (pandas.DataFrame({"text": ["a"], "label": [0]}), {}, "texts must be a list, not a DataFrame"),
        (["a"], {"pooling": "max"}, "no pooling 'max'; choose from mean, query, bytes"),
        (["a"], {"pooling": [0, 5]}, "numbers from 0 to 4"),
        (["a"], {"pooling": []}, "no pooling"),
        (["a"], {"batch_size": 0}, "batch_size must be a whole number from 1"),
    ):
        with pytest.raises(InputError, match=words):
            extract_features(model, texts, progress=False, **options)
        with pytest.raises(InputError, match=words):
            features_to_arrow(model, texts, tmp_path / "f.arrow", progress=False, **options)
    assert not list(tmp_path.iterdir())
    assert extract_features(model, ["b" * 299], truncation=True, progress=False).shape == (1, 12)
    assert extract_features(model, [], progress=False).shape == (0, 12)
    assert extract_features(model, pandas.Series(["a", "b"]), progress=False).shape == (2, 12)


def test_a_model_that_answers_nan_has_no_features(model):
    broken = deepcopy(model)
    broken.encoder.latents.data *= float("nan")
    with pytest.raises(InputError, match="the model returns NaN or infinity"):
        extract_features(broken, ["a"], progress=False)


def test_of_joined_columns_the_longest_is_truncated_first(model):
    got = extract_features(model, ["a" * 400 + "[SEP]b"], truncation=True, progress=False)
    assert np.array_equal(got, extract_features(model, ["a" * 296 + "[SEP]b"], progress=False))


def test_the_model_stays_in_the_mode_it_was_in(model, capsys):
    model.train()
    extract_features(model, ["a"])
    assert model.training and "text" in capsys.readouterr().err  # the progress bar
    model.eval()


# ---------------------------------------------------------------- scikit-learn


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights")
    save_pretrained(model, path)
    return str(path)


def test_scikit_learns_own_checks_pass(folder, capsys):
    from sklearn.utils.estimator_checks import check_estimator

    from perceiver_edu.training.sklearn_features import PerceiverFeatures

    results = check_estimator(PerceiverFeatures(folder, truncation=True), on_fail=None, on_skip=None)
    by_status = {}
    for result in results:
        by_status.setdefault(result["status"], []).append(result["check_name"])
    with capsys.disabled():
        print("\nscikit-learn's estimator checks")
        for status, names in by_status.items():
            print(f"  {status}: {', '.join(names)}")
    assert len(by_status["passed"]) >= 40
    assert not by_status.get("failed")
    assert set(by_status.get("skipped", [])) <= {"check_array_api_input"}  # wants SCIPY_ARRAY_API=1


def test_it_serves_in_a_pipeline_and_a_grid_search(folder):
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from perceiver_edu.training.sklearn_features import PerceiverFeatures

    texts = [letter * length for length in range(5, 25) for letter in "xo"]
    labels = [text[0] for text in texts]
    pipeline = make_pipeline(PerceiverFeatures(folder), StandardScaler(), LogisticRegression())
    search = GridSearchCV(pipeline, {"perceiverfeatures__pooling": ["mean", "bytes"]}, cv=3).fit(
        texts, labels
    )
    assert search.score(["xxxxxxxx", "oooooooo"], ["x", "o"]) == 1


def test_a_table_of_texts_is_read_as_one_text_a_row(model, folder):
    from perceiver_edu.training.sklearn_features import PerceiverFeatures

    got = PerceiverFeatures(folder).fit_transform(np.array([["a", "b"], ["c", "d"]], dtype=object))
    np.testing.assert_allclose(
        got, extract_features(model, ["a[SEP]b", "c[SEP]d"], progress=False), rtol=1e-5
    )
