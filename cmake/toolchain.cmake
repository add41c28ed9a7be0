# Compiler options shared by every target: warnings as errors, sanitizers, coverage, ccache.
option(HOLDFAST_TESTS "build the tests" ${PROJECT_IS_TOP_LEVEL})
option(HOLDFAST_BENCH "build the benchmarks" OFF)
option(HOLDFAST_FUZZ "build libFuzzer targets (needs clang)" OFF)
set(HOLDFAST_SANITIZE "" CACHE STRING "value of -fsanitize=, empty for none")
option(HOLDFAST_COVERAGE "instrument for gcov" OFF)

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

add_compile_options(-Wall -Wextra -Wpedantic -Wno-gnu-statement-expression -Wshadow -Werror
                    -fno-omit-frame-pointer -ffile-prefix-map=${PROJECT_SOURCE_DIR}=.)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # HF_TRY is a statement expression; g++ has no narrower switch for it than -Wpedantic itself.
  add_compile_options(-Wno-pedantic)
endif()
if(HOLDFAST_SANITIZE)
  add_compile_options(-fsanitize=${HOLDFAST_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${HOLDFAST_SANITIZE})
endif()
if(HOLDFAST_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(HOLDFAST_COVERAGE)
  add_compile_options(--coverage -fprofile-update=atomic)
  add_link_options(--coverage)
endif()
