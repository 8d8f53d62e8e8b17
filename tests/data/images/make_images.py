#!/usr/bin/env python3
"""Draws the pictures of this folder, one per way that a format can store pixels.

Every lossless file shows pixel(x, y) below, which tests/codecs/decode_test.cpp repeats; files named
upright_* show four coloured quarters and are stored turned, with the orientation that undoes it.
Needs Debian's python3-pil, and heif-enc (libheif-examples) and exiv2 on the path.
"""
import pathlib
import struct
import subprocess
import tempfile
import zlib

from PIL import Image

HERE = pathlib.Path(__file__).parent
W, H = 23, 17


def pixel(x, y):
    return (x * 11 & 255, y * 15 & 255, x * y * 3 & 255, 0 if y == 0 else 255 - x * 9)


def rgba():
    picture = Image.new("RGBA", (W, H))
    picture.putdata([pixel(x, y) for y in range(H) for x in range(W)])
    return picture


def rgb():
    picture = Image.new("RGB", (W, H))
    picture.putdata([pixel(x, y)[:3] for y in range(H) for x in range(W)])
    return picture


# ---- PNG --------------------------------------------------------------------------------------

ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
         (0, 1, 1, 2)]


def chunk(kind, data):
    return (struct.pack(">I", len(data)) + kind + data +
            struct.pack(">I", zlib.crc32(kind + data)))


def png(name, color_type, sample, bits=8, interlaced=False, extra=()):
    """`sample(x, y)`: tuple of integers of `bits` bits."""
    raw = b""
    for x0, y0, dx, dy in ADAM7 if interlaced else [(0, 0, 1, 1)]:
        for y in range(y0, H, dy):
            row = [v for x in range(x0, W, dx) for v in sample(x, y)]
            if not row:
                continue
            if bits == 16:
                packed = b"".join(struct.pack(">H", v) for v in row)
            else:
                text = "".join(f"{v:0{bits}b}" for v in row)
                text += "0" * (-len(text) % 8)
                packed = bytes(int(text[i:i + 8], 2) for i in range(0, len(text), 8))
            raw += b"\0" + packed
    data = b"\x89PNG\r\n\x1a\n" + chunk(
        b"IHDR", struct.pack(">IIBBBBB", W, H, bits, color_type, 0, 0, int(interlaced)))
    for kind, body in extra:
        data += chunk(kind, body)
    (HERE / name).write_bytes(data + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b""))


def wide(value):
    return value << 8 | (value * 7 + 129) & 255  # low bytes that rounding would notice


def make_png():
    png("rgb.png", 2, lambda x, y: pixel(x, y)[:3])
    png("rgb_interlaced.png", 2, lambda x, y: pixel(x, y)[:3], interlaced=True)
    png("rgba.png", 6, pixel)
    png("rgba_interlaced.png", 6, pixel, interlaced=True)
    png("rgb16.png", 2, lambda x, y: tuple(map(wide, pixel(x, y)[:3])), bits=16)
    png("rgba16.png", 6, lambda x, y: tuple(map(wide, pixel(x, y))), bits=16)
    png("gray.png", 0, lambda x, y: pixel(x, y)[:1])
    png("gray16.png", 0, lambda x, y: (wide(pixel(x, y)[0]),), bits=16)
    png("gray_alpha.png", 4, lambda x, y: (pixel(x, y)[0], pixel(x, y)[3]))
    png("gray4.png", 0, lambda x, y: ((x + y) % 16,), bits=4)
    png("bilevel.png", 0, lambda x, y: ((x + y) % 2,), bits=1)
    palette = bytes(v for x in range(W) for v in (x * 11, 255 - x * 11, x * 5))
    png("palette_trns.png", 3, lambda x, y: (x,), extra=[
        (b"PLTE", palette), (b"tRNS", bytes(255 - x * 9 for x in range(10)))])
    key = struct.pack(">HHH", *pixel(5, 7)[:3])
    png("rgb_trns.png", 2, lambda x, y: pixel(x, y)[:3], extra=[(b"tRNS", key)])
    png("animated.png", 2, lambda x, y: pixel(x, y)[:3], extra=[
        (b"acTL", struct.pack(">II", 1, 0)),
        (b"fcTL", struct.pack(">IIIIIHHBB", 0, W, H, 0, 0, 1, 10, 0, 0))])
    png("broken_profile.png", 2, lambda x, y: pixel(x, y)[:3], extra=[
        (b"iCCP", b"x\0\0" + zlib.compress(b"not a profile"))])


# ---- upright: orientation ---------------------------------------------------------------------

TURNS = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
         4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
         6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270}


def quarters():
    picture = Image.new("RGB", (48, 32))
    for x0, y0, color in [(0, 0, (255, 0, 0)), (24, 0, (0, 255, 0)), (0, 16, (0, 0, 255)),
                          (24, 16, (255, 255, 0))]:
        picture.paste(color, (x0, y0, x0 + 24, y0 + 16))
    return picture


def make_upright():
    for orientation in range(1, 9):
        stored = quarters()
        if orientation > 1:
            stored = stored.transpose(TURNS[orientation])
        exif = Image.Exif()
        exif[274] = orientation
        stored.save(HERE / f"upright_{orientation}.jpg", quality=95, subsampling=0,
                    exif=exif.tobytes())
    turned = quarters().transpose(TURNS[6])
    exif = Image.Exif()
    exif[274] = 6
    turned.save(HERE / "upright_6.webp", lossless=True, exif=exif.tobytes())
    turned.save(HERE / "upright_6.png", exif=exif.tobytes())
    turned.save(HERE / "upright_6.tif", tiffinfo={274: 6})
    turned.convert("P").save(HERE / "upright_6_palette.tif", tiffinfo={274: 6})
    stripes = quarters().transpose(TURNS[3])
    stripes.save(HERE / "upright_3_strips.tif", tiffinfo={274: 3, 278: 5})


# ---- JPEG -------------------------------------------------------------------------------------

def smooth():
    picture = Image.new("RGB", (64, 48))
    picture.putdata([(x * 4, y * 5, 255 - x * 2 - y) for y in range(48) for x in range(64)])
    return picture


def make_jpeg():
    smooth().save(HERE / "smooth.jpg", quality=95)
    smooth().save(HERE / "smooth_progressive.jpg", quality=95, progressive=True)
    smooth().convert("L").save(HERE / "smooth_gray.jpg", quality=95)
    data = bytearray()
    smooth().convert("CMYK").save(HERE / "cmyk.jpg", quality=95)
    data += (HERE / "cmyk.jpg").read_bytes()
    at = data.index(b"Adobe") + 11
    data[at] = 2  # the transform: now it counts as YCCK
    (HERE / "ycck.jpg").write_bytes(data)
    for name in ("cmyk", "ycck"):
        Image.open(HERE / f"{name}.jpg").convert("RGB").save(HERE / f"{name}_expected.png")


def make_thin():
    for name, size in (("dot", (1, 1)), ("line", (30000, 1)), ("pole", (1, 30000))):
        Image.new("RGB", size, (200, 100, 50)).save(HERE / f"{name}.png")
        Image.new("RGB", size, (200, 100, 50)).save(HERE / f"{name}.jpg")


# ---- WebP -------------------------------------------------------------------------------------

def make_webp():
    rgb().save(HERE / "rgb.webp", lossless=True)
    rgba().save(HERE / "rgba.webp", lossless=True, exact=True)
    smooth().save(HERE / "smooth.webp", quality=95)
    rgb().save(HERE / "animated.webp", save_all=True, lossless=True, duration=50,
               append_images=[Image.new("RGB", (W, H), (9, 9, 9))])
    # A first frame at (4, 2) of a 40 x 30 canvas, by hand.
    still = (HERE / "rgb.webp").read_bytes()
    frame = still[12:]
    put24 = lambda v: struct.pack("<I", v)[:3]
    part = lambda kind, body: kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    body = part(b"VP8X", b"\x12\0\0\0" + put24(39) + put24(29))
    body += part(b"ANIM", struct.pack("<IH", 0, 0))
    body += part(b"ANMF", put24(2) + put24(1) + put24(W - 1) + put24(H - 1) + put24(50) + b"\0" +
                 frame)
    (HERE / "animated_offset.webp").write_bytes(
        b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body)


# ---- TIFF -------------------------------------------------------------------------------------

def tiff(name, sample, samples, bits=8, endian="<", photometric=2, separate=False, tile=0, big=False,
         extra=None):
    pack = lambda v: struct.pack(endian + ("H" if bits == 16 else "B"), v)

    def block(x0, y0, w, h, planes):
        out = b""
        for y in range(y0, y0 + h):
            for x in range(x0, x0 + w):
                values = sample(min(x, W - 1), min(y, H - 1))
                out += b"".join(pack(values[p]) for p in planes)
        return out

    groups = [[p] for p in range(samples)] if separate else [list(range(samples))]
    blocks = []
    for planes in groups:
        if tile:
            for y in range(0, H, tile):
                for x in range(0, W, tile):
                    blocks.append(block(x, y, tile, tile, planes))
        else:
            for y in range(0, H, 5):
                blocks.append(block(0, y, W, min(5, H - y), planes))
    tags = [(256, 3, [W]), (257, 3, [H]), (258, 3, [bits] * samples), (259, 3, [1]),
            (262, 3, [photometric]), (277, 3, [samples]), (284, 3, [2 if separate else 1])]
    if extra is not None:
        tags.append((338, 3, [extra]))
    sizes = [len(b) for b in blocks]
    offset_tag, size_tag = (324, 325) if tile else (273, 279)
    if tile:
        tags += [(322, 3, [tile]), (323, 3, [tile])]
    else:
        tags.append((278, 3, [5]))
    tags += [(offset_tag, 4, None), (size_tag, 4, sizes)]
    tags.sort()
    head, entry, room = (16, 20, 8) if big else (8, 12, 4)
    directory = (8 if big else 2) + entry * len(tags) + (8 if big else 4)
    extra_at = head + directory
    extra_bytes = b""
    longs = struct.Struct(endian + "I")
    shorts = struct.Struct(endian + "H")
    data_at = extra_at + sum(
        len(v or sizes) * (2 if t == 3 else 4) for _, t, v in tags
        if len(v or sizes) * (2 if t == 3 else 4) > room)
    offsets, at = [], data_at
    for b in blocks:
        offsets.append(at)
        at += len(b)
    out = b""
    for tag, kind, values in tags:
        values = offsets if values is None else values
        body = b"".join((shorts if kind == 3 else longs).pack(v) for v in values)
        out += struct.pack(endian + ("HHQ" if big else "HHI"), tag, kind, len(values))
        if len(body) > room:
            out += struct.pack(endian + ("Q" if big else "I"), extra_at + len(extra_bytes))
            extra_bytes += body
        else:
            out += body.ljust(room, b"\0")
    mark = b"II" if endian == "<" else b"MM"
    if big:
        start = mark + struct.pack(endian + "HHHQ", 43, 8, 0, 16) + struct.pack(
            endian + "Q", len(tags))
        end = struct.pack(endian + "Q", 0)
    else:
        start = mark + struct.pack(endian + "HI", 42, 8) + struct.pack(endian + "H", len(tags))
        end = struct.pack(endian + "I", 0)
    (HERE / name).write_bytes(start + out + end + extra_bytes + b"".join(blocks))


def make_tiff():
    color = lambda x, y: pixel(x, y)[:3]
    tiff("rgb.tif", color, 3)
    tiff("rgb_big_endian.tif", color, 3, endian=">")
    tiff("rgb_bigtiff.tif", color, 3, big=True)
    tiff("rgb_separate.tif", color, 3, separate=True)
    tiff("rgb_tiled.tif", color, 3, tile=16)
    tiff("rgb16_big_endian.tif", lambda x, y: tuple(map(wide, color(x, y))), 3, bits=16, endian=">")
    tiff("rgb16_separate_tiled.tif", lambda x, y: tuple(map(wide, color(x, y))), 3, bits=16,
         separate=True, tile=16)
    tiff("gray16.tif", lambda x, y: (wide(pixel(x, y)[0]),), 1, bits=16, photometric=1)
    tiff("gray_inverted.tif", lambda x, y: (255 - pixel(x, y)[0],), 1, photometric=0)
    tiff("rgba.tif", pixel, 4, extra=2)
    tiff("rgbx.tif", pixel, 4, extra=0)
    tiff("rgba_separate.tif", pixel, 4, extra=2, separate=True)

    def multiplied(x, y):
        r, g, b, a = pixel(x, y)
        return (r * a // 255, g * a // 255, b * a // 255, a)
    tiff("rgba_multiplied.tif", multiplied, 4, extra=1)
    rgb().save(HERE / "rgb_lzw.tif", compression="tiff_lzw")
    rgb().save(HERE / "rgb_deflate.tif", compression="tiff_adobe_deflate")
    smooth().save(HERE / "smooth_jpeg.tif", compression="jpeg", quality=95)
    Image.open(HERE / "bilevel.png").convert("1").save(HERE / "bilevel_g4.tif", compression="group4")
    rgb().convert("CMYK").save(HERE / "cmyk.tif")
    one = rgb().quantize(64)
    one.save(HERE / "palette.tif")
    one.convert("RGB").save(HERE / "palette_expected.png")


# ---- BMP --------------------------------------------------------------------------------------

def bmp(name, bits, rows, height=H, compression=0, header=40, masks=b"", palette=b"", size=None):
    offset = 14 + header + (0 if header > 40 else len(masks)) + len(palette)
    if header == 12:
        info = struct.pack("<IHHHH", 12, W, height, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", header, W, height, 1, bits, compression,
                           len(rows), 2835, 2835, 0, 0)
        info = (info + masks).ljust(header, b"\0") if header > 40 else info + masks
    (HERE / name).write_bytes(b"BM" + struct.pack("<IHHI", offset + len(rows), 0, 0, offset) +
                              info + palette + rows)


def bmp_rows(cell, top_down=False):
    out = b""
    for y in range(H) if top_down else reversed(range(H)):
        row = b"".join(cell(*pixel(x, y)) for x in range(W))
        out += row + b"\0" * (-len(row) % 4)
    return out


def make_bmp():
    bgr = lambda r, g, b, a: bytes((b, g, r))
    bmp("rgb.bmp", 24, bmp_rows(bgr))
    bmp("rgb_top_down.bmp", 24, bmp_rows(bgr, top_down=True), height=-H)
    bmp("rgb_os2.bmp", 24, bmp_rows(bgr), header=12)
    bmp("rgbx.bmp", 32, bmp_rows(lambda r, g, b, a: bytes((b, g, r, a))))
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    bmp("rgba_v4.bmp", 32, bmp_rows(lambda r, g, b, a: bytes((b, g, r, a))), compression=3,
        header=108, masks=masks)
    bmp("rgb565.bmp", 16,
        bmp_rows(lambda r, g, b, a: struct.pack("<H", r >> 3 << 11 | g >> 2 << 5 | b >> 3)),
        compression=3, masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F))
    palette = b"".join(bytes((x * 5, 255 - x * 11, x * 11, 0)) for x in range(W)).ljust(1024, b"\0")
    line = bytes(range(W)) + b"\0"
    bmp("palette.bmp", 8, line * H, palette=palette)
    grays = b"".join(bytes((v * 17, v * 17, v * 17, 0)) for v in range(16))
    nibbles = lambda row: bytes(row[i] << 4 | (row + [0])[i + 1] for i in range(0, len(row), 2))
    row4 = lambda y: [(x + y) % 16 for x in range(W)]
    padded = lambda row: row + b"\0" * (-len(row) % 4)
    bmp("gray4.bmp", 4, b"".join(padded(nibbles(row4(y))) for y in reversed(range(H))),
        palette=grays)
    # A run of two alternating pixels, then pixels as they are, then the end of the row.
    codes = b"".join(bytes((2, row4(y)[0] << 4 | row4(y)[1], 0, W - 2)) + nibbles(row4(y)[2:]) +
                     b"\0" * (-len(nibbles(row4(y)[2:])) % 2) + b"\0\0" for y in reversed(range(H)))
    bmp("gray4_rle4.bmp", 4, codes + b"\0\1", compression=2, palette=grays)
    bits = lambda y: int("".join(str((x + y) % 2) for x in range(W)).ljust(32, "0"), 2)
    bmp("bilevel.bmp", 1, b"".join(struct.pack(">I", bits(y)) for y in reversed(range(H))),
        palette=b"\0\0\0\0\xff\xff\xff\0")
    runs = b"".join(bytes((1, x)) for x in range(W)) + b"\0\0"
    bmp("palette_rle8.bmp", 8, runs * H + b"\0\1", compression=1, palette=palette)


# ---- GIF --------------------------------------------------------------------------------------

def lzw(indices, bits=8):
    """Codes of one pixel each, with a clear code before the table would grow."""
    clear, size, out, hold, used = 1 << bits, bits + 1, bytearray(), 0, 0
    codes = []
    for i, index in enumerate(indices):
        if i % ((1 << bits) - 2) == 0:
            codes.append(clear)
        codes.append(index)
    for code in codes + [clear + 1]:
        hold |= code << used
        used += size
        while used >= 8:
            out.append(hold & 255)
            hold >>= 8
            used -= 8
    if used:
        out.append(hold & 255)
    blocks = b"".join(bytes((len(out[i:i + 255]),)) + out[i:i + 255] for i in range(0, len(out), 255))
    return bytes((bits,)) + blocks + b"\0"


def gif_palette():
    return b"".join(bytes((x * 11, 255 - x * 11, x * 5)) for x in range(W)).ljust(768, b"\0")


def gif_frame(x, y, interlaced=False, local=b"", transparent=None):
    rows = list(range(H))
    if interlaced:
        rows = [r for s, d in ((0, 8), (4, 8), (2, 4), (1, 2)) for r in range(s, H, d)]
    indices = [c if (c + r) % 5 else 3 for r in rows for c in range(W)]
    control = b"" if transparent is None else b"\x21\xf9\x04\x01\0\0" + bytes((transparent,)) + b"\0"
    flags = (0x40 if interlaced else 0) | (0x87 if local else 0)
    return (control + b"\x2c" + struct.pack("<HHHHB", x, y, W, H, flags) + local + lzw(indices))


def make_gif():
    screen = lambda w, h: b"GIF89a" + struct.pack("<HHBBB", w, h, 0xF7, 0, 0)
    plain = screen(W, H) + gif_palette()
    (HERE / "palette.gif").write_bytes(plain + gif_frame(0, 0) + b";")
    (HERE / "interlaced.gif").write_bytes(plain + gif_frame(0, 0, interlaced=True) + b";")
    (HERE / "transparent.gif").write_bytes(plain + gif_frame(0, 0, transparent=3) + b";")
    (HERE / "animated.gif").write_bytes(
        plain + b"\x21\xfe\x05hello\0" + gif_frame(0, 0) + gif_frame(0, 0, transparent=0) + b";")
    local = bytes(255 - v for v in gif_palette())
    (HERE / "offset_local.gif").write_bytes(
        screen(40, 30) + gif_palette() + gif_frame(4, 2, local=local) + b";")
    (HERE / "no_screen.gif").write_bytes(screen(0, 0) + gif_palette() + gif_frame(0, 0) + b";")


# ---- HEIC, AVIF -------------------------------------------------------------------------------

def make_heif():
    lossless = ["-L", "-p", "chroma=444", "--matrix_coefficients=0"]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        # x265 wants at least one block of 64 x 64.
        large = quarters().resize((96, 64), Image.Resampling.NEAREST)
        clear = large.convert("RGBA")
        clear.putalpha(Image.linear_gradient("L").resize((96, 64)).point(lambda v: v // 64 * 85))
        large.save(folder / "rgb.png")
        clear.save(folder / "rgba.png")
        large.transpose(TURNS[6]).save(folder / "turned.png")
        for kind in ("heic", "avif"):
            option = ["-A"] if kind == "avif" else []
            for name in ("rgb", "rgba"):
                subprocess.run(["heif-enc", *lossless, *option, "-o", HERE / f"{name}.{kind}",
                                folder / f"{name}.png"], check=True, capture_output=True)
        subprocess.run(["heif-enc", *lossless, "-o", folder / "turned.heic", folder / "turned.png"],
                       check=True, capture_output=True)
        stored = (folder / "turned.heic").read_bytes()
        (HERE / "upright.heic").write_bytes(with_rotation(stored, 3))


def with_rotation(data, quarter_turns_left):
    """Adds an `irot` property to item 1 (ISO 23008-12), which heif-enc cannot."""
    data = bytearray(data)
    at = {kind: data.index(kind) - 4 for kind in (b"meta", b"iloc", b"iprp", b"ipco", b"ipma")}
    size = lambda kind: struct.unpack_from(">I", data, at[kind])[0]
    irot = struct.pack(">I", 9) + b"irot" + bytes((quarter_turns_left,))
    properties, child = 0, at[b"ipco"] + 8
    while child < at[b"ipco"] + size(b"ipco"):
        properties += 1
        child += struct.unpack_from(">I", data, child)[0]
    entry = at[b"ipma"] + 16  # version 0: item (2 bytes), count (1), associations (1 each)
    assert data[at[b"ipma"] + 8] == 0 and struct.unpack_from(">H", data, entry)[0] == 1
    # iloc version 0 or 1, 4-byte offsets, no base: every extent moves with the data.
    version, sizes, base = data[at[b"iloc"] + 8], data[at[b"iloc"] + 12], data[at[b"iloc"] + 13]
    assert sizes == 0x44 and base >> 4 in (0, 4) and version in (0, 1)
    items = struct.unpack_from(">H", data, at[b"iloc"] + 14)[0]
    item = at[b"iloc"] + 16
    for _ in range(items):
        item += 2 + (2 if version == 1 else 0) + 2 + (base >> 4)
        extents = struct.unpack_from(">H", data, item)[0]
        item += 2
        for _ in range(extents):
            offset = struct.unpack_from(">I", data, item)[0]
            struct.pack_into(">I", data, item, offset + len(irot) + 1)
            item += 8
    for kind, more in ((b"meta", 10), (b"iprp", 10), (b"ipco", 9), (b"ipma", 1)):
        struct.pack_into(">I", data, at[kind], size(kind) + more)
    count = data[entry + 2]
    last = entry + 3 + count
    data[entry + 2] = count + 1
    data[last:last] = bytes((0x80 | properties + 1,))
    end = child
    data[end:end] = irot
    assert end < last
    return bytes(data)


# ---- facts ------------------------------------------------------------------------------------

FACTS = """
set Exif.Image.Make Ascii Nikon
set Exif.Image.Model Ascii Nikon D90
set Exif.Image.ImageDescription Ascii SONY DSC
set Exif.Image.Artist Ascii Erika Mustermann
set Exif.Photo.DateTimeOriginal Ascii 2021:03:04 05:06:07
set Exif.Photo.OffsetTimeOriginal Ascii +02:00
set Exif.GPSInfo.GPSLatitudeRef Ascii S
set Exif.GPSInfo.GPSLatitude Rational 33/1 51/1 3050/100
set Exif.GPSInfo.GPSLongitudeRef Ascii E
set Exif.GPSInfo.GPSLongitude Rational 151/1 12/1 36/1
set Iptc.Application2.Caption String A lighthouse at dusk
set Iptc.Application2.City String Sydney
set Iptc.Application2.CountryName String Australia
add Iptc.Application2.Keywords String sea
add Iptc.Application2.Keywords String lighthouse
set Xmp.dc.title lang="x-default" Der Leuchtturm
set Xmp.dc.rights lang="x-default" CC BY 4.0
set Xmp.dc.subject XmpBag sea
set Xmp.dc.subject XmpBag evening
"""


def make_facts():
    path = HERE / "facts.jpg"
    smooth().save(path, quality=80)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as commands:
        commands.write(FACTS.lstrip())
        commands.flush()
        subprocess.run(["exiv2", "-m", commands.name, path], check=True)


if __name__ == "__main__":
    make_png()
    make_upright()
    make_jpeg()
    make_thin()
    make_webp()
    make_tiff()
    make_bmp()
    make_gif()
    make_heif()
    make_facts()
