if HAVE_CUNIT
worker_tests = \
  tests/unit/worker/test_context \
  tests/unit/worker/test_gate \
  tests/unit/worker/test_generations \
  tests/unit/worker/test_readiness_cache \
  tests/unit/worker/test_secure_execution \
  tests/unit/worker/test_threads \
  tests/unit/worker/test_tool_text
check_PROGRAMS += $(worker_tests)
TESTS += $(worker_tests)
tests_unit_worker_test_context_SOURCES = tests/unit/worker/test_context.c
tests_unit_worker_test_context_CPPFLAGS = $(unit_cppflags)
tests_unit_worker_test_context_CFLAGS = $(unit_cflags)
tests_unit_worker_test_context_LDADD = $(unit_libs)
tests_unit_worker_test_gate_SOURCES = tests/unit/worker/test_gate.c
tests_unit_worker_test_gate_CPPFLAGS = $(unit_cppflags)
tests_unit_worker_test_gate_CFLAGS = $(unit_cflags)
tests_unit_worker_test_gate_LDADD = $(unit_libs)
tests_unit_worker_test_generations_SOURCES = tests/unit/worker/test_generations.c tests/unit/net/server.c
tests_unit_worker_test_generations_CPPFLAGS = $(unit_cppflags)
tests_unit_worker_test_generations_CFLAGS = $(unit_cflags)
tests_unit_worker_test_generations_LDADD = $(unit_libs)
tests_unit_worker_test_readiness_cache_SOURCES = tests/unit/worker/test_readiness_cache.c
tests_unit_worker_test_readiness_cache_CPPFLAGS = $(unit_cppflags)
tests_unit_worker_test_readiness_cache_CFLAGS = $(unit_cflags)
tests_unit_worker_test_readiness_cache_LDADD = $(unit_libs)
tests_unit_worker_test_secure_execution_SOURCES = tests/unit/worker/test_secure_execution.c
tests_unit_worker_test_secure_execution_CPPFLAGS = $(unit_cppflags)
tests_unit_worker_test_secure_execution_CFLAGS = $(unit_cflags)
tests_unit_worker_test_secure_execution_LDADD = $(unit_libs)
tests_unit_worker_test_threads_SOURCES = tests/unit/worker/test_threads.c
tests_unit_worker_test_threads_CPPFLAGS = $(unit_cppflags)
tests_unit_worker_test_threads_CFLAGS = $(unit_cflags)
tests_unit_worker_test_threads_LDADD = $(unit_libs)
# The command line's own parts, which link nothing of the library.
tests_unit_worker_test_tool_text_SOURCES = tests/unit/worker/test_tool_text.c tool/json.c tool/text.c
tests_unit_worker_test_tool_text_CPPFLAGS = -D_GNU_SOURCE $(unit_cppflags)
tests_unit_worker_test_tool_text_CFLAGS = $(unit_cflags)
tests_unit_worker_test_tool_text_LDADD = $(CUNIT_LIBS)
endif
