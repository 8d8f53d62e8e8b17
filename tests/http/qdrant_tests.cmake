# The core of Qdrant's API: bodies first, then the routes, called without a socket.
foreach(name IN ITEMS point_reader query_reader qdrant_settings qdrant_answer)
  sightline_add_test(${name}_test LABELS http LINK sightline::http)
endforeach()
foreach(name IN ITEMS qdrant_paths qdrant_routes)
  sightline_add_test(${name}_test LABELS http LINK sightline::http)
endforeach()
