"""One sharp still from many frames, and the record that proves it."""
