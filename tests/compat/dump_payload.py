"""Redis's DUMP payload of a string, written from its public description: build, check, decode.

A payload is: type byte 0, the string in RDB form (length-prefixed, integer or LZF compressed), the
RDB version as 2 bytes little endian, and the CRC-64 (Jones polynomial, reflected) of all before.
"""

import struct

RDB_VERSION = 10


def _make_table():
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0x95AC9329AC4BC9B5 if crc & 1 else crc >> 1
        table.append(crc)
    return table


_TABLE = _make_table()


def crc64(data, crc=0):
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc


def encode_length(length):
    if length < 64:
        return bytes([length])
    if length < 16384:
        return bytes([0x40 | length >> 8, length & 0xFF])
    if length < 1 << 32:
        return b"\x80" + struct.pack(">I", length)
    return b"\x81" + struct.pack(">Q", length)


def seal(body, version=RDB_VERSION):
    """Adds version and checksum."""
    body += struct.pack("<H", version)
    return body + struct.pack("<Q", crc64(body))


def raw_string(value, version=RDB_VERSION):
    return seal(b"\x00" + encode_length(len(value)) + value, version)


def integer_string(value):
    if -128 <= value <= 127:
        return seal(b"\x00\xc0" + struct.pack("<b", value))
    if -32768 <= value <= 32767:
        return seal(b"\x00\xc1" + struct.pack("<h", value))
    return seal(b"\x00\xc2" + struct.pack("<i", value))


def lzf_string(value):
    """LZF form made of literal runs only: valid, though it compresses nothing."""
    packed = b"".join(bytes([len(value[i:i + 32]) - 1]) + value[i:i + 32]
                      for i in range(0, len(value), 32))
    return seal(b"\x00\xc3" + encode_length(len(packed)) + encode_length(len(value)) + packed)


def lzf_decompress(data, length):
    out, position = bytearray(), 0
    while position < len(data):
        control = data[position]
        position += 1
        if control < 32:
            out += data[position:position + control + 1]
            position += control + 1
            continue
        run = control >> 5
        if run == 7:
            run += data[position]
            position += 1
        reference = len(out) - ((control & 0x1F) << 8) - data[position] - 1
        position += 1
        if reference < 0:
            raise ValueError("LZF reference before the start")
        for i in range(run + 2):
            out.append(out[reference + i])
    if len(out) != length:
        raise ValueError("LZF length %d, expected %d" % (len(out), length))
    return bytes(out)


def _decode_length(data, position):
    first = data[position]
    if first >> 6 == 0:
        return first & 0x3F, position + 1
    if first >> 6 == 1:
        return (first & 0x3F) << 8 | data[position + 1], position + 2
    if first == 0x80:
        return struct.unpack_from(">I", data, position + 1)[0], position + 5
    if first == 0x81:
        return struct.unpack_from(">Q", data, position + 1)[0], position + 9
    raise ValueError("special encoding 0x%02x" % first)


def decode_string(payload):
    """(value, version) of a sealed string payload; raises ValueError if it is not one."""
    if len(payload) < 12 or payload[0] != 0:
        raise ValueError("no string payload")
    version, checksum = struct.unpack("<HQ", payload[-10:])
    if crc64(payload[:-8]) != checksum:
        raise ValueError("checksum")
    body = payload[1:-10]
    if body[0] == 0xC0:
        return b"%d" % struct.unpack("<b", body[1:]), version
    if body[0] == 0xC1:
        return b"%d" % struct.unpack("<h", body[1:]), version
    if body[0] == 0xC2:
        return b"%d" % struct.unpack("<i", body[1:]), version
    if body[0] == 0xC3:
        packed, position = _decode_length(body, 1)
        length, position = _decode_length(body, position)
        if len(body) - position != packed:
            raise ValueError("trailing bytes")
        return lzf_decompress(body[position:], length), version
    length, position = _decode_length(body, 0)
    if len(body) - position != length:
        raise ValueError("trailing bytes")
    return body[position:], version
