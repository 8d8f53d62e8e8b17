# Tests of the local store and the data folder; they need neither encoders nor codecs at run time.
add_executable(store_process store_process.cpp)
set_target_properties(store_process PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
target_link_libraries(store_process PRIVATE sightline::pipeline sightline::warnings)

# One of them changes a database behind the store's back.
sightline_test_program(local_store_tests LABELS pipeline LINK sightline::pipeline sightline_rocksdb
                       NEEDS store_process
                       DEFINITIONS SIGHTLINE_STORE_PROCESS="$<TARGET_FILE:store_process>")
sightline_test_batch(local_store_tests local_store_test local_store_sources_test
  local_store_filter_test local_store_snapshot_test)
sightline_test_batch(local_store_tests data_folder_test live_slots_test local_store_readers_test
  local_store_threads_test local_store_vectors_test read_gate_test)
sightline_test_batch(local_store_tests local_store_survival_test local_store_values_test
  point_scan_test)
sightline_test_batch(local_store_tests local_index_test local_store_model_test shard_keeper_test
  shard_policy_test)
sightline_test_batch(local_store_tests local_store_shards_test local_store_renumber_test)
sightline_test_batch(local_store_tests local_store_rounding_test)
