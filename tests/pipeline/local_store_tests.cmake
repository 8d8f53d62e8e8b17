# Tests of the local store and the data folder; they need neither encoders nor codecs at run time.
add_executable(store_process store_process.cpp)
set_target_properties(store_process PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
target_link_libraries(store_process PRIVATE sightline::pipeline sightline::warnings)

foreach(name IN ITEMS local_store local_store_sources local_store_filter local_store_shards
        local_store_model local_store_vectors local_store_values
        local_store_threads local_store_readers local_store_survival data_folder
        local_index local_store_snapshot live_slots point_scan read_gate shard_keeper shard_policy)
  sightline_add_test(${name}_test LABELS pipeline LINK sightline::pipeline)
endforeach()
# Changes a database behind the store's back.
target_link_libraries(local_store_survival_test PRIVATE sightline_rocksdb)
foreach(name IN ITEMS local_store_readers local_store_survival data_folder)
  target_compile_definitions(${name}_test PRIVATE
                             SIGHTLINE_STORE_PROCESS="$<TARGET_FILE:store_process>")
  add_dependencies(${name}_test store_process)
endforeach()
