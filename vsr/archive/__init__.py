"""Outputs for an archive: packed into BagIt folders with PREMIS descriptions, and signed by content credentials."""

from vsr.archive.bag import Bag, make_bag
from vsr.archive.sign import Signed, sign_output

__all__ = ["Bag", "Signed", "make_bag", "sign_output"]
