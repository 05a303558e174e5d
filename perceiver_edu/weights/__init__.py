"""Weights in and out: files and folders, the hub, Hugging Face's names, published values, our checkpoint."""
