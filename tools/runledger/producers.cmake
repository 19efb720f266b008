# `runledger exec` and `runledger emit`: what sends events.
add_library(runledger_producers STATIC
  child_process.cc cli_flags.cc emit.cc emit_options.cc event_sender.cc exec.cc exec_options.cc json_object.cc line_reader.cc
  run_reporter.cc stderr_tee.cc)
target_include_directories(runledger_producers PUBLIC ${PROJECT_SOURCE_DIR})
target_link_libraries(runledger_producers
  PUBLIC runledger::codecs runledger::kafka cli11 Threads::Threads
  PRIVATE runledger_tool runledger::proto runledger_flags)
