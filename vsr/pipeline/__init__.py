"""From a video file to a better one: settings, plan, segment worker, assembly, manifest, verification."""
