"""Networks as methods: one adaptor for each family of networks, on what all of them share.

`model` resolves which networks run and how exactly, `colour` goes from planes to what a network takes and back,
`several_frames` is shared by the families that look at more than one frame. The table `ADAPTORS` in
`vsr.methods.registry` says which adaptor serves which family.
"""
