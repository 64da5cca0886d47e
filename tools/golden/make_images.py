#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Makes tests/golden/image: small JPEG and PNG files of every kind that the
library reads or refuses, and digests.txt, which says what PIL, torchvision and
torch make of them and of procedurally drawn images.

    tools/golden/make_images.py tests/golden/image

Written on Debian 12 with python3-pil 9.4, python3-torchvision 0.14 and NumPy.
Lines of digests.txt, sizes in pixels, CRC-32 over the bytes of the result:

    decode FILE WIDTH HEIGHT CRC
    refuse FILE ERROR
    resize SEED KIND CHANNELS FILTER IN_W IN_H OUT_W OUT_H CRC
    preprocess SEED CHANNELS FILTER IN_W IN_H RESIZE CROP_W CROP_H CRC
    table MEAN MEAN MEAN STD STD STD CRC
"""
import ctypes
import io
import os
import struct
import sys
import zlib

import numpy as np
import torchvision.transforms as T
from PIL import Image, ImageCms, ImageOps

FILTERS = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}


def noise(seed, n):
    """n bytes; draw_noise() of tests/lib/image_support.h is the same."""
    h = np.arange(n, dtype=np.uint64) * 0x9E3779B1 + seed * 0x7FEB352D
    h &= 0xFFFFFFFF
    for shift, factor in ((15, 0x45D9F3B), (13, 0x119DE1F3)):
        h ^= h >> np.uint64(shift)
        h = (h * factor) & 0xFFFFFFFF
    return (h >> np.uint64(24)).astype(np.uint8)


def draw(seed, kind, width, height, channels):
    n = width * height * channels
    b = noise(seed, n)
    if kind == 1:  # black and white: sums beyond 0..255
        b = np.where(b & 0x80, 255, 0).astype(np.uint8)
    elif kind == 2:  # ramps with a little noise
        at = np.arange(n, dtype=np.uint64)
        b = ((at // (1 + seed % 7) + (b >> 6)) & 0xFF).astype(np.uint8)
    shape = (height, width, channels) if channels > 1 else (height, width)
    return b.reshape(shape)


def scene(width, height, seed=0):
    """Something like a photograph: soft colours, an edge, a little noise."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    out = np.empty((height, width, 3))
    for c in range(3):
        out[..., c] = 128 + 90 * np.sin((x * (c + 1) + seed) / 9.0) * np.cos(
            y / (7.0 + c))
    out[(x - width * 0.6) ** 2 + (y - height * 0.4) ** 2 < 40] = (230, 40, 60)
    out += draw(seed, 0, width, height, 3) / 32.0
    return np.clip(out, 0, 255).astype(np.uint8)


# PNG: PIL writes neither interlaced nor 16-bit colour files, so this does.

ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4),
         (1, 0, 2, 2), (0, 1, 1, 2))
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def chunk(name, data=b""):
    body = name + data
    return struct.pack(">I", len(data)) + body + struct.pack(
        ">I", zlib.crc32(body))


def pack_row(row, depth):
    """Samples (as integers) of one row to bytes."""
    if depth == 16:
        return row.astype(">u2").tobytes()
    if depth == 8:
        return row.astype(np.uint8).tobytes()
    bits = "".join(format(int(v), "0%db" % depth) for v in row)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))


def paeth(a, b, c):
    p = a + b - c
    pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
    return a if pa <= pb and pa <= pc else b if pb <= pc else c


def filter_row(kind, row, above, step):
    out = bytearray([kind])
    for i, v in enumerate(row):
        a = row[i - step] if i >= step else 0
        b = above[i]
        c = above[i - step] if i >= step else 0
        guess = (0, a, b, (a + b) // 2, paeth(a, b, c))[kind]
        out.append((v - guess) & 0xFF)
    return bytes(out)


def filter_rows(samples, depth, color):
    """Rows of one pass, with all five filters in turn."""
    height, width = samples.shape[:2]
    step = max(1, CHANNELS[color] * depth // 8)
    above = None
    out = b""
    for y in range(height):
        row = pack_row(samples[y].reshape(-1), depth)
        out += filter_row(y % 5, row, above or bytes(len(row)), step)
        above = row
    return out


def png(samples, depth, color, interlaced=False, before=(), after=()):
    height, width = samples.shape[:2]
    if interlaced:
        raw = b""
        for x, y, dx, dy in ADAM7:
            part = samples[y::dy, x::dx]
            if part.size:
                raw += filter_rows(part, depth, color)
    else:
        raw = filter_rows(samples, depth, color)
    packed = zlib.compress(raw, 9)
    half = len(packed) // 2
    return (b"\x89PNG\r\n\x1a\n" +
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color,
                                       0, 0, int(interlaced))) +
            b"".join(before) + chunk(b"IDAT", packed[:half]) +
            chunk(b"IDAT", packed[half:]) + b"".join(after) + chunk(b"IEND"))


def samples(seed, depth, color, width=19, height=13, limit=None):
    n = CHANNELS[color]
    hi = draw(seed, 0, width, height, n).reshape(height, width, n)
    if depth == 16:
        lo = draw(seed + 1, 0, width, height, n).reshape(height, width, n)
        return hi.astype(np.uint32) * 256 + lo
    return hi % limit if limit else hi.astype(np.uint32) >> (8 - depth)


def exif(orientation, big, kind=3):
    """A TIFF header and one directory with a tag before and one behind."""
    e = ">" if big else "<"
    value = (struct.pack(e + "HH", orientation, 0) if kind == 3 else
             struct.pack(e + "I", orientation))
    return ((b"MM\0*" if big else b"II*\0") + struct.pack(e + "IH", 8, 3) +
            struct.pack(e + "HHI", 0x100, 4, 1) + struct.pack(e + "I", 5) +
            struct.pack(e + "HHI", 0x112, kind, 1) + value +
            struct.pack(e + "HHI", 0x11A, 4, 1) + struct.pack(e + "I", 72) +
            struct.pack(e + "I", 0))


def jpeg(array, **options):
    out = io.BytesIO()
    Image.fromarray(array).save(out, "JPEG", **options)
    return out.getvalue()


def cmyk():
    """Four plates that differ, and an Adobe marker, which PIL always writes."""
    out = io.BytesIO()
    plates = np.dstack([scene(23, 17, 11), scene(23, 17, 12)[..., 1]])
    Image.fromarray(plates, "CMYK").save(out, "JPEG", quality=90)
    return out.getvalue()


def ycck():
    """The same as YCCK with half the chroma, which PIL reads but doesn't
    write; libturbojpeg makes it of CMYK."""
    plates = np.ascontiguousarray(
        255 - np.dstack([scene(37, 25, 13), scene(37, 25, 14)[..., 2]]))
    tj = ctypes.CDLL("libturbojpeg.so.0")
    tj.tjInitCompress.restype = ctypes.c_void_p
    out, size = ctypes.c_void_p(), ctypes.c_ulong()
    handle = ctypes.c_void_p(tj.tjInitCompress())
    if tj.tjCompress2(handle, plates.ctypes.data_as(ctypes.c_void_p), 37, 0,
                      25, 11, ctypes.byref(out), ctypes.byref(size), 2, 85, 0):
        sys.exit("libturbojpeg makes no YCCK")
    return ctypes.string_at(out, size.value)


def segment(marker, data):
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def handmade_jpeg(width, height, factors):
    """A JPEG with sampling factors that PIL doesn't write: flat blocks, whose
    levels differ, with one Huffman table for all components."""
    levels = iter((noise(70, 4096) // 2).tolist())
    last = [64] * len(factors)  # 0 is mid-grey
    across = -(-width // (8 * max(h for h, v in factors)))
    down = -(-height // (8 * max(v for h, v in factors)))
    bits = ""
    for _ in range(across * down):
        for c, (h, v) in enumerate(factors):
            for _ in range(h * v):
                level = next(levels)
                step, last[c] = level - last[c], level
                size = abs(step).bit_length()
                bits += format(size, "04b")
                if size:
                    bits += format(step if step > 0 else
                                   step + (1 << size) - 1, "0%db" % size)
                bits += "0"  # no other coefficients
    bits += "1" * (-len(bits) % 8)
    data = bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))
    sof = struct.pack(">BHHB", 8, height, width, len(factors))
    sos = bytes([len(factors)])
    for c, (h, v) in enumerate(factors):
        sof += bytes([c + 1, h << 4 | v, 0])
        sos += bytes([c + 1, 0])
    return (b"\xff\xd8" + segment(0xDB, bytes([0]) + bytes([8] * 64)) +
            segment(0xC0, sof) + segment(0xC4, bytes(
                [0, 0, 0, 0, 12] + [0] * 12 + list(range(12)))) +
            segment(0xC4, bytes([16, 1] + [0] * 15 + [0])) +
            segment(0xDA, sos + bytes([0, 63, 0])) +
            data.replace(b"\xff", b"\xff\0") + b"\xff\xd9")


def jpegs():
    yield "rgb-420.jpg", jpeg(scene(37, 29, 1), quality=85)
    yield "rgb-422.jpg", jpeg(scene(35, 30, 2), quality=75, subsampling=1)
    yield "rgb-444.jpg", jpeg(scene(33, 27, 3), quality=95, subsampling=0)
    yield "rgb-progressive.jpg", jpeg(scene(41, 26, 4), progressive=True)
    yield "rgb-optimized.jpg", jpeg(scene(26, 41, 5), optimize=True, quality=30)
    yield "rgb-1x1.jpg", jpeg(scene(1, 1, 6))
    yield "grey.jpg", jpeg(scene(31, 22, 7)[..., 0])
    yield "grey-progressive.jpg", jpeg(scene(17, 40, 8)[..., 1],
                                       progressive=True)
    for i in range(1, 9):
        tag = exif(i, i % 2 == 0, 4 if i > 6 else 3)
        yield "exif-%d.jpg" % i, jpeg(scene(24, 16, 9), quality=60,
                                      exif=b"Exif\0\0" + tag)
    yield "rgb-odd-sampling.jpg", handmade_jpeg(40, 13, (
        (3, 1), (1, 1), (1, 1)))
    # As some cameras write it: zeros between the data and the end.
    padded = jpeg(scene(20, 20, 10))
    yield "padded.jpg", padded[:-2] + bytes(6) + padded[-2:]
    yield "cmyk.jpg", cmyk()
    # Without the marker that says so, PIL takes the plates to be inverted, too.
    adobe = cmyk().index(b"\xff\xee")
    yield "cmyk-bare.jpg", cmyk()[:adobe] + cmyk()[adobe + 16:]
    yield "ycck.jpg", ycck()
    deep = bytearray(jpeg(scene(16, 16)[..., 0]))
    deep[deep.index(b"\xff\xc0") + 4] = 12  # bits
    yield "deep.jpg", bytes(deep)


def pngs():
    palette = chunk(b"PLTE", noise(50, 11 * 3).tobytes())
    alpha = chunk(b"tRNS", noise(51, 9).tobytes())
    profile = bytearray(ImageCms.ImageCmsProfile(
        ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = bytes(12)  # the time of its making
    for color, name, depths in ((0, "grey", (1, 2, 4, 8, 16)),
                                (2, "rgb", (8, 16)),
                                (4, "grey-alpha", (8, 16)),
                                (6, "rgba", (8, 16))):
        for depth in depths:
            s = samples(depth + color, depth, color)
            yield "%s-%d.png" % (name, depth), png(s, depth, color)
            yield "%s-%d-interlaced.png" % (name, depth), png(
                s, depth, color, True)
    for depth in (1, 2, 4, 8):
        limit = min(1 << depth, 11)
        s = samples(depth, depth, 3, limit=limit)
        yield "palette-%d.png" % depth, png(s, depth, 3, before=[
            chunk(b"PLTE", noise(50, limit * 3).tobytes())])
    s = samples(60, 8, 3, limit=11)
    yield "palette-alpha.png", png(s, 8, 3, before=[palette, alpha])
    yield "palette-alpha-interlaced.png", png(
        samples(61, 4, 3, limit=11), 4, 3, True, before=[palette, alpha])
    s = samples(62, 8, 2)
    for name, extra in (
            ("gamma-1.0", [chunk(b"gAMA", struct.pack(">I", 100000))]),
            ("gamma-2.2", [chunk(b"gAMA", struct.pack(">I", 45455))]),
            ("srgb", [chunk(b"sRGB", b"\0")]),
            ("profile", [chunk(b"iCCP", b"p\0\0" + zlib.compress(profile, 9))]),
            ("white", [chunk(b"gAMA", struct.pack(">I", 60000)), chunk(
                b"cHRM", struct.pack(">8I", 34567, 35850, 64000, 33000, 30000,
                                     60000, 15000, 6000))]),
            ("transparent", [chunk(b"tRNS", struct.pack(">3H", *[
                int(v) for v in s[0, 0]]))]),
            ("background", [chunk(b"bKGD", struct.pack(">3H", 9, 9, 9))])):
        yield "rgb-%s.png" % name, png(s, 8, 2, before=extra)
    yield "rgba-gamma.png", png(samples(64, 8, 6), 8, 6, before=[
        chunk(b"gAMA", struct.pack(">I", 100000))])
    yield "grey-transparent.png", png(samples(63, 8, 0), 8, 0, before=[
        chunk(b"tRNS", struct.pack(">H", 200))])
    yield "rgb-1x1.png", png(samples(65, 8, 2, 1, 1), 8, 2, True)
    yield "exif-before.png", png(s, 8, 2, before=[
        chunk(b"eXIf", exif(6, True))])
    yield "exif-behind.png", png(s, 8, 2, after=[
        chunk(b"eXIf", exif(8, False))])


def as_rgb(name, data):
    image = Image.open(io.BytesIO(data))
    image.load()
    if image.mode == "I":  # 16-bit grey; PIL would clip it at 255
        grey = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        return grey.convert("RGB")
    return ImageOps.exif_transpose(image).convert("RGB")


def write_files(folder, lines):
    for name, data in [*jpegs(), *pngs()]:
        with open(os.path.join(folder, name), "wb") as f:
            f.write(data)
        if name == "deep.jpg":
            lines.append("refuse %s IMAGE_UNSUPPORTED" % name)
            continue
        image = as_rgb(name, data)
        lines.append("decode %s %d %d %08x" % (name, *image.size, zlib.crc32(
            image.tobytes())))


# Sizes that are hard: 1, primes, equal in one direction, up, down, by 1.
SIZES = ((1, 1, 1, 1), (1, 1, 7, 5), (7, 5, 1, 1), (2, 3, 3, 2), (5, 5, 5, 9),
         (5, 9, 5, 5), (9, 5, 5, 5), (13, 17, 13, 17), (31, 23, 30, 22),
         (31, 23, 32, 24), (64, 64, 32, 32), (64, 48, 63, 47), (40, 30, 80, 60),
         (97, 3, 11, 3), (3, 97, 3, 11), (97, 89, 7, 5), (7, 5, 97, 89),
         (101, 67, 32, 32), (127, 61, 48, 32), (255, 2, 3, 2), (2, 255, 2, 3),
         (160, 120, 43, 32), (301, 217, 44, 32), (217, 301, 256, 355))


def write_resizes(lines):
    seed = 100
    for in_w, in_h, out_w, out_h in SIZES:
        for channels in (3, 1):
            for name, pil in FILTERS.items():
                for kind in (0, 1, 2):
                    if kind != seed % 3 and in_w > 40:
                        continue
                    a = draw(seed, kind, in_w, in_h, channels)
                    b = Image.fromarray(a).resize((out_w, out_h), pil)
                    lines.append("resize %d %d %d %s %d %d %d %d %08x" % (
                        seed, kind, channels, name, in_w, in_h, out_w, out_h,
                        zlib.crc32(b.tobytes())))
                seed += 1


# Odd and even borders, padding in one or both directions, no resizing, and the
# usual 256 and 224.
CROPS = ((301, 217, 32, 32, 32), (217, 301, 36, 32, 32), (100, 75, 37, 32, 30),
         (75, 100, 37, 30, 31), (64, 64, 64, 64, 64), (50, 40, 0, 32, 31),
         (50, 41, 0, 33, 32), (10, 10, 0, 15, 14), (10, 30, 0, 15, 14),
         (33, 9, 0, 14, 15), (90, 30, 20, 24, 27), (20, 99, 21, 26, 30),
         (1, 1, 5, 3, 3), (500, 3, 4, 16, 6), (320, 240, 256, 224, 224))


def write_preprocesses(lines):
    for i, (w, h, resize, crop_w, crop_h) in enumerate(CROPS):
        for channels in (3, 1):
            for name, pil in FILTERS.items():
                steps = [T.Grayscale()] if channels == 1 else []
                if resize:
                    steps.append(T.Resize(
                        resize, T.InterpolationMode(name)))
                steps.append(T.CenterCrop((crop_h, crop_w)))
                image = Image.fromarray(draw(i, 0, w, h, 3))
                image = T.Compose(steps)(image)
                assert image.size == (crop_w, crop_h)
                lines.append("preprocess %d %d %s %d %d %d %d %d %08x" % (
                    i, channels, name, w, h, resize, crop_w, crop_h,
                    zlib.crc32(image.tobytes())))


def write_tables(lines):
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2)
    image = Image.fromarray(np.ascontiguousarray(ramp))
    for mean, std in (((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
                      ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
                      ((0.0, 0.1307, 1.0), (1.0, 0.3081, -3.0))):
        values = T.Normalize(mean, std)(T.ToTensor()(image)).numpy()
        lines.append("table %s %08x" % (" ".join(
            "%.9g" % np.float32(v) for v in mean + std), zlib.crc32(
                np.ascontiguousarray(values, "<f4").tobytes())))


def main():
    folder = sys.argv[1]
    lines = []
    write_files(folder, lines)
    write_resizes(lines)
    write_preprocesses(lines)
    write_tables(lines)
    with open(os.path.join(folder, "digests.txt"), "w") as f:
        f.write("# Written by tools/golden/make_images.py, which says how to "
                "read this.\n")
        f.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
