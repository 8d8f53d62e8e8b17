#!/usr/bin/python3
"""Opens a sealed shard in stock FAISS, asks it what we asked, and compares.

compare_shard.py FOLDER SPEC METRIC SETTING...

FOLDER holds shard/, rows.npy (in the order of slots), queries.npy and for each SETTING (an nprobe or
ef) slots-SETTING.npy and distances-SETTING.npy: what we found, slot -1 where there was no more. Ends
with status 1 and names the first difference that is no near-tie.
"""
import pathlib
import sys

import faiss
import numpy as np

METRICS = {"product": faiss.METRIC_INNER_PRODUCT, "l2": faiss.METRIC_L2, "l1": faiss.METRIC_L1}
CLASSES = {"Flat": faiss.IndexFlat, "IVF,Flat": faiss.IndexIVFFlat, "HNSW": faiss.IndexHNSWFlat,
           "IVF,SQ": faiss.IndexIVFScalarQuantizer, "IVF,PQ": faiss.IndexIVFPQ}
NEAR = 1e-5  # of the squared lengths of query and row: what float32 sums differ by


def check(condition, what):
    if not condition:
        sys.exit("compare_shard.py: " + what)


def cost(metric, query, rows):
    """What is to be minimised, in double precision, in FAISS's units."""
    query, rows = query.astype(np.float64), rows.astype(np.float64)
    if metric == "product":
        return -(rows @ query)
    difference = rows - query
    return (difference**2).sum(1) if metric == "l2" else np.abs(difference).sum(1)


def sidecar_slots(path, num_rows):
    """docs/sidecar_format.md: 192 bytes of header, u64 versions, u32 slots."""
    data = path.read_bytes()
    check(data[:8] == b"SLSIDCAR" and data[16:20] == b"rows", f"{path} is no sidecar of rows")
    return np.frombuffer(data, "<u4", num_rows, 192 + 8 * num_rows).astype(np.int64)


class Shard:
    def __init__(self, folder, spec, metric):
        self.metric = metric
        self.is_ivf, self.is_lossy = "IVF" in spec, "PQ" in spec or "SQ" in spec
        self.rows, self.queries = np.load(folder / "rows.npy"), np.load(folder / "queries.npy")
        self.slots = sidecar_slots(folder / "shard/rows", len(self.rows))
        self.file = str(folder / "shard/index.faiss")
        self.index = faiss.read_index(self.file)
        kind = "".join(c for c in spec if not c.isdigit())
        check(isinstance(self.index, CLASSES[kind]), f"{spec} opens as {type(self.index)}")
        check(self.index.ntotal == len(self.rows) and self.index.d == self.rows.shape[1]
              and self.index.metric_type == METRICS[metric], f"{spec} has other rows or metric")
        # What stock FAISS compares: rows, or what it decodes from their codes.
        self.seen = self.decoded() if self.is_lossy else self.rows

    def decoded(self):
        """Codes equal those that stock FAISS makes, but for near-ties between two words."""
        index, n = self.index, len(self.rows)
        theirs = index.sa_encode(self.rows)  # number of the list, code
        ours = np.full_like(theirs, 0)
        width = theirs.shape[1] - index.invlists.code_size
        for number in range(index.nlist):
            size = index.invlists.list_size(number)
            if size == 0:
                continue
            ids = faiss.rev_swig_ptr(index.invlists.get_ids(number), size)
            codes = faiss.rev_swig_ptr(index.invlists.get_codes(number), size * index.code_size)
            at = np.searchsorted(self.slots, ids)
            check((self.slots[at] == ids).all(), f"list {number} holds slots of no row")
            ours[at, :width] = np.frombuffer(number.to_bytes(width, "little"), np.uint8)
            ours[at, width:] = codes.reshape(size, -1)
        different = np.flatnonzero((ours != theirs).any(1))
        check(len(different) <= n / 100, f"{len(different)} of {n} codes differ")
        mine, other = index.sa_decode(ours), index.sa_decode(theirs)
        for row in different:
            errors = [((side[row] - self.rows[row]).astype(np.float64)**2).sum()
                      for side in (mine, other)]
            check(abs(errors[0] - errors[1]) <= 1e-4 * (1 + errors[1]),
                  f"the code of row {row} differs: errors {errors}")
        return mine

    def search(self, index, setting, k):
        if self.is_ivf:
            index.nprobe = setting
        elif isinstance(index, faiss.IndexHNSW):
            index.hnsw.efSearch = setting
        distances, labels = index.search(self.queries, k)
        if not self.is_ivf:
            labels = np.where(labels < 0, -1, self.slots[labels])
        return distances, labels

    def compare(self, setting, ours, distances):
        """returns how many hits are others than those of stock FAISS, near-ties with them."""
        stock_distances, stock = self.search(self.index, setting, ours.shape[1])
        num_different, apart = 0, []
        for number, query in enumerate(self.queries):
            hits = {"ours": ours[number], "stock": stock[number]}
            at = {who: np.searchsorted(self.slots, slots[slots >= 0]) for who, slots in hits.items()}
            least = len(at["stock"])
            check(len(at["ours"]) >= least > 0, f"query {number}: fewer hits than stock FAISS")
            for who, slots in hits.items():
                check((self.slots[at[who]] == slots[slots >= 0]).all(), f"{who}: slots of no row")
                check(len(set(at[who])) == len(at[who]), f"{who}: a row twice")
            costs = {who: cost(self.metric, query, self.seen[rows]) for who, rows in at.items()}
            if self.is_lossy:  # ours are ordered by their full vectors, found by their codes
                costs = {who: np.sort(values) for who, values in costs.items()}
            near = NEAR * ((query**2).sum() + (self.rows[at["stock"]]**2).sum(1).max())
            gaps = costs["ours"][:least] - costs["stock"]
            # Lists that hold less than was asked for are followed by further ones here alone.
            if gaps.max() > near or (gaps.min() < -near and least == ours.shape[1]):
                apart.append(f"setting {setting}, query {number}: {gaps}\n{hits}")
            self.check_distances(query, at["ours"], distances[number], near)
            num_different += len(set(at["ours"]) ^ set(at["stock"])) // 2
        # Of a narrow beam in a graph a rounding may decide, or how FAISS counts its heap.
        allowed = len(self.queries) // 25 if isinstance(self.index, faiss.IndexHNSW) else 0
        check(len(apart) <= allowed, "\n".join(apart))
        return num_different

    def check_distances(self, query, rows, distances, near):
        """What we say of a hit is its full vector's distance; L2 comes as its root."""
        said = distances[:len(rows)].astype(np.float64)
        said = said**2 if self.metric == "l2" else said
        check(np.abs(said - cost(self.metric, query, self.rows[rows])).max() <= near,
              "another distance than that of the rows")
        check((np.diff(said) >= -near).all(), "hits are not in order")

    def check_mapped(self, setting, k):
        """FAISS maps inverted lists where they lie."""
        mapped = faiss.read_index(self.file, faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
        for left, right in zip(self.search(mapped, setting, k),
                               self.search(self.index, setting, k)):
            check((left == right).all(), "the mapped file answers otherwise")


def main():
    faiss.omp_set_num_threads(1)
    folder, spec, metric = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    shard = Shard(folder, spec, metric)
    for setting in sys.argv[4:]:
        ours = np.load(folder / f"slots-{setting}.npy").astype(np.int64)
        distances = np.load(folder / f"distances-{setting}.npy")
        check(ours.shape == distances.shape and len(ours) == len(shard.queries) > 0, "no answers")
        num_different = shard.compare(int(setting), ours, distances)
        if shard.is_ivf:
            shard.check_mapped(int(setting), ours.shape[1])
        print(f"{setting}: {ours.size} hits, {num_different} of them others")


main()
