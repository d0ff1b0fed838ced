"""What a shared library asks of the machine that loads it, read from its bytes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Needs", "NotElfError", "needs"]


class NotElfError(ValueError):
    """The file is no 64-bit little-endian ELF object; the text says what it is."""


@dataclass(frozen=True)
class Needs:
    """What a library needs.

    Attributes:
        machine: the architecture as wheels name it.
        libraries: other libraries, by the name in DT_NEEDED.
        glibc: the newest version of glibc that one of its symbols has.
        symbols: the versions of glibc that it names, such as ``GLIBC_2.17``.
    """

    machine: str
    libraries: tuple[str, ...]
    glibc: tuple[int, int]
    symbols: tuple[str, ...]


_MACHINES = {62: "x86_64", 183: "aarch64"}
_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NEEDED, _DT_STRTAB, _DT_VERNEED, _DT_VERNEEDNUM = 1, 5, 0x6FFFFFFE, 0x6FFFFFFF


def needs(path: Path) -> Needs:
    """Reads the dynamic section of a shared library.

    Raises:
        NotElfError: it is no library of a kind that this reads.
    """
    data = path.read_bytes()
    try:
        return _read(data)
    except (struct.error, IndexError, UnicodeDecodeError) as e:
        raise NotElfError(f"{path.name}: expected a whole ELF file, got a damaged one ({e})") from e
    except NotElfError as e:
        raise NotElfError(f"{path.name}: {e}") from None


def _read(data: bytes) -> Needs:
    if data[:6] != b"\x7fELF\x02\x01":
        raise NotElfError(f"expected a 64-bit little-endian ELF file, got {data[:6]!r}")
    machine = struct.unpack_from("<H", data, 18)[0]
    if machine not in _MACHINES:
        raise NotElfError(f"expected one of {', '.join(_MACHINES.values())}, got machine {machine}")
    offset, size, count = struct.unpack_from("<Q14xHH", data, 32)
    loads: list[tuple[int, int, int]] = []
    dynamic = (0, 0)
    for i in range(count):
        at = offset + i * size
        kind, _, start, address, _, length = struct.unpack_from("<IIQQQQ", data, at)
        if kind == _PT_LOAD:
            loads.append((address, length, start))
        elif kind == _PT_DYNAMIC:
            dynamic = (start, length)

    def place(address: int) -> int:
        for first, length, start in loads:
            if first <= address < first + length:
                return start + address - first
        raise NotElfError(f"expected address {address:#x} to be in a segment")

    entries: list[tuple[int, int]] = []
    for at in range(dynamic[0], dynamic[0] + dynamic[1], 16):
        entries.append(struct.unpack_from("<QQ", data, at))
    tags = dict(entries)
    strings = place(tags[_DT_STRTAB]) if _DT_STRTAB in tags else 0

    def text(at: int) -> str:
        start = strings + at
        return data[start : data.index(b"\0", start)].decode("ascii")

    versions: list[str] = []
    at = place(tags[_DT_VERNEED]) if _DT_VERNEED in tags else 0
    for _ in range(tags.get(_DT_VERNEEDNUM, 0)):
        _, members, _, first, following = struct.unpack_from("<HHIII", data, at)
        member = at + first
        for _ in range(members):
            _, _, _, name, next_member = struct.unpack_from("<IHHII", data, member)
            versions.append(text(name))
            member += next_member
        at += following
    glibc = [
        (int(v.split(".")[0]), int(v.split(".")[1]))
        for v in (v.removeprefix("GLIBC_") for v in versions if v.startswith("GLIBC_"))
        if v[:1].isdigit()
    ]
    return Needs(
        machine=_MACHINES[machine],
        libraries=tuple(text(value) for tag, value in entries if tag == _DT_NEEDED),
        glibc=max(glibc, default=(0, 0)),
        symbols=tuple(sorted(set(versions))),
    )
