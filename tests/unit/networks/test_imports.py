"""Networks run on machines that have torch and numpy and nothing else."""

from __future__ import annotations

import subprocess
import sys

BLOCKED = ("av", "cv2", "kornia", "scenedetect", "pydantic", "typer", "ray", "skimage", "scipy", "xxhash", "spandrel")
PROGRAM = f"""
import sys
sys.modules.update(dict.fromkeys({(*BLOCKED, "safetensors")!r}))
import tempfile, torch
from vsr.errors import MachineError
from vsr.networks import NETWORKS, load_network
from vsr.networks.saving import save_weights
from pathlib import Path
folder = Path(tempfile.mkdtemp())
module = NETWORKS["fsrcnn"].build(2)
torch.save(module.state_dict(), folder / "fsrcnn-x2.pth")
assert load_network(folder / "fsrcnn-x2.pth")(torch.rand(1, 1, 4, 5)).shape == (1, 1, 8, 10)
save_weights(folder / "a.safetensors", module.state_dict(), architecture="fsrcnn", scale=2)
torch.save({{"weight": torch.zeros(3)}}, folder / "other.pth")
for name, package in (("a.safetensors", "safetensors"), ("other.pth", "spandrel")):
    try:
        load_network(folder / name)
    except MachineError as error:
        assert package in str(error), error
    else:
        raise SystemExit("no error")
"""


def test_only_torch_and_numpy() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)
