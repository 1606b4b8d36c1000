"""Embeddings of semantic IDs (``models.semantic``): hashed tables of the prefixes of residual codes, and the levels."""

import torch
from torch import Tensor, nn

from models.nn.start import reset_children
from models.semantic.scalar import decode_scalar

MOST_ROWS = 1 << 24


class HierarchicalEmbedding(nn.Module):
    """e = sum over levels k of W_k[idx_k]: a vector of the first code, one of the first two, ... (arXiv 2606.01396).

    Codes c are 1 to C; 0 = missing. idx_1 = c_1, and idx_k = 1 + (sum over j <= k of (c_j - 1) C^(k - j)) mod (H - 1):
    row 0 belongs to missing codes alone and stays 0. A row is 0 until training sees it, so that an unknown prefix adds
    nothing to what its beginning says.
    """

    def __init__(self, levels: int, codes: int, rows: int, width: int) -> None:
        """``levels`` K; ``codes`` C; ``rows`` H of every table but the first, which has C + 1; ``width`` of e."""
        super().__init__()
        if not (levels > 0 and codes > 0 and 2 <= rows <= MOST_ROWS and codes < MOST_ROWS):
            raise ValueError(f"levels, codes, rows: expected 1, 1 and 2 or more; found {levels}, {codes}, {rows}")
        self.codes, self.rows = codes, rows
        sizes = [codes + 1] + [rows] * (levels - 1)
        self.tables = nn.ModuleList(nn.Embedding(size, width, padding_idx=0) for size in sizes)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Zero the tables."""
        for weight in self.parameters():
            nn.init.zeros_(weight)

    def index(self, codes: Tensor) -> Tensor:
        """Rows (..., K) int64 of the tables for the codes (..., K) int64; a code after a missing one is missing too.

        Codes come from a store: one that is out of range must not fail a request, and counts as missing.
        """
        prefix = torch.zeros_like(codes[..., 0])
        known = torch.ones_like(prefix, dtype=torch.bool)
        found = []
        for level in range(len(self.tables)):
            code = codes[..., level]
            known = known & (code > 0) & (code <= self.codes)
            if level == 0:
                place, prefix = code, (code - 1) % (self.rows - 1)
            else:  # the remainder is taken at each level: C^k itself may not fit into 64 bits
                prefix = (prefix * self.codes + code - 1) % (self.rows - 1)
                place = 1 + prefix
            found.append(torch.where(known, place, 0))
        return torch.stack(found, dim=-1)

    def forward(self, codes: Tensor) -> Tensor:
        """(..., K) int64 codes -> (..., width)."""
        rows = self.index(codes)
        return torch.stack([table(rows[..., place]) for place, table in enumerate(self.tables)]).sum(dim=0)


class SemanticEmbedding(nn.Module):
    """One source's semantic IDs as a vector: e_RQ + Linear(FSQ), of whichever branch there is."""

    def __init__(self, levels: int, codes: int, rows: int, scalars: int, scalar_levels: int, width: int) -> None:
        """``levels`` 0 = no residual codes; ``scalars`` D 0 = no rounded dimensions of ``scalar_levels`` L steps."""
        super().__init__()
        self.scalar_levels = scalar_levels
        self.residual = HierarchicalEmbedding(levels, codes, rows, width) if levels else None
        self.scalar = nn.Linear(scalars, width, bias=False) if scalars else None  # no bias: missing is 0

    def reset_parameters(self) -> None:
        """Reinitialize all weights."""
        reset_children(self)

    def forward(self, residual: Tensor, scalar: Tensor) -> Tensor:
        """(..., K) int64 codes and (..., D) int64 levels, 0 = missing -> (..., width); 0 for a key without an ID."""
        parts = []
        if self.residual is not None:
            parts.append(self.residual(residual))
        if self.scalar is not None:
            known = (scalar > 0) & (scalar <= self.scalar_levels)
            parts.append(self.scalar(decode_scalar(torch.where(known, scalar, 0), self.scalar_levels)))
        return torch.stack(parts).sum(dim=0)


class SemanticSources(nn.Module):
    """Tables of its own for each source, since a code means something else in each: their vectors beside each other."""

    def __init__(self, sources: dict[str, SemanticEmbedding]) -> None:
        super().__init__()
        self.names = tuple(sources)
        self.sources = nn.ModuleList(sources.values())

    def forward(self, codes: dict[str, tuple[Tensor, Tensor]]) -> Tensor:
        """By source: (..., K) codes and (..., D) levels -> (..., sum of widths), in the order of the sources."""
        return torch.cat([one(*codes[name]) for name, one in zip(self.names, self.sources, strict=True)], dim=-1)
