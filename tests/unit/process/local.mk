if HAVE_CUNIT
# Those with namespaces and without are the same tests on two kinds of machine.
process_tests = \
  tests/unit/process/test_output_capture \
  tests/unit/process/test_process \
  tests/unit/process/test_process_tree \
  tests/unit/process/test_programs \
  tests/unit/process/test_process_tree_without_namespaces \
  tests/unit/process/test_sandbox \
  tests/unit/process/test_sandbox_without_namespaces \
  tests/unit/process/test_sandbox_on_linux_6_1
check_PROGRAMS += $(process_tests)
TESTS += $(process_tests)

process_fixture = tests/unit/process/fixture.c tests/unit/process/fixture.h

tests_unit_process_test_output_capture_SOURCES = tests/unit/process/test_output_capture.c
tests_unit_process_test_output_capture_CPPFLAGS = $(unit_cppflags)
tests_unit_process_test_output_capture_CFLAGS = $(unit_cflags)
tests_unit_process_test_output_capture_LDADD = $(unit_libs)

tests_unit_process_test_process_SOURCES = tests/unit/process/test_process.c $(process_fixture)
tests_unit_process_test_process_CPPFLAGS = $(unit_cppflags)
tests_unit_process_test_process_CFLAGS = $(unit_cflags)
tests_unit_process_test_process_LDADD = $(unit_libs)

tests_unit_process_test_programs_SOURCES = tests/unit/process/test_programs.c $(process_fixture)
tests_unit_process_test_programs_CPPFLAGS = $(unit_cppflags)
tests_unit_process_test_programs_CFLAGS = $(unit_cflags)
tests_unit_process_test_programs_LDADD = $(unit_libs)

tests_unit_process_test_process_tree_SOURCES = tests/unit/process/test_process_tree.c $(process_fixture)
tests_unit_process_test_process_tree_CPPFLAGS = $(unit_cppflags)
tests_unit_process_test_process_tree_CFLAGS = $(unit_cflags)
tests_unit_process_test_process_tree_LDADD = $(unit_libs)

tests_unit_process_test_process_tree_without_namespaces_SOURCES = \
  tests/unit/process/test_process_tree.c $(process_fixture)
tests_unit_process_test_process_tree_without_namespaces_CPPFLAGS = $(unit_cppflags) -DWITHOUT_NAMESPACES
tests_unit_process_test_process_tree_without_namespaces_CFLAGS = $(unit_cflags)
tests_unit_process_test_process_tree_without_namespaces_LDADD = $(unit_libs)

tests_unit_process_test_sandbox_SOURCES = tests/unit/process/test_sandbox.c $(process_fixture)
tests_unit_process_test_sandbox_CPPFLAGS = $(unit_cppflags)
tests_unit_process_test_sandbox_CFLAGS = $(unit_cflags)
tests_unit_process_test_sandbox_LDADD = $(unit_libs)

tests_unit_process_test_sandbox_without_namespaces_SOURCES = tests/unit/process/test_sandbox.c $(process_fixture)
tests_unit_process_test_sandbox_without_namespaces_CPPFLAGS = $(unit_cppflags) -DWITHOUT_NAMESPACES
tests_unit_process_test_sandbox_without_namespaces_CFLAGS = $(unit_cflags)
tests_unit_process_test_sandbox_without_namespaces_LDADD = $(unit_libs)

# Debian 12 has Landlock ABI 2.
tests_unit_process_test_sandbox_on_linux_6_1_SOURCES = tests/unit/process/test_sandbox.c $(process_fixture)
tests_unit_process_test_sandbox_on_linux_6_1_CPPFLAGS = $(unit_cppflags) -DLANDLOCK_ABI=2
tests_unit_process_test_sandbox_on_linux_6_1_CFLAGS = $(unit_cflags)
tests_unit_process_test_sandbox_on_linux_6_1_LDADD = $(unit_libs)
endif
