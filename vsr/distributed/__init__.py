"""Who does the work: this process, or workers on this machine and others."""
