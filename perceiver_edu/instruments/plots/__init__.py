"""Pictures, one module a subject; all of them draw on axes that `figure` opens."""
