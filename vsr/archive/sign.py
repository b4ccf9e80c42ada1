"""``vsr sign``: content credentials (C2PA) for a finished output, and its record made to agree with them.

The output is verified, signed under another name, read back, and only then replaced; its packets and samples stay. The
claim holds the seal of the record as it was; the record that is written last holds the digests of the signed file, and
those of before.
"""

from __future__ import annotations

import copy
import hashlib
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vsr.archive.claims import SOURCE_LABEL, describe_claims, name_source
from vsr.errors import MachineError, UsageError, VerificationError
from vsr.media.images import is_numbered, is_single_image
from vsr.media.mux import sync_file
from vsr.pipeline.beside import find_beside
from vsr.pipeline.chain import checksum_paths, output_checksums
from vsr.pipeline.credentials import SIDECAR, Credentials, library, media_type, read_credentials, settings_context
from vsr.pipeline.manifest import manifest_path
from vsr.pipeline.objects import is_url
from vsr.pipeline.seal import read_sealed, record_pieces, seal
from vsr.pipeline.sidecar import file_digest, write_atomically
from vsr.stills.verify import is_still
from vsr.verifying import find_output, verify_any

__all__ = ["Signed", "sign_output"]

_STORE = "source.c2pa"
_ALGORITHMS = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


@dataclass(frozen=True)
class Signed:
    """An output that was signed."""

    output: Path
    sidecar: Path | None
    """The file of credentials beside it; None where they are in the output itself."""
    signer: str
    """Who the certificate names."""
    source: str
    """What became of the source's own credentials, in words."""


def sign_output(given: str | Path, *, certificates: Path, key: Path, source: Path | None) -> Signed:
    """See `vsr.sign`."""
    if is_url(given):
        raise UsageError(f"{given}: only an output on this machine can be signed; copy it and its record here")
    output = find_output(Path(given))
    if is_numbered(output):
        raise UsageError(f"{output}: numbered images are not signed one by one; sign a video, or one image")
    signer = _make_signer(certificates, key)
    _tidy(output)
    checks = verify_any(output, source, False, lambda what, done: None, lambda progress: None)
    failed = next((check for check in checks if not check.passed), None)
    if failed is not None:
        raise VerificationError(f"{output}: is not what its record says: {failed.what}: {failed.detail}")
    record, _ = read_sealed(manifest_path(output))
    if entry := record["output"].get("credentials"):
        raise UsageError(f"{output}: is signed already, by {entry['signer']}")
    form, is_embedded = media_type(output)
    sidecar = None if is_embedded else find_beside(output, SIDECAR)
    if sidecar is not None and sidecar.exists():
        raise UsageError(f"{sidecar} exists; move it away")
    builder, kept = _make_builder(record, output, form, source or Path(record["input"]["path"]))
    partial = output.with_name(f".{output.stem}.vsr-partial{output.suffix}")
    try:
        store = _sign(builder, signer, output, partial, form, is_embedded=is_embedded)
        if sidecar is None:
            name = _replace(output, partial, record, store)
        else:
            name = _put_beside(output, sidecar, partial, record, store)
    except OSError as error:
        raise MachineError(f"cannot write {output}: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return Signed(output, sidecar, name, kept)


def _unsigned_path(output: Path) -> Path:
    return output.with_name(f".{output.name}.vsr-unsigned")


def _tidy(output: Path) -> None:
    """Finish what a run left that was killed: the unsigned file comes back where the record does not know better."""
    unsigned, path = _unsigned_path(output), manifest_path(output)
    if unsigned.is_file() and path.is_file():
        record = read_sealed(path)[0]
        recorded = record["output"]["files"][_recorded_name(record, output)]
        try:
            if not output.is_file() or file_digest(output) != recorded:
                if file_digest(unsigned) != recorded:
                    raise VerificationError(
                        f"{unsigned}: neither it nor {output.name} is what the record says; move it away"
                    )
                partial = output.with_name(f".{output.name}.vsr-partial")
                partial.unlink(missing_ok=True)
                _keep(unsigned, partial)
                os.replace(partial, output)
            if is_single_image(output) and not is_still(record):
                _write_checksums(output, record)  # they may be those of the signed file
            unsigned.unlink()  # the last step: until then the next run begins here again
        except OSError as error:
            raise MachineError(f"cannot write {output}: {error.strerror or error}") from error


def _make_signer(certificates: Path, key: Path) -> Any:
    """The library's signer. Raises `UsageError` for keys and certificates that cannot be read or do not fit."""
    c2pa = library()
    try:
        chain, private = certificates.read_bytes(), key.read_bytes()
    except OSError as error:
        raise UsageError(f"{error.filename}: cannot be read ({error.strerror})") from error
    algorithm = _find_algorithm(private, key)
    try:
        return c2pa.Signer.from_info(c2pa.C2paSignerInfo(algorithm, chain, private, None))
    except c2pa.C2paError as error:
        raise UsageError(f"{certificates}: cannot sign with it and {key.name}: {error}") from error


def _find_algorithm(private: bytes, key: Path) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        loaded = load_pem_private_key(private, None)
    except (ValueError, TypeError) as error:
        raise UsageError(f"{key}: is not a private key in PEM without a password ({error})") from error
    if isinstance(loaded, ec.EllipticCurvePrivateKey) and loaded.curve.name in _ALGORITHMS:
        return _ALGORITHMS[loaded.curve.name]
    if isinstance(loaded, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(loaded, rsa.RSAPrivateKey):
        return "ps256"
    raise UsageError(f"{key}: C2PA signs with ECDSA on P-256, P-384 or P-521, Ed25519, or RSA")


def _make_builder(record: dict[str, Any], output: Path, form: str, place: Path) -> tuple[Any, str]:
    """The library's builder of a manifest whose ingredient is the source at ``place``, and in words what it brought."""
    claims = describe_claims(record, output.name, form)
    described = {"title": name_source(record), "relationship": "parentOf", "label": SOURCE_LABEL}
    is_here = place.is_file() and record["input"]["sha256"] is not None  # images are many files
    if not is_here:
        claims["ingredients"] = [described]
        return library().Builder(claims, settings_context()), "named only: it is not a file that is here"
    beside = find_beside(place, SIDECAR)
    sidecar = beside if beside.is_file() else None
    found = read_credentials(place, sidecar)
    if sidecar is not None and found is not None:
        claims["ingredients"] = [described | _refer_to_sidecar(found, media_type(place)[0])]
        builder = library().Builder(claims, settings_context())
        with sidecar.open("rb") as file:
            builder.add_resource(_STORE, file)
    else:
        builder = library().Builder(claims, settings_context())
        try:
            with place.open("rb") as file:
                builder.add_ingredient(described, media_type(place)[0], file)
        except library().C2paError:
            claims["ingredients"] = [described]
            return library().Builder(claims, settings_context()), "named only: the library cannot read it"
    return builder, "has none of its own" if found is None else f"kept, signed by {found.signer}"


def _refer_to_sidecar(found: Credentials, form: str) -> dict[str, Any]:
    """How an ingredient says that its manifests are a resource: the library reads those only that lie in a file."""
    return {
        "format": form,
        "active_manifest": found.store["active_manifest"],
        "validation_results": found.results,
        "manifest_data": {"format": "application/c2pa", "identifier": _STORE},
    }


def _sign(builder: Any, signer: Any, output: Path, partial: Path, form: str, *, is_embedded: bool) -> bytes:
    """Write the signed copy; returns the manifest store. OSError, `UsageError` for certificates that do not fit."""
    c2pa = library()
    if not is_embedded:
        builder.set_no_embed()
    with output.open("rb") as source, partial.open("w+b") as target:
        try:
            store: bytes = builder.sign(signer, form, source, target)
        except c2pa.C2paError as error:
            raise UsageError(f"{output}: cannot be signed: {error}") from error
    return store


def _replace(output: Path, partial: Path, record: dict[str, Any], store: bytes) -> str:
    """Put the signed file in the output's place, and the record that knows of it; returns the signer's name."""
    name = _read_back(partial, None)
    signed = _with_entry(record, name, None, store)
    signed["output"]["files"][_recorded_name(record, output)] = file_digest(partial)
    if "size_bytes" in signed["output"]:
        signed["output"]["size_bytes"] = partial.stat().st_size
    unsigned = _unsigned_path(output)
    sync_file(partial)
    _keep(output, unsigned)
    os.replace(partial, output)
    if is_single_image(output) and not is_still(record):  # whose packet is the whole file
        signed["checksums"]["output"]["sha256"] = _write_checksums(output, record)
    _write_record(output, signed)
    unsigned.unlink()
    return name


def _write_checksums(output: Path, record: dict[str, Any]) -> str:
    """Checksums of an image as it is now, beside it; returns the digest of their file."""
    path = checksum_paths(output)[1]
    write_atomically(path, "".join(output_checksums(output, record["checksums"]["output"]["of"]).pieces()))
    return file_digest(path)


def _keep(file: Path, name: Path) -> None:
    """Another name for a file as it is; a copy where the file system has no hard links."""
    try:
        os.link(file, name)
    except OSError:
        shutil.copy2(file, name)


def _put_beside(output: Path, sidecar: Path, partial: Path, record: dict[str, Any], store: bytes) -> str:
    """Write the file of credentials, and the record that knows of it; returns the signer's name."""
    partial.write_bytes(store)
    name = _read_back(output, partial)
    os.replace(partial, sidecar)
    _write_record(output, _with_entry(record, name, sidecar, store))
    return name


def _recorded_name(record: dict[str, Any], output: Path) -> str:
    """The output's name in its record, under which it may not lie any more."""
    files: dict[str, str] = record["output"]["files"]
    return next(iter(files)) if len(files) == 1 else Path(record["output"]["path"]).name


def _read_back(path: Path, sidecar: Path | None) -> str:
    found = read_credentials(path, sidecar)
    if found is None or found.failures:
        raise VerificationError(
            f"{path}: its new credentials cannot be verified: {found and ', '.join(found.failures)}"
        )
    return found.signer


def _with_entry(record: dict[str, Any], signer: str, sidecar: Path | None, store: bytes) -> dict[str, Any]:
    """A copy of ``record`` that says how the output was signed, and what it was before."""
    signed = copy.deepcopy(record)
    signed["output"]["credentials"] = {
        "form": "C2PA",
        "file": None if sidecar is None else sidecar.name,
        "sha256": hashlib.sha256(store).hexdigest(),
        "signed": datetime.now(UTC).isoformat(timespec="seconds"),
        "signer": signer,
        "unsigned_files": dict(record["output"]["files"]),
        "unsigned_record_sha256": record["record_sha256"],
    }
    return signed


def _write_record(output: Path, record: dict[str, Any]) -> None:
    seal(record)
    write_atomically(manifest_path(output), record_pieces(record))
