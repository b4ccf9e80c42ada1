"""What a Ray cluster has, and how many workers there is room for."""

from __future__ import annotations

from vsr.errors import MachineError, UsageError
from vsr.pipeline.settings import Settings

__all__ = ["check_room", "gpus_each", "shortage"]


def _resources() -> dict[str, float]:
    """What the cluster has in all."""
    import ray

    found: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return found


def shortage(num_cpus: float, num_gpus: float) -> str:
    """What a worker must wait for because others use it, in words; nothing where there is room for one."""
    import ray

    found, free = _resources(), ray.available_resources()  # type: ignore[no-untyped-call]
    for name, each, what in (("CPU", num_cpus, "CPU cores"), ("GPU", num_gpus, "GPUs")):
        if free.get(name, 0.0) < each:
            return f"{each:g} {what} a worker; {free.get(name, 0):g} of the cluster's {found.get(name, 0):g} are free"
    return ""


def gpus_each(settings: Settings) -> float:
    """GPUs that each worker is given."""
    found = _resources().get("GPU", 0.0)
    if settings.num_gpus:
        if not found:
            raise MachineError(f"num_gpus = {settings.num_gpus:g}: Ray knows of no GPU")
        return settings.num_gpus
    if settings.device.startswith("cuda") and not found:
        raise MachineError(f"device {settings.device!r}: Ray knows of no GPU")
    return 1.0 if found and settings.num_gpus is None and settings.device != "cpu" else 0.0


def check_room(requested: int, num_cpus: float, num_gpus: float, hint: str = "") -> int:
    """How many workers the cluster has room for in all. Raises `UsageError` where that is less than ``requested``.

    ``hint``: what else than fewer could be asked for, with ``{key}`` for the setting of what is short.
    """
    found = _resources()
    rooms = [(found.get("CPU", 0.0), num_cpus, "CPU cores", "num_cpus")]
    if num_gpus:
        rooms.append((found.get("GPU", 0.0), num_gpus, "GPUs", "num_gpus"))
    total, each, what, key = min(rooms, key=lambda room: room[0] / room[1])
    room = int(total / each + 1e-6)
    if room < requested:
        raise UsageError(
            f"{requested} workers of {each:g} {what} each: there is room for {room} ({total:g} {what}); "
            f"ask for fewer{hint.format(key=key)}"
        )
    return room
