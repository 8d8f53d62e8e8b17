#include "http/internal/openapi_data.h"

namespace sightline::http {

const std::string_view kOperations = R"json({
"POST /v1/search": {
  "tag": "search", "body": {"application/json": "#Search", "multipart/form-data": "#SearchForm"},
  "answer": "#SearchAnswer"},
"GET /v1/search": {
  "tag": "search", "answer": "#SearchAnswer",
  "query": {"q": "string", "id": "#PointId", "collection": "string",
            "limit": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 10},
            "offset": {"type": "integer", "minimum": 0, "maximum": 10000, "default": 0},
            "cursor": "string", "filter": "json", "score_threshold": "number",
            "diversity": {"type": "number", "minimum": 0, "maximum": 1, "default": 0},
            "group_by": "string",
            "group_size": {"type": "integer", "minimum": 1, "maximum": 100, "default": 3},
            "sort": "string", "with_payload": "string", "with_vector": "boolean",
            "exact": "boolean",
            "nprobe": {"type": "integer", "minimum": 0, "maximum": 65536},
            "ef_search": {"type": "integer", "minimum": 0, "maximum": 65536},
            "rerank": "boolean", "enrich": "boolean"}},
"GET /v1/collections": {"tag": "collections", "answer": "#CollectionList"},
"GET /v1/collections/{collection}": {"tag": "collections", "answer": "#Collection"},
"GET /v1/collections/{collection}/facets": {
  "tag": "collections", "answer": "#Facets",
  "required": ["field"],
  "query": {"field": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 32},
            "limit": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 20},
            "filter": "json"}},
"GET /v1/collections/{collection}/duplicates": {
  "tag": "collections", "answer": "#Duplicates",
  "query": {"max_distance": {"type": "integer", "minimum": 0, "maximum": 11, "default": 6},
            "limit": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 50},
            "offset": {"type": "integer", "minimum": 0, "maximum": 4294967295, "default": 0},
            "filter": "json"}},
"POST /v1/collections/{collection}/images": {
  "tag": "pictures",
  "answer": {"application/json": "#UploadAnswer", "application/x-ndjson": "#UploadLine"},
  "body": {"multipart/form-data": "#UploadForm", "application/x-tar": "binary",
           "application/tar": "binary", "image/*": "binary",
           "*/*": {"type": "string", "contentMediaType": "application/octet-stream",
                   "description": "Taken for one picture; application/json is a 415."}},
  "query": {"id": "#PointId", "name": "string", "payload": "json"}},
"GET /v1/images/{collection}/{id}": {
  "tag": "pictures", "answer": {"image/*": "binary"},
  "query": {"original": "boolean", "v": "string"}},
"GET /v1/images/{collection}/{id}/thumbnail": {
  "tag": "pictures", "answer": {"image/jpeg": "binary"}, "query": {"v": "string"}},
"POST /v1/jobs": {"tag": "jobs", "body": {"application/json": "#JobRequest"}, "answer": "#Job",
  "status": 202},
"GET /v1/jobs": {"tag": "jobs", "answer": "#JobList"},
"GET /v1/jobs/{id}": {"tag": "jobs", "answer": "#Job"},
"DELETE /v1/jobs/{id}": {"tag": "jobs", "answer": "#Job"},
"GET /v1/info": {"tag": "server", "answer": "#Info"},
"GET /v1/models": {"tag": "server", "answer": "#ModelList"},
"POST /v1/session": {"tag": "server", "body": {"application/json": "#SessionRequest"},
  "answer": "object"},
"GET /v1/session": {"tag": "server", "answer": "object"},
"DELETE /v1/session": {"tag": "server", "answer": "object", "status": 204},
"GET /healthz": {"tag": "server", "answer": {"text/plain": "string"}},
"GET /livez": {"tag": "server", "answer": {"text/plain": "string"}},
"GET /readyz": {"tag": "server", "answer": {"text/plain": "string"}},
"GET /metrics": {"tag": "server", "answer": {"text/plain": "string"}},
"GET /metrics-summary": {"tag": "server", "answer": {"text/plain": "string"}},
"GET /openapi.json": {"tag": "server", "answer": "object"}
})json";

const std::string_view kSchemas = R"json({
"PointId": {"oneOf": [{"type": "integer", "minimum": 0, "maximum": 18446744073709551615},
                      {"type": "string", "format": "uuid"}]},
"Error": {
  "type": "object", "required": ["error"],
  "properties": {"error": {
    "type": "object", "required": ["message", "type", "param", "code"],
    "properties": {"message": {"type": "string"}, "type": {"type": "string"},
                   "param": {"type": ["string", "null"]}, "code": {"type": "string"}}}}},
"SessionRequest": {"type": "object", "required": ["key"],
                   "properties": {"key": {"type": "string"}}},
"Filter": {"type": "object", "description": "Qdrant's filter: must, should, must_not, min_should."},
"Operand": {
  "description": "One of text, image, id and part, with a weight.",
  "oneOf": [
    {"type": "string"},
    {"type": "object", "additionalProperties": false,
     "properties": {
       "text": {"type": "string"},
       "image": {"type": "string",
                 "description": "data:, http(s):// or file:// URL, base64 of a picture, or a path."},
       "id": {"$ref": "#/components/schemas/PointId"},
       "part": {"type": "string", "description": "The name of a file part of the form."},
       "weight": {"type": "number", "default": 1, "description": "Not 0; negative: away from it."}}}]},
"PayloadSelector": {
  "oneOf": [{"type": "boolean"}, {"type": "array", "items": {"type": "string"}},
            {"type": "object", "additionalProperties": false,
             "minProperties": 1, "maxProperties": 1, "properties": {
              "include": {"type": "array", "items": {"type": "string"}},
              "exclude": {"type": "array", "items": {"type": "string"}}}}]},
"Search": {
  "type": "object", "additionalProperties": false,
  "properties": {
    "collection": {"type": "string"},
    "query": {"oneOf": [{"$ref": "#/components/schemas/Operand"},
                        {"type": "array", "maxItems": 64,
                         "items": {"$ref": "#/components/schemas/Operand"}}]},
    "filter": {"$ref": "#/components/schemas/Filter"},
    "limit": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 10},
    "offset": {"type": "integer", "minimum": 0, "maximum": 10000, "default": 0},
    "cursor": {"type": "string"},
    "score_threshold": {"type": "number"},
    "diversity": {"type": "number", "minimum": 0, "maximum": 1, "default": 0},
    "group_by": {"type": "string"},
    "group_size": {"type": "integer", "minimum": 1, "maximum": 100, "default": 3},
    "sort": {"type": "string", "description": "A payload field; - before it: descending."},
    "with_payload": {"$ref": "#/components/schemas/PayloadSelector"},
    "with_vector": {"type": "boolean", "default": false},
    "exact": {"type": "boolean", "default": false},
    "nprobe": {"type": "integer", "minimum": 0, "maximum": 65536},
    "ef_search": {"type": "integer", "minimum": 0, "maximum": 65536},
    "rerank": {"description": "Not there yet: 501."},
    "enrich": {"description": "Not there yet: 501."}}},
"SearchForm": {
  "type": "object",
  "description": "`request` with the JSON of a search, or its fields as parts; files are operands.",
  "properties": {"request": {"$ref": "#/components/schemas/Search"}},
  "additionalProperties": true},
"Picture": {
  "type": "object",
  "required": ["id", "path", "width", "height", "payload", "image_url", "thumbnail_url"],
  "properties": {
    "id": {"$ref": "#/components/schemas/PointId"},
    "path": {"type": "string"}, "width": {"type": "integer"}, "height": {"type": "integer"},
    "payload": {"type": ["object", "null"]},
    "image_url": {"type": ["string", "null"], "description": "Relative to the server's root."},
    "thumbnail_url": {"type": ["string", "null"]}}},
"Hit": {
  "allOf": [
    {"$ref": "#/components/schemas/Picture"},
    {"type": "object", "required": ["rank", "score", "cosine", "strong"],
     "properties": {
       "rank": {"type": "integer", "minimum": 1},
       "score": {"type": ["number", "null"]}, "cosine": {"type": ["number", "null"]},
       "strong": {"type": ["boolean", "null"]},
       "vector": {"type": "array", "items": {"type": "number"}}}}]},
"SearchAnswer": {
  "type": "object",
  "required": ["collection", "model", "total", "next_cursor", "background", "timings_ms",
               "plan", "warnings"],
  "properties": {
    "collection": {"type": "string"}, "model": {"type": ["string", "null"]},
    "hits": {"type": "array", "items": {"$ref": "#/components/schemas/Hit"}},
    "groups": {"type": "array", "items": {
      "type": "object", "required": ["key", "hits"],
      "properties": {"key": {"type": ["string", "integer"]},
                     "hits": {"type": "array", "items": {"$ref": "#/components/schemas/Hit"}}}}},
    "total": {"type": ["integer", "null"]},
    "next_cursor": {"type": ["string", "null"]},
    "background": {"type": ["object", "null"], "properties": {
      "center": {"type": "number"}, "spread": {"type": "number"},
      "strong_from": {"type": "number"}, "points": {"type": "integer"}}},
    "timings_ms": {"type": "object", "additionalProperties": {"type": "number"}},
    "plan": {"type": ["object", "null"]},
    "warnings": {"type": "array", "items": {"type": "string"}}}},
"CollectionList": {
  "type": "object", "required": ["collections"],
  "properties": {"collections": {"type": "array", "items": {
    "type": "object", "required": ["name"],
    "properties": {
      "name": {"type": "string"}, "points": {"type": "integer"},
      "disk_bytes": {"type": "integer"}, "memory_bytes": {"type": "integer"},
      "model": {"type": ["string", "null"]},
      "error": {"type": "string", "description": "Why the collection cannot be opened."}}}}}},
"Collection": {
  "type": "object",
  "required": ["name", "points", "sources", "commit_number", "disk_bytes", "memory_bytes",
               "mapped_bytes", "vectors", "shards", "payload_indexes", "fields",
               "sampled_points"],
  "properties": {
    "name": {"type": "string"}, "points": {"type": "integer"}, "sources": {"type": "integer"},
    "commit_number": {"type": "integer"}, "disk_bytes": {"type": "integer"},
    "memory_bytes": {"type": "integer"}, "mapped_bytes": {"type": "integer"},
    "vectors": {"type": "array", "items": {"type": "object", "properties": {
      "name": {"type": "string"}, "kind": {"enum": ["dense", "sparse", "multi"]},
      "dim": {"type": "integer"}, "metric": {"type": "string"}, "index": {"type": "string"},
      "target_recall": {"type": "number"},
      "model": {"type": ["object", "null"], "properties": {
        "name": {"type": "string"}, "checksum": {"type": "string"}, "alpha": {"type": "string"},
        "precision": {"type": "string"}}}}}},
    "shards": {"type": "array", "items": {"type": "object", "properties": {
      "vector": {"type": "string"}, "type": {"type": "string"}, "rows": {"type": "integer"},
      "live": {"type": "integer"}, "memory_bytes": {"type": "integer"},
      "mapped_bytes": {"type": "integer"}, "bytes_per_row": {"type": "number"}}}},
    "payload_indexes": {"type": "object", "additionalProperties": {"type": "string"}},
    "fields": {"type": "array", "items": {"type": "object",
      "required": ["field", "type", "index", "share", "num_values", "facet"],
      "properties": {
        "field": {"type": "string"}, "type": {"type": "string"},
        "index": {"type": ["string", "null"]}, "share": {"type": "number"},
        "num_values": {"type": "integer"}, "facet": {"type": "boolean"},
        "min": {"type": ["number", "string"]}, "max": {"type": ["number", "string"]}}}},
    "sampled_points": {"type": "integer"}}},
"Facets": {
  "type": "object", "required": ["facets"],
  "properties": {"facets": {"type": "array", "items": {
    "type": "object", "required": ["field", "values", "indexed"],
    "properties": {
      "field": {"type": "string"}, "indexed": {"type": "boolean"},
      "values": {"type": "array", "items": {
        "type": "object", "required": ["value", "count"],
        "properties": {"value": {"type": ["string", "integer", "boolean"]},
                       "count": {"type": "integer"}}}}}}}}},
"Duplicates": {
  "type": "object", "required": ["groups", "total", "points"],
  "properties": {
    "groups": {"type": "array", "items": {
      "type": "object", "required": ["hits"],
      "properties": {"hits": {"type": "array", "items": {"allOf": [
        {"$ref": "#/components/schemas/Picture"},
        {"type": "object", "required": ["distance"],
         "properties": {"distance": {"type": "integer"}}}]}}}}},
    "total": {"type": "integer"}, "points": {"type": "integer"}}},
"UploadForm": {
  "type": "object", "description": "Every part with a file name is a picture.",
  "properties": {"payload": {"type": ["object", "array"]},
                 "id": {"$ref": "#/components/schemas/PointId"}},
  "additionalProperties": true},
"UploadResult": {
  "type": "object", "required": ["name", "status"],
  "properties": {
    "name": {"type": "string"},
    "status": {"enum": ["indexed", "updated", "unchanged", "failed"]},
    "id": {"oneOf": [{"$ref": "#/components/schemas/PointId"}, {"type": "null"}]},
    "width": {"type": ["integer", "null"]}, "height": {"type": ["integer", "null"]},
    "error": {"type": ["string", "null"]}}},
"UploadAnswer": {
  "type": "object",
  "required": ["collection", "results", "indexed", "updated", "unchanged", "failed",
               "timings_ms"],
  "properties": {
    "collection": {"type": "string"},
    "results": {"type": "array", "items": {"$ref": "#/components/schemas/UploadResult"}},
    "indexed": {"type": "integer"}, "updated": {"type": "integer"},
    "unchanged": {"type": "integer"}, "failed": {"type": "integer"},
    "timings_ms": {"type": "object", "additionalProperties": {"type": "number"}}}},
"UploadLine": {
  "description": "One line: of a picture; the last the counts, or what ended the work early.",
  "oneOf": [{"$ref": "#/components/schemas/UploadResult"},
            {"type": "object", "required": ["indexed", "updated", "unchanged", "failed"],
             "properties": {"indexed": {"type": "integer"}, "updated": {"type": "integer"},
                            "unchanged": {"type": "integer"}, "failed": {"type": "integer"}}},
            {"$ref": "#/components/schemas/Error"}]},
"JobRequest": {
  "type": "object", "required": ["paths"], "additionalProperties": false,
  "properties": {
    "collection": {"type": "string"},
    "paths": {"type": "array", "minItems": 1, "items": {"type": "string"}},
    "exclude": {"type": "array", "items": {"type": "string"}},
    "prune": {"type": "boolean", "default": false},
    "follow_symlinks": {"type": "boolean", "default": false},
    "hidden": {"type": "boolean", "default": false},
    "model": {"type": "string",
              "description": "That a new collection is made with; another has to be made with it."}}},
"Job": {
  "type": "object",
  "required": ["id", "kind", "state", "collection", "paths", "created_at", "started_at", "finished_at",
               "progress", "report", "error"],
  "properties": {
    "id": {"type": "string"}, "kind": {"const": "index"},
    "state": {"enum": ["queued", "running", "done", "failed", "stopped"]},
    "collection": {"type": "string"},
    "paths": {"type": "array", "items": {"type": "string"}},
    "created_at": {"type": "string", "format": "date-time"},
    "started_at": {"type": ["string", "null"], "format": "date-time"},
    "finished_at": {"type": ["string", "null"], "format": "date-time"},
    "progress": {"type": "object"}, "report": {"type": ["object", "null"]},
    "error": {"type": ["string", "null"]}}},
"JobList": {
  "type": "object", "required": ["jobs"],
  "properties": {"jobs": {"type": "array", "items": {"$ref": "#/components/schemas/Job"}}}},
"Info": {
  "type": "object",
  "required": ["title", "version", "cpu", "threads", "collections", "default_collection",
               "models", "limits", "features", "you"],
  "properties": {
    "title": {"const": "sightline"}, "version": {"type": "string"}, "cpu": {"type": "string"},
    "threads": {"type": "integer"}, "collections": {"type": "integer"},
    "default_collection": {"type": "string"},
    "models": {"type": "array", "items": {"type": "string"}},
    "limits": {"type": "object", "additionalProperties": {"type": "integer"}},
    "features": {"type": "object", "additionalProperties": {"type": "boolean"}},
    "you": {"type": "object", "properties": {
      "name": {"type": "string"}, "right": {"enum": ["none", "read", "write", "admin"]},
      "collections": {"type": ["array", "null"], "items": {"type": "string"}}}}}},
"ModelList": {
  "type": "object", "required": ["object", "data"],
  "properties": {
    "object": {"const": "list"},
    "data": {"type": "array", "items": {
      "type": "object", "required": ["id", "object", "owned_by", "default", "loaded"],
      "properties": {"id": {"type": "string"}, "object": {"const": "model"},
                     "owned_by": {"type": "string"}, "default": {"type": "boolean"},
                     "loaded": {"type": "boolean"}}}}}}
})json";

}  // namespace sightline::http
