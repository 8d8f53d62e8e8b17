#!/usr/bin/python3
"""Writes an index as stock FAISS, autofaiss and clip-retrieval do.

write_index.py ROWS.npy FILE FACTORY METRIC [ids] [array|hashtable]

FACTORY is in the grammar of index_factory. With "ids" row i has id 7,000,000,000 + 3 i. The last
word is what an IVF finds rows by.
"""
import sys

import faiss
import numpy as np


def main():
    faiss.omp_set_num_threads(1)
    rows, file, factory, metric = np.load(sys.argv[1]), *sys.argv[2:5]
    index = faiss.index_factory(rows.shape[1], factory, faiss.METRIC_INNER_PRODUCT
                                if metric == "product" else faiss.METRIC_L2)
    index.train(rows)
    maps = {"array": faiss.DirectMap.Array, "hashtable": faiss.DirectMap.Hashtable}
    for name in set(sys.argv[5:]) & set(maps):
        index.set_direct_map_type(maps[name])
    if "ids" in sys.argv[5:]:
        index.add_with_ids(rows, 7_000_000_000 + 3 * np.arange(len(rows)))
    else:
        index.add(rows)
    faiss.write_index(index, file)


main()
