"""Reconstruction from several frames by an observation model of the camera; see docs/reconstruction.md.

`multi_frame` is the method; `calibration` estimates blur and noise from a shot's first frames; `window` holds the
frames around one and the motion between them; `reconstruct` inverts the model for one frame; `luma` goes from planes to
the luma that is solved for and back; `weighing` weights samples, and holds the quality levels.
"""
