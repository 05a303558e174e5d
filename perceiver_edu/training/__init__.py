"""Training a Perceiver IO: text, masks, the loop, and how good the result is."""
