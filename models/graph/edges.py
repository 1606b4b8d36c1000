"""Writing one direction of an edge type: rows stream from the engine into a file, never held together in memory."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from tqdm import tqdm

from models.graph.csr import add_rows, offsets_of
from models.graph.sql import EdgeCount
from models.graph.writer import Shape, TensorFile


def write_edges(path: Path, batches: Iterable[pa.RecordBatch], size: EdgeCount, sources: int) -> None:
    """Write an ``EdgeTensors`` group out of rows (owner, neighbour, time and, where weighted, weight) in CSR order."""
    shapes = {
        "offsets": Shape(torch.int64, (sources + 1,)),
        "target": Shape(torch.int32, (size.rows,)),
        "time": Shape(torch.int64, (size.rows,)),
        "weight": Shape(torch.float32, (size.rows if size.weighted else 0,)),
    }
    counts = np.zeros(sources, np.int64)
    with TensorFile(path, shapes) as file, tqdm(total=size.rows, desc=path.stem, unit="row", disable=None) as progress:
        for batch in batches:
            add_rows(counts, batch["owner"].to_numpy())
            file.append("target", batch["neighbour"].to_numpy())
            file.append("time", batch["time"].to_numpy())
            if size.weighted:
                file.append("weight", batch["weight"].to_numpy())
            progress.update(batch.num_rows)
        file.append("offsets", offsets_of(counts))
