"""The few messages of Flight SQL that the tests' door reads and writes, as protobuf.

It knows fields of bytes and of whole numbers, and nothing of what they mean.
"""

from __future__ import annotations

from typing import Any

PREFIX = "type.googleapis.com/arrow.flight.protocol.sql."


def field(number: int, value: bytes) -> bytes:
    """One field of bytes."""
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def command(name: str, value: bytes) -> bytes:
    """A message in its envelope, as `google.protobuf.Any`."""
    return field(1, (PREFIX + name).encode()) + field(2, value)


def command_of(data: bytes) -> tuple[str, dict[int, Any]]:
    """The name of a message in its envelope, and its fields by number."""
    envelope = fields_of(data)
    return envelope[1].decode().rsplit(".", 1)[-1], fields_of(envelope.get(2, b""))


def fields_of(data: bytes) -> dict[int, Any]:
    """Fields by number; of repeated ones the last."""
    found: dict[int, Any] = {}
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        if key & 7 == 2:
            length, at = _read_varint(data, at)
            found[key >> 3] = bytes(data[at : at + length])
            at += length
        elif key & 7 == 0:
            found[key >> 3], at = _read_varint(data, at)
        else:
            raise ValueError(f"no field of kind {key & 7} is expected")
    return found


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return value, at
