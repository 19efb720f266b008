#pragma once

#include <cstdio>
#include <cstdlib>

// An invariant of a fuzz target: the fuzzer keeps the input that breaks it.
#define FUZZ_CHECK(condition)                                                      \
  do {                                                                             \
    if (!(condition)) {                                                            \
      std::fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                \
    }                                                                              \
  } while (false)
