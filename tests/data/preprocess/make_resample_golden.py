#!/usr/bin/env python3
"""Writes resample_golden.json: what Pillow (< 13, horizontal pass first) makes of noise.

Noise: x = x * 1664525 + 1013904223 mod 2^32 from seed 1, one byte (x >> 24) per sample, RGB rows.
Hash: FNV-1a, 64 bits, over the raw RGB bytes of the result. Needs Debian's python3-pil.
"""
import json
import pathlib

import PIL
from PIL import Image

SIZES = [
    (1, 1, 1, 1), (1, 1, 7, 5), (5, 7, 224, 224), (7, 5, 3, 2), (16, 16, 16, 16), (33, 21, 33, 10),
    (33, 21, 11, 21), (64, 48, 63, 47), (64, 48, 65, 49), (100, 1, 9, 3), (1, 100, 3, 9),
    (300, 2, 1, 1), (2, 300, 1, 1), (257, 131, 32, 17), (40, 30, 130, 90), (500, 3, 8, 50),
]
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def noise(count):
    x, out = 1, bytearray()
    for _ in range(count):
        x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
        out.append(x >> 24)
    return bytes(out)


def fnv1a(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = ((h ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


def main():
    cases = []
    for w, h, to_w, to_h in SIZES:
        source = Image.frombytes("RGB", (w, h), noise(w * h * 3))
        for name, resample in FILTERS.items():
            result = source.resize((to_w, to_h), resample)
            cases.append({"from": [w, h], "to": [to_w, to_h], "filter": name,
                          "fnv1a": fnv1a(result.tobytes())})
    text = json.dumps({"pillow": PIL.__version__, "cases": cases}, indent=1)
    pathlib.Path(__file__).with_name("resample_golden.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
