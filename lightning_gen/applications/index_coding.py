"""Indices to bits and back, by constriction's range coder and `IndexTables`."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lightning_gen.applications.index_tables import NUMBERS, IndexTables
from lightning_gen.errors import InputError

TOGETHER = 1024
"""Pictures whose indices at a place are coded one after another: a constant of the format."""

Step = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Weights of symbols ``(n, codes)`` and the symbols, where they are known, to the symbols."""


def encoded(maps: np.ndarray, tables: IndexTables) -> bytes:
    """Indices ``(n, codebooks, height, width)`` as bytes, a multiple of four.

    Raises:
        InputError: The package constriction is missing.
    """
    stream, family = range_coder()
    encoder = stream.queue.RangeEncoder()

    def step(weights: np.ndarray, symbols: np.ndarray) -> np.ndarray:
        encoder.encode(symbols, family, weights)
        return symbols

    for start in range(0, len(maps), TOGETHER):
        walk(maps[start : start + TOGETHER].astype(np.int32), tables, step)
    return bytes(encoder.get_compressed().astype("<u4").tobytes())


def decoded(data: bytes, n: int, tables: IndexTables) -> np.ndarray:
    """The indices ``(n, codebooks, height, width)`` that `encoded` wrote; other bytes or tables give other indices.

    Raises:
        InputError: The package constriction is missing.
        ValueError: The bytes are those of no indices; many others that are not are decoded all the same.
    """
    stream, family = range_coder()
    decoder = stream.queue.RangeDecoder(np.frombuffer(data, "<u4").astype(np.uint32))

    def step(weights: np.ndarray, symbols: np.ndarray) -> np.ndarray:
        return np.asarray(decoder.decode(family, weights))

    maps = np.zeros((n, len(tables.sizes), *tables.map_size), np.int32)
    try:
        for start in range(0, n, TOGETHER):
            walk(maps[start : start + TOGETHER], tables, step)
    except AssertionError as error:  # constriction's on bytes that no encoder writes
        raise ValueError("the bytes are those of no indices") from error
    return maps


def walk(maps: np.ndarray, tables: IndexTables, step: Step) -> None:
    """Code maps ``(n, codebooks, height, width)`` in place: place by place, codebook by codebook, all pictures of each
    together, which only depend on places before.
    """
    canvas = tables.canvas(len(maps))
    height, width = tables.map_size
    rows = max(1, NUMBERS // max(tables.sizes))
    for row in range(height):
        for column in range(width):
            for codebook in range(len(tables.sizes)):
                for start in range(0, len(maps), rows):
                    part = slice(start, start + rows)
                    weights = tables.weights(canvas[part], codebook, row, column)
                    known = np.ascontiguousarray(maps[part, codebook, row, column])
                    symbols = step(weights, known)
                    maps[part, codebook, row, column] = symbols
                    canvas[part, codebook, row + 1, column + 1] = symbols


def range_coder() -> tuple[Any, Any]:
    """Constriction's module of streams and its family of categorical distributions.

    ``perfect`` is part of the format: with another value the same weights give other bits.

    Raises:
        InputError: The package is missing.
    """
    try:
        from constriction import stream  # here, as no other command needs it
    except ImportError:
        raise InputError(
            "the range coder is of the package constriction: install it by pip install 'lightning_gen[compress]'"
        ) from None
    return stream, stream.model.Categorical(perfect=False)
