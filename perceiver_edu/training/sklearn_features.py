"""A trained model as a scikit-learn transformer: texts in, features out, for any pipeline."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from perceiver_edu.training.features import Pooling, extract_features
from perceiver_edu.weights.pretrained import load_pretrained


class PerceiverFeatures(TransformerMixin, BaseEstimator):
    """Texts -> features (num_texts, F), see `extract_features`. Nothing is learned: `fit` loads the model.

        make_pipeline(PerceiverFeatures(), StandardScaler(), LogisticRegression()).fit(texts, labels)

    Args:
        weights: whose, see `load_pretrained`; None = PERCEIVER_EDU_WEIGHTS, or else embedded.
        pooling, batch_size, truncation, progress: as in `extract_features`.

    `X` is a list of texts; of a table (num_texts, columns) a row is one text, its columns joined by [SEP],
    and numbers are read as they are written.
    """

    def __init__(
        self,
        weights: str | None = None,
        pooling: Pooling = "mean",
        batch_size: int = 32,
        truncation: bool = False,
        progress: bool = False,
    ):
        self.weights = weights
        self.pooling = pooling
        self.batch_size = batch_size
        self.truncation = truncation
        self.progress = progress

    def fit(self, X: Any, y: Any = None) -> Self:
        """X: texts (num_texts,) or (num_texts, columns). -> itself."""
        self._texts(X, reset=True)
        self.model_ = load_pretrained(self.weights)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """X as in `fit` -> features (num_texts, F) float32."""
        check_is_fitted(self, "model_")
        return extract_features(
            self.model_,
            self._texts(X, reset=False),
            self.pooling,
            batch_size=self.batch_size,
            truncation=self.truncation,
            progress=self.progress,
        )

    def _texts(self, X: Any, reset: bool) -> list[str]:
        """Raises: ValueError for what is no list or table of texts."""
        if not hasattr(X, "ndim"):  # a list; a table of pandas, or a sparse one, has its own way
            X = np.asarray(X, dtype=object)
        if X.ndim == 1 and len(X) and all(isinstance(text, str) for text in X):
            return list(X)
        table = validate_data(self, X, reset=reset, dtype=None, ensure_all_finite=True)
        return ["[SEP]".join(str(value) for value in row) for row in table]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []  # features are float32, whatever comes in
        return tags
