"""Outputs packed for an archive: BagIt folders with PREMIS descriptions."""

from vsr.archive.bag import Bag, make_bag

__all__ = ["Bag", "make_bag"]
