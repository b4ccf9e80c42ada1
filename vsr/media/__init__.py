"""Reading and writing video: probe, decode, colour, encode, mux, image sequences.

The only layer (with the VMAF metric) that touches FFmpeg, through PyAV and the bundled ffmpeg program.
"""
